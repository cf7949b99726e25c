#!/usr/bin/env bash
# build.sh OUT_DIR IGNITION: makes the CoreOS-shaped OS image of the lab from Debian packages.
#
# Layout: GPT with EFI-SYSTEM (signed shim and GRUB), boot (ext4, label boot: kernel, initrd, loader/entries, ignition.firstboot) and root
# (ext4, label root). On the first boot the real Ignition runs from ignition/config.ign on boot, where coreos-installer puts it.
# Needs no loop device and leaves nothing mounted.
set -euo pipefail
out=$1 ignition=$2
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tree=$work/tree
esp_mib=8 boot_mib=96 root_mib=560

packages=(systemd systemd-sysv udev dbus network-manager linux-image-cloud-amd64 dracut dracut-network ignition
  curl ca-certificates kmod e2fsprogs dosfstools gdisk iproute2 passwd login procps util-linux zstd)

make_tree() {
  mmdebstrap --quiet --variant=minbase --include="$(IFS=,; echo "${packages[*]}")" \
    --aptopt='Apt::Install-Recommends "false"' \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt='path-exclude=/usr/share/info/*' \
    --dpkgopt='path-exclude=/usr/share/i18n/*' --dpkgopt='path-exclude=/usr/share/bash-completion/*' \
    --customize-hook="upload $ignition /usr/lib/dracut/modules.d/30ignition/ignition" \
    --customize-hook="copy-in $here/customize /" \
    --customize-hook='chroot "$1" /bin/bash /customize/customize.sh' \
    --customize-hook='rm -rf "$1/customize"' \
    bookworm "$tree"
}

make_boot() {
  mkdir -p "$work/boot/loader/entries"
  mv "$tree/boot/vmlinuz" "$tree/boot/initrd" "$work/boot/"
  cp "$here/entry.conf" "$work/boot/loader/entries/ingot.conf"
  : >"$work/boot/ignition.firstboot"
  mkfs.ext4 -q -L boot -d "$work/boot" -O '^metadata_csum,^64bit' "$work/boot.img" ${boot_mib}M
}

make_esp() {
  truncate -s ${esp_mib}M "$work/esp.img"
  mkfs.vfat -F 12 -n EFI-SYSTEM "$work/esp.img" >/dev/null
  mmd -i "$work/esp.img" ::/EFI ::/EFI/BOOT ::/EFI/debian
  mcopy -i "$work/esp.img" /usr/lib/shim/shimx64.efi.signed ::/EFI/BOOT/BOOTX64.EFI
  mcopy -i "$work/esp.img" /usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed ::/EFI/BOOT/grubx64.efi
  mcopy -i "$work/esp.img" "$here/grub.cfg" ::/EFI/debian/grub.cfg
}

make_disk() {
  local disk=$1
  mkfs.ext4 -q -L root -d "$tree" -N 40000 -m 1 "$work/root.img" ${root_mib}M
  truncate -s $((1 + esp_mib + boot_mib + root_mib + 1))M "$disk"
  sgdisk --clear \
    --new=1:2048:+${esp_mib}M --typecode=1:EF00 --change-name=1:EFI-SYSTEM \
    --new=2:0:+${boot_mib}M --typecode=2:8300 --change-name=2:boot \
    --new=3:0:+${root_mib}M --typecode=3:8304 --change-name=3:root "$disk" >/dev/null
  dd if="$work/esp.img" of="$disk" bs=1M seek=1 conv=notrunc,sparse status=none
  dd if="$work/boot.img" of="$disk" bs=1M seek=$((1 + esp_mib)) conv=notrunc,sparse status=none
  dd if="$work/root.img" of="$disk" bs=1M seek=$((1 + esp_mib + boot_mib)) conv=notrunc,sparse status=none
}

describe() {
  local image=$1
  jq -n --arg sha256 "$(sha256sum "$image" | cut -d' ' -f1)" --argjson size "$(stat -c %s "$image")" \
    --argjson rawSize "$(stat -c %s "$work/disk.raw")" '{sha256: $sha256, size: $size, rawSize: $rawSize}'
}

echo "building the OS image (once): packages, initrd, partitions" >&2
make_tree
make_boot
make_esp
make_disk "$work/disk.raw"
mkdir -p "$out"
zstd -q -T0 -15 "$work/disk.raw" -o "$out/ingot-os.raw.zst"
describe "$out/ingot-os.raw.zst" >"$out/ingot-os.json"
jq -r .sha256 "$out/ingot-os.json" >"$out/ingot-os.raw.zst.sha256"
