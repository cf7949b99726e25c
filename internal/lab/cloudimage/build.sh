#!/usr/bin/env bash
# build.sh OUT_DIR: makes the lab's cloud image from Debian packages, as root: a disk that starts by itself and is configured by Debian's
# cloud-init at the first start. It is for the step write-image; coreos-installer takes it not.
#
# Layout: GPT with EFI-SYSTEM (signed shim and GRUB) and root (ext4, label root, with kernel and initrd). The rest of the disk is for the
# config drive and for growpart. Writes ingot-cloud.raw.zst. Needs no loop device and leaves nothing mounted.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
out=$1
work=$(mktemp -d)
trap 'rm -rf --one-file-system "$work"' EXIT
tree=$work/tree
esp_mib=8 root_mib=440

packages=(systemd systemd-sysv udev dbus linux-image-cloud-amd64 initramfs-tools cloud-init cloud-guest-utils fdisk curl ca-certificates
  e2fsprogs iproute2 login passwd util-linux)

make_tree() {
  local exclude=() folder
  for folder in doc man locale info i18n bash-completion; do exclude+=(--dpkgopt="path-exclude=/usr/share/$folder/*"); done
  # INITRD=No: the initrd is made once, after the list of its modules is written.
  # shellcheck disable=SC2016 # $1 is for the shell that runs the hook: the tree
  INITRD=No mmdebstrap --quiet --variant=minbase --include="$(IFS=,; echo "${packages[*]}")" \
    --aptopt='Apt::Install-Recommends "false"' "${exclude[@]}" \
    --customize-hook="upload $here/customize.sh /customize.sh" \
    --customize-hook='chroot "$1" /bin/bash /customize.sh' \
    --customize-hook='rm "$1/customize.sh"' \
    bookworm "$tree"
  : >"$tree/etc/machine-id" # as in Debian's cloud images: another one for each machine
}

make_esp() {
  local image=$work/EFI-SYSTEM.img
  truncate -s ${esp_mib}M "$image"
  mkfs.vfat -F 12 -n EFI-SYSTEM "$image" >/dev/null
  mmd -i "$image" ::/EFI ::/EFI/BOOT ::/EFI/debian
  mcopy -i "$image" /usr/lib/shim/shimx64.efi.signed ::/EFI/BOOT/BOOTX64.EFI
  mcopy -i "$image" /usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed ::/EFI/BOOT/grubx64.efi
  mcopy -i "$image" "$here/grub.cfg" ::/EFI/debian/grub.cfg
}

make_disk() {
  local disk=$1 start=1 part
  mkfs.ext4 -q -b 4096 -L root -d "$tree" -E lazy_itable_init=0,lazy_journal_init=0 -m 1 "$work/root.img" ${root_mib}M >/dev/null
  truncate -s $((1 + esp_mib + root_mib + 1))M "$disk"
  sgdisk --clear \
    --new=1:2048:+${esp_mib}M --typecode=1:EF00 --change-name=1:EFI-SYSTEM \
    --new=2:0:+${root_mib}M --typecode=2:8304 --change-name=2:root "$disk" >/dev/null
  for part in EFI-SYSTEM root; do
    dd if="$work/$part.img" of="$disk" bs=1M seek=$start conv=notrunc,sparse status=none
    start=$((start + $(stat -c %s "$work/$part.img") / 1048576))
  done
}

((EUID == 0)) || { echo "build.sh: building the cloud image needs root: run it again as root" >&2; exit 1; }
echo "building the cloud image (once, some minutes)" >&2
make_tree
make_esp
make_disk "$work/disk.raw"
mkdir -p "$out"
zstd -q -f -T0 -"${INGOT_OSIMAGE_ZSTD:-12}" "$work/disk.raw" -o "$out/ingot-cloud.raw.zst"
