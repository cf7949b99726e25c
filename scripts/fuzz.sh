#!/usr/bin/env bash
# fuzz.sh TIME: runs every fuzz target for that long (60s, 10m), one after the other. What fails is left in its package's testdata/fuzz.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
duration=${1:-60s}
while IFS=: read -r file target; do
  echo "== $target in $(dirname "$file"), $duration"
  go test -run '^$' -fuzz "^$target\$" -fuzztime "$duration" -fuzzminimizetime 200x "./$(dirname "$file")"
done < <(git grep -oE '^func Fuzz[A-Za-z0-9_]+' -- '*_test.go' | sed 's/:func /:/')
