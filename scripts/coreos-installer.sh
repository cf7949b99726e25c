#!/usr/bin/env bash
# Prints the path of a coreos-installer: the one on PATH, else one built once from its crate into the cache.
set -euo pipefail
version=0.27.0
cache="${XDG_CACHE_HOME:-$HOME/.cache}/ingot/coreos-installer/$version"

if command -v coreos-installer >/dev/null; then
  command -v coreos-installer
  exit
fi
mkdir -p "$cache"
exec 9>"$cache.lock"
flock 9
if [[ ! -x $cache/bin/coreos-installer ]]; then
  if ! command -v cargo >/dev/null; then
    echo "coreos-installer is missing: put one on PATH (Fedora: dnf install coreos-installer), or install Rust 1.87 or newer so that cargo can build it" >&2
    exit 1
  fi
  echo "building coreos-installer $version (once, some minutes)" >&2
  build=$(mktemp -d "$cache/build.XXXXXX")
  trap 'rm -rf "$build"' EXIT
  cargo install --quiet --locked "coreos-installer@$version" --root "$build" >&2
  mkdir -p "$cache/bin"
  mv "$build/bin/coreos-installer" "$cache/bin/coreos-installer"
fi
echo "$cache/bin/coreos-installer"
