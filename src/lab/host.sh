#!/bin/bash
# Process 1 of one host of the lab, started by host-enter.sh in fresh namespaces:
#   bash host.sh DIR GROUP NAME
# Gives the host its own /proc, /sys, control groups, host name, and private directories, and keeps virtlogd and
# libvirtd running. Everything else of the file system is the machine's, and thereby shared between the hosts. When this
# process is killed, the kernel kills all others in the namespace: the host has crashed.
set -eu
dir=$1
group=$2
here=$(dirname "$0")
. "$here/control-groups.sh"

mount -t proc proc /proc
echo "$3" >/proc/sys/kernel/hostname
ip link set lo up

# Each hierarchy is bound at this host's group, so that libvirt takes the group for the hierarchy's top.
top=/sys/fs/cgroup
mount -t tmpfs -o mode=755 tmpfs "$dir/cgroup"
for point in $(control_group_mounts); do
  [ -d "$point/$group" ] || continue
  case $point in "$top"*) ;; *) continue ;; esac
  mkdir -p "$dir/cgroup${point#"$top"}"
  mount --bind "$point/$group" "$dir/cgroup${point#"$top"}"
done
mount -t sysfs sysfs /sys
mount --move "$dir/cgroup" "$top"
# Under version 2 a group that has children with controllers may hold no process itself.
if [ -e "$top/cgroup.subtree_control" ]; then
  mkdir "$top/init"
  echo 0 >"$top/init/cgroup.procs"
fi

mount --bind "$dir/hosts" /etc/hosts
[ ! -e /etc/machine-id ] || mount --bind "$dir/machine-id" /etc/machine-id
for pair in etc:/etc/libvirt lib:/var/lib/libvirt cache:/var/cache/libvirt log:/var/log run:/run; do
  mount --bind "$dir/${pair%%:*}" "${pair#*:}"
done

cd /
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
echo virtlogd >/run/virtlogd.service
printf '%s\n' libvirtd --listen >/run/libvirtd.service
keep_running() { bash "$here/keep-running.sh" "$@" & }
keep_running virtlogd /run/virtlogd.service /var/log/libvirt/virtlogd.out
keep_running libvirtd /run/libvirtd.service /var/log/libvirt/libvirtd.out
# What the host is told to keep running: LabHost.keepRunning.
keep_running service "$dir/service" /var/log/service.log
wait
