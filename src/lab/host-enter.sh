#!/bin/bash
# Makes the namespaces of one host, from inside the lab's (see switch.sh):
#   bash host-enter.sh DIR GROUP NAME
# DIR holds what the host has to itself; GROUP is its control group; NAME its host name.
# The group is joined first: a control group namespace takes for its root what its first process is in.
set -eu
here=$(dirname "$0")
. "$here/control-groups.sh"
remove_control_group "$2" # what guests of the last life left
make_control_group "$2"
join_control_group "$2"
exec unshare --mount --net --uts --pid --ipc --cgroup --fork --kill-child bash "$here/host.sh" "$@"
