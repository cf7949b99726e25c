#!/usr/bin/env bash
# Prints the path of a sops: the one on PATH, else one built once from its module into the cache (2 minutes of two processors).
set -euo pipefail
version=3.13.3
cache="${XDG_CACHE_HOME:-$HOME/.cache}/ingot/sops/$version"

if command -v sops; then exit; fi
mkdir -p "$cache"
exec 9>"$cache.lock"
flock -n 9 || { echo "waiting for another build of sops" >&2; flock 9; }
[[ -x $cache/sops ]] || {
  echo "building sops $version (once, about 2 minutes)" >&2
  (cd / && GOBIN="$cache" GOFLAGS=-mod=mod "${GO:-go}" install "github.com/getsops/sops/v3/cmd/sops@v$version") >&2 || {
    echo "sops.sh: sops could not be built, see above: put a sops on PATH, or copy one to $cache/sops" >&2
    exit 1
  }
}
echo "$cache/sops"
