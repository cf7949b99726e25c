#!/usr/bin/env bash
# Prints the directory of the lab's OS image, built once into the cache, keyed by everything it is made from.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source_dir=internal/lab/osimage
ignition_version=$(go list -m -f '{{.Version}}' github.com/coreos/ignition/v2)
key=$({ echo "$ignition_version"; find "$source_dir" -type f ! -name '*.md' -print0 | sort -z | xargs -0 sha256sum; } | sha256sum | cut -c1-16)
cache="${XDG_CACHE_HOME:-$HOME/.cache}/ingot/osimage"

mkdir -p "$cache"
exec 9>"$cache/lock"
flock 9
if [[ ! -e $cache/$key/ingot-os.json ]]; then
  ignition=$(scripts/ignition.sh)
  build=$(mktemp -d "$cache/build.XXXXXX")
  trap 'rm -rf "$build"' EXIT
  "$source_dir/build.sh" "$build" "$ignition" >&2
  mv "$build" "$cache/$key"
  trap - EXIT
fi
echo "$cache/$key"
