#!/usr/bin/env bash
# Prints the path of the real Ignition, built once from its module at go.mod's version into the cache.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
module=github.com/coreos/ignition/v2
version=$(go list -m -f '{{.Version}}' "$module")
cache="${XDG_CACHE_HOME:-$HOME/.cache}/ingot/ignition/$version"

mkdir -p "$cache"
exec 9>"$cache.lock"
flock 9
if [[ ! -x $cache/ignition ]]; then
  echo "building Ignition $version (once, some minutes)" >&2
  build=$(mktemp -d "$cache/build.XXXXXX")
  trap 'rm -rf "$build"' EXIT
  # SELinux relabelling is left out: Debian has no setfiles.
  (cd / && CGO_ENABLED=1 GOBIN="$build" GOFLAGS=-mod=mod go install \
    -ldflags "-s -w -X $module/internal/distro.selinuxRelabel=false" "$module/internal@$version" >&2)
  mv "$build/internal" "$cache/ignition"
fi
echo "$cache/ignition"
