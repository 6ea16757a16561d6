#!/bin/bash
# Process 1 of the namespaces of one private libvirtd; started by private-libvirtd.ts, which explains it:
#   unshare --mount --pid --fork --kill-child bash private-libvirtd.sh DIR GROUP < pipe
# Reads commands, one a line: `start` starts libvirtd. At the pipe's end it exits, and the kernel then kills
# everything in the namespace: daemons, guests, all. Bash collects the children that others leave to process 1,
# without which libvirt would take a dead guest for a living one. GROUP names the control group whose inside
# libvirt takes for the root, so that two of these with guests of the same name do not share theirs.
set -eu
dir=$1
group=$2

mount -t proc proc /proc
for pair in run:/run etc:/etc/libvirt lib:/var/lib/libvirt log:/var/log/libvirt cache:/var/cache/libvirt; do
  mount --bind "$dir/${pair%%:*}" "${pair#*:}"
done
. "$(dirname "$0")/../../src/lab/control-groups.sh"
make_control_group "$group"
for point in $(control_group_mounts); do
  [ ! -d "$point/$group" ] || mount --bind "$point/$group" "$point"
done
cd /
PATH=/usr/sbin:/usr/bin:/sbin:/bin
(virtlogd >"$dir/log/virtlogd.out" 2>&1 </dev/null &)

while read -r command; do
  case $command in
    # In a subshell, so that bash does not report how its job ended.
    start) (libvirtd >"$dir/log/libvirtd.out" 2>&1 </dev/null &) ;;
  esac
done
