#!/usr/bin/env bash
# base.sh OUT KERNEL PACKAGES: the ramdisk's slow part. Writes OUT/vmlinuz and OUT/base.zst (a cpio of the whole tree). KERNEL is a Debian kernel
# package, PACKAGES a comma-separated list.
set -euo pipefail
out=$1 kernel=$2 packages=$3
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

mmdebstrap --quiet --variant=minbase --components=main,contrib,non-free-firmware --include="$kernel,$packages" \
  --aptopt='Apt::Install-Recommends "false"' \
  --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
  --dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt='path-exclude=/usr/share/info/*' \
  --dpkgopt='path-exclude=/usr/share/i18n/*' --dpkgopt='path-exclude=/usr/share/bash-completion/*' \
  --customize-hook="copy-in $here/tree /" \
  --customize-hook='chroot "$1" /bin/bash /tree/customize.sh' \
  --customize-hook='rm -rf "$1/tree"' \
  bookworm "$work/tree"
mkdir -p "$out"
mv "$work"/tree/boot/vmlinuz-* "$out/vmlinuz"
rm -rf "$work"/tree/boot
(cd "$work/tree" && find . -print0 | sort -z | cpio --null --create --format=newc --quiet --reproducible | zstd -q -T0 -15) >"$out/base.zst"
