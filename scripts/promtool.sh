#!/usr/bin/env bash
# Prints the path of a promtool: the one on PATH, else the one of Debian's package prometheus, unpacked once into the cache (19 MB). The
# package itself would start a server, and bring a web page with it.
set -euo pipefail
cache="${XDG_CACHE_HOME:-$HOME/.cache}/ingot/promtool"

if command -v promtool; then exit; fi
mkdir -p "$cache"
exec 9>"$cache.lock"
flock 9
[[ -x $cache/usr/bin/promtool ]] || {
  echo "unpacking promtool (once)" >&2
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  (cd "$work" && { apt-get download -q prometheus || { apt-get update -q && apt-get download -q prometheus; }; } &&
    dpkg-deb --extract prometheus_*.deb tree) >&2 || {
    echo "promtool.sh: apt could not download prometheus, see above: run 'apt-get update' as root, or put a promtool on PATH" >&2
    exit 1
  }
  mkdir -p "$cache/usr/bin"
  mv "$work/tree/usr/bin/promtool" "$cache/usr/bin/promtool"
}
echo "$cache/usr/bin/promtool"
