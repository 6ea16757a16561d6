#!/bin/bash
# Process 1 of the lab: its network namespace holds the bridge that the hosts are plugged into, and all hosts live
# in process namespaces below its own, so that nothing of the lab outlives it. Prints `ready`. Ends at the end of
# its input, unless a line `stay` came before. Bash collects the children that others leave to process 1.
#   bash switch.sh DIR
# DIR is the lab's. What is to run in the switch (start-cloud.ts) is in files of its directory `cloud`.
set -eu
dir=$1
mount -t proc proc /proc
ip link set lo up
ip link add switch type bridge
ip address add "10.77.0.254/24" dev switch
ip link set switch up
for name in nats controller; do
  bash "$(dirname "$0")/keep-running.sh" "$name" "$dir/cloud/$name.service" "$dir/cloud/$name.log" >/dev/null </dev/null &
done
echo ready
while read -r word; do
  if [ "$word" = stay ]; then
    exec </dev/null >/dev/null 2>&1
    sleep infinity &
    wait $!
  fi
done
