#!/bin/bash
# The arguments come as INGOT_ARG_<NAME>, and as JSON on standard input with everything else. What is to be kept goes into
# the results directory.
set -euo pipefail
results=$(jq -r .results)
awk -v seed="$INGOT_ARG_ITEM" -v points="$INGOT_ARG_POINTS" 'BEGIN {
  srand(seed)
  for (i = 0; i < points; i++) { x = rand(); y = rand(); if (x * x + y * y <= 1) hits++ }
  printf "{\"item\": %d, \"points\": %d, \"hits\": %d, \"pi\": %.6f}\n", seed, points, hits, 4 * hits / points
}' >"$results/pi.json"
cat "$results/pi.json"
