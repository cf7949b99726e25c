#!/usr/bin/env bash
# image.sh VERSION: dist/ingot_VERSION_ARCH.oci.tar, the container image of the programs in bin/: from scratch, with the CA bundle of this machine.
# BIN and DIST are other directories than bin and dist. The same commit, programs and bundle give the same bytes.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
version=${1:?usage: scripts/image.sh VERSION}
version=${version#v}
bin=${BIN:-bin} dist=${DIST:-dist}
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
export SOURCE_DATE_EPOCH
bundle=/etc/ssl/certs/ca-certificates.crt
[[ -s $bundle ]] || { echo "image.sh: there is no $bundle: install ca-certificates" >&2; exit 1; }
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
umask 022

# What the daemon writes is mounted: the daemon does not start without, in place of keys that end with the container.
install -d "$tree"/{etc/ingot,var/lib/ingot,proc,sys,dev}
install -d -m 1777 "$tree/tmp"
install -D -m 0755 "$bin/ingot" "$tree/usr/bin/ingot"
install -D -m 0755 "$bin/ingot-agent" "$tree/usr/lib/ingot/ingot-agent"
install -D -m 0644 "$bundle" "$tree$bundle"
install -m 0644 -t "$tree/etc" packaging/image/{passwd,group}
install -D -m 0644 docs/daemon.yaml "$tree/usr/share/doc/ingot/daemon.yaml"
install -m 0644 LICENSE "$tree/usr/share/doc/ingot/copyright"

mkdir -p "$dist"
out=$(realpath "$dist")/ingot_${version}_$(go env GOARCH).oci.tar
"${GO:-go}" run -C packaging/image . "$tree" "$version" "$out"
echo "$out"
