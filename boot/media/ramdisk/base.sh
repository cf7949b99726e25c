#!/usr/bin/env bash
# base.sh OUT KERNEL PACKAGES COMPONENTS: the ramdisk's slow part. Writes OUT/vmlinuz and OUT/base.zst (a cpio of the whole tree). KERNEL is a
# Debian kernel package, PACKAGES a list separated by commas, COMPONENTS the archive's (main, non-free-firmware) separated by spaces.
set -euo pipefail
out=$1 kernel=$2 packages=$3 components=$4
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export SOURCE_DATE_EPOCH=1700000000 # any fixed time: the same packages give the same bytes
exclude=(doc man locale info i18n bash-completion zsh lintian bug)

# archives prints the Debian archives of this machine's own apt as lines of sources.list.
archives() {
  local keyring=/usr/share/keyrings/debian-archive-keyring.gpg option=''
  [[ ! -e $keyring ]] || option="[signed-by=$keyring] "
  # shellcheck disable=SC2016 # apt's own variables
  apt-get indextargets --format '$(REPO_URI) $(RELEASE)' 'Created-By: Packages' 'Origin: Debian' 'Component: main' |
    sort -u | sed -E "s#.*#deb $option& $components#"
}

make_tree() {
  local suite options=() name
  suite=$(. /etc/os-release && echo "$VERSION_CODENAME")
  for name in "${exclude[@]}"; do options+=("--dpkgopt=path-exclude=/usr/share/$name/*"); done
  # what this machine's apt is told about mirrors and proxies holds for the ramdisk's too
  apt-config dump --format '%f "%v";%n' Acquire::Check-Valid-Until Acquire::Check-Date Acquire::http Acquire::https >"$work/apt.conf"
  mmdebstrap --quiet --variant=minbase --include="$kernel,usr-is-merged,$packages" "${options[@]}" \
    --hook-dir=/usr/share/mmdebstrap/hooks/merged-usr \
    --aptopt="$work/apt.conf" --aptopt='Apt::Install-Recommends "false"' \
    --customize-hook="copy-in $here/tree /" \
    --customize-hook='chroot "$1" /bin/bash /tree/customize.sh' \
    --customize-hook='rm -rf "$1/tree"' \
    "$suite" "$work/tree" - <"$work/sources.list"
}

pack_tree() {
  mv "$work"/tree/boot/vmlinuz-* "$out/vmlinuz"
  rm -rf "$work"/tree/boot
  cd "$work/tree"
  find . -newermt "@$SOURCE_DATE_EPOCH" -print0 | xargs -0 touch --no-dereference --date="@$SOURCE_DATE_EPOCH"
  find . -print0 | sort -z | cpio --null --create --format=newc --quiet --reproducible | zstd -q -T0 -19 >"$out/base.zst"
}

archives >"$work/sources.list"
[[ -s $work/sources.list ]] || { apt-get update >&2 && archives >"$work/sources.list"; }
[[ -s $work/sources.list ]] || { echo "base.sh: this machine's apt knows no Debian archive: build the ramdisk on Debian" >&2; exit 1; }
mkdir -p "$out"
out=$(cd "$out" && pwd)
make_tree
pack_tree
