#!/usr/bin/env bash
# Prints the path of the real Ignition, built once from its module at go.mod's version into the cache.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
module=github.com/coreos/ignition/v2
version=$(go list -m -f '{{.Version}}' "$module")
cache="${XDG_CACHE_HOME:-$HOME/.cache}/ingot/ignition/$version"

# The linker's values: the version, which the module does not know itself, and no SELinux relabelling: Debian has no setfiles.
build_ignition() {
  build=$(mktemp -d "$cache/build.XXXXXX")
  trap 'rm -rf "$build"' EXIT
  (cd / && CGO_ENABLED=1 GOBIN="$build" GOFLAGS=-mod=mod GOWORK=off go install -ldflags \
    "-s -w -X $module/internal/version.Raw=$version -X $module/internal/distro.selinuxRelabel=false" "$module/internal@$version" >&2)
  mv "$build/internal" "$cache/ignition"
}

mkdir -p "$cache"
exec 9>"$cache.lock"
flock -n 9 || { echo "waiting for another build of Ignition" >&2; flock 9; }
if [[ ! -x $cache/ignition ]]; then
  echo "building Ignition $version (once, some minutes)" >&2
  build_ignition
fi
echo "$cache/ignition"
