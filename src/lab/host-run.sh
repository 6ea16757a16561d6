#!/bin/bash
# Runs a program for the outside, from within the host's namespaces: bash host-run.sh WORDS
# It belongs to the host's control groups like all else there, and ends when nsenter, its parent outside, ends.
set -u
for group in /sys/fs/cgroup/*/ /sys/fs/cgroup/init/; do
  [ ! -e "$group/cgroup.procs" ] || echo 0 2>/dev/null >"$group/cgroup.procs"
done
exec setpriv --pdeathsig KILL -- "$@"
