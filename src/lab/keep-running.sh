#!/bin/bash
# Runs a program again whenever it has ended, after a second, as a service manager does:
#   bash keep-running.sh NAME FILE LOG
# FILE has the program's words, one a line; while it is not there, or empty, nothing runs. What the program says goes
# to LOG. NAME is how the lab finds this process (service.ts), whose only child is the program.
set -u
file=$2
log=$3
exec 9<> <(:) # nothing ever comes out of it: reading from it waits without a process
while :; do
  if [ -s "$file" ]; then
    mapfile -t words <"$file"
    { "${words[@]}" 9>&-; } >>"$log" 2>&1 </dev/null
    read -rt 1 -u 9
  else
    read -rt 0.2 -u 9
  fi
done
