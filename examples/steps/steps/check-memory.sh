#!/bin/bash
# Ends an installation before anything is written where the machine has less memory than it should have.
set -euo pipefail
have=$(($(awk '/^MemTotal:/ {print $2}' /proc/meminfo) / 1000000))
if ((have < INGOT_ARG_GIGABYTES)); then
  echo "this machine has $have GB of memory, it should have $INGOT_ARG_GIGABYTES"
  exit 2 # failed for good: a person must look
fi
echo "{\"message\":\"$have GB of memory\"}"
