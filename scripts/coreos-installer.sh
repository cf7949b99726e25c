#!/usr/bin/env bash
# Prints the path of a coreos-installer: the one on PATH, else one built once from its crate into the cache (3 to 5 minutes).
set -euo pipefail
version=0.27.0
cache="${XDG_CACHE_HOME:-$HOME/.cache}/ingot/coreos-installer/$version"

no_installer() {
  cat >&2 <<TEXT
coreos-installer.sh: $1. Choose one:
  - put a coreos-installer on PATH (Fedora: dnf install coreos-installer; a CoreOS live system has it), or copy one to
    $cache/bin/coreos-installer
  - install Rust 1.87 or newer (Debian's own is too old), run scripts/setup.sh full for the libraries, and try again
TEXT
  exit 1
}

# An interrupted build is taken up again where it stopped.
build_installer() {
  command -v cargo >/dev/null || no_installer "there is neither coreos-installer nor cargo"
  local loudness=()
  [[ -t 2 ]] || loudness=(--quiet)
  echo "building coreos-installer $version (once, 3 to 5 minutes)" >&2
  CARGO_TARGET_DIR="$cache/target" cargo install "${loudness[@]}" --locked --force --no-track --root "$cache/build" \
    "coreos-installer@$version" >&2 || no_installer "cargo could not build coreos-installer $version, see above"
  mkdir -p "$cache/bin"
  mv "$cache/build/bin/coreos-installer" "$cache/bin/coreos-installer"
  rm -rf "$cache/target" "$cache/build"
}

if command -v coreos-installer; then exit; fi
mkdir -p "$cache"
exec 9>"$cache.lock"
flock -n 9 || { echo "waiting for another build of coreos-installer" >&2; flock 9; }
[[ -x $cache/bin/coreos-installer ]] || build_installer
echo "$cache/bin/coreos-installer"
