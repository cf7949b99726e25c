#!/usr/bin/env bash
# Prints the directory of the lab's OS image (ingot-os.raw.zst, .sha256, ingot-os.json), built once into the cache, keyed by everything
# it is made from except the versions of Debian's packages: remove the directory to take newer ones.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source_dir=internal/lab/osimage
cache="${XDG_CACHE_HOME:-$HOME/.cache}/ingot/osimage"

inputs() {
  go list -m -f '{{.Version}}' github.com/coreos/ignition/v2
  find "$source_dir" scripts/ignition.sh -type f ! -name '*.md' -print0 | sort -z | xargs -0 sha256sum
}

build_image() {
  local target=$1 ignition
  rm -rf "$cache"/build.* # what a killed build left: the lock is ours
  build=$(mktemp -d "$cache/build.XXXXXX")
  trap 'rm -rf "$build"' EXIT
  ignition=$(scripts/ignition.sh)
  "$source_dir/build.sh" "$build" "$ignition" >&2
  chmod 0755 "$build"
  mv "$build" "$target"
}

key=$(inputs | sha256sum | cut -c1-16)
mkdir -p "$cache"
exec 9>"$cache/lock"
flock -n 9 || { echo "waiting for another build of the OS image" >&2; flock 9; }
[[ -e $cache/$key/ingot-os.json ]] || build_image "$cache/$key"
echo "$cache/$key"
