#!/usr/bin/env bash
# Prints the directory of the lab's cloud image (ingot-cloud.raw.zst), built once into the cache, keyed by everything it is made from except
# the versions of Debian's packages: remove the directory to take newer ones.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source_dir=internal/lab/cloudimage
cache="${XDG_CACHE_HOME:-$HOME/.cache}/ingot/cloudimage"

build_image() {
  local target=$1
  rm -rf "$cache"/build.* # what a killed build left: the lock is ours
  build=$(mktemp -d "$cache/build.XXXXXX")
  trap 'rm -rf "$build"' EXIT
  "$source_dir/build.sh" "$build" >&2
  chmod 0755 "$build"
  mv "$build" "$target"
}

key=$(find "$source_dir" -type f ! -name '*.md' -print0 | sort -z | xargs -0 sha256sum | sha256sum | cut -c1-16)
mkdir -p "$cache"
exec 9>"$cache/lock"
flock -n 9 || { echo "waiting for another build of the cloud image" >&2; flock 9; }
[[ -e $cache/$key/ingot-cloud.raw.zst ]] || build_image "$cache/$key"
echo "$cache/$key"
