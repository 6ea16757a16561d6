#!/bin/bash
# Outlives the lab whose namespaces it makes, to remove the lab's control groups after the last process is gone:
#   bash keeper.sh GROUP DIR < pipe
# The pipe is the switch's (switch.sh): at its end the lab ends, so also when the process that holds it was killed.
here=$(dirname "$0")
unshare --mount --net --pid --fork --kill-child bash "$here/switch.sh" "$2"
bash "$here/control-groups.sh" remove "$1"
