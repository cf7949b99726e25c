#!/usr/bin/env bash
# Prints the directory of what a machine with an IPMI interface needs in tests: vmlinuz and the IPMI modules (*.ko) of Debian's stock kernel;
# bin/ipmi_sim, the BMC of Debian's package openipmi, and bin/ipmitool, with their libraries in lib. Fetched once into the cache, keyed by this
# script: remove the directory to take newer packages.
set -euo pipefail
cache="${XDG_CACHE_HOME:-$HOME/.cache}/ingot/inband"

download() {
  local kernel
  kernel=$(apt-cache depends linux-image-amd64 | sed -n 's/^ *Depends: //p' | head -n 1)
  (cd "$build" && apt-get -qq download "$kernel" openipmi libopenipmi0 ipmitool libfreeipmi17 >&2)
}

fetch() {
  local target=$1
  rm -rf "$cache"/build.* # what a killed run left: the lock is ours
  build=$(mktemp -d "$cache/build.XXXXXX")
  trap 'rm -rf "$build"' EXIT
  download || { apt-get -qq update >&2 && download; } || # without package lists, or with old ones
    { echo "inband.sh: apt cannot fetch Debian's kernel and openipmi: see above" >&2; exit 1; }
  for package in "$build"/*.deb; do dpkg-deb -x "$package" "$build/tree"; done
  mkdir "$build/bin" "$build/lib"
  mv "$build"/tree/boot/vmlinuz-* "$build/vmlinuz"
  mv "$build"/tree/lib/modules/*/kernel/drivers/char/ipmi/ipmi_{msghandler,si,devintf}.ko "$build/"
  mv "$build"/tree/usr/bin/{ipmi_sim,ipmitool} "$build/bin/"
  mv "$build"/tree/usr/lib/*/lib*.so.* "$build/lib/"
  rm -rf "$build/tree" "$build"/*.deb
  chmod 0755 "$build"
  mv "$build" "$target"
}

key=$(sha256sum "${BASH_SOURCE[0]}" | cut -c1-16)
mkdir -p "$cache"
exec 9>"$cache/lock"
flock -n 9 || { echo "waiting for another run of inband.sh" >&2; flock 9; }
[[ -e $cache/$key ]] || fetch "$cache/$key"
echo "$cache/$key"
