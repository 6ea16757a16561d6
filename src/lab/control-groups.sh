#!/bin/bash
# The control groups of the lab and of tests, in every hierarchy that is mounted here:
#   bash control-groups.sh remove GROUP      removes GROUP and all below it, once its last process is gone
# Other scripts source it for its functions. GROUP is a path below the hierarchy's top: `name` or `name/host1`.

# The mount points of all hierarchies, one a line.
control_group_mounts() {
  local point kind
  while read -r _ point kind _; do
    case $kind in cgroup | cgroup2) echo "$point" ;; esac
  done <<<"$(cat /proc/mounts)"
}

# Makes the group $1 below each mount point where that is allowed; a second time does no harm.
make_control_group() {
  local point part path file
  for point in $(control_group_mounts); do
    path=$point
    for part in ${1//\// }; do
      [ -d "$path/$part" ] || mkdir "$path/$part" 2>/dev/null || continue 2
      for file in cpuset.cpus cpuset.mems; do # empty in a new group, and then nothing can join it
        [ ! -e "$path/$file" ] || cat "$path/$file" >"$path/$part/$file"
      done
      path=$path/$part
    done
  done
}

# Moves the calling shell, and so what it starts from now on, into the group $1.
join_control_group() {
  local point
  for point in $(control_group_mounts); do
    [ ! -d "$point/$1" ] || echo 0 >"$point/$1/cgroup.procs"
  done
}

# The kernel lets go of a group only when the last of its killed processes is gone: up to five seconds of tries.
remove_control_group() {
  local point try left
  for try in {1..100}; do
    left=
    for point in $(control_group_mounts); do
      [ -d "$point/$1" ] || continue
      find "$point/$1" -depth -type d -exec rmdir {} + 2>/dev/null || true
      [ ! -d "$point/$1" ] || left="$point/$1"
    done
    [ -n "$left" ] || return 0
    sleep 0.05
  done
  echo "the control group $left does not empty" >&2
  return 1
}

if [ "${BASH_SOURCE[0]}" = "$0" ]; then
  [ "${1-}" = remove ] && [ -n "${2-}" ] || { echo "usage: $0 remove GROUP" >&2; exit 2; }
  remove_control_group "$2"
fi
