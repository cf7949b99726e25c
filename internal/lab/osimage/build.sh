#!/usr/bin/env bash
# build.sh OUT_DIR [IGNITION]: makes the CoreOS-shaped OS image of the lab from Debian packages, as root.
#
# Layout: GPT with EFI-SYSTEM (signed shim and GRUB), boot (ext4, label boot: kernel, initrd, loader/entries, ignition.firstboot) and root
# (ext4, label root). On the first boot the real Ignition runs from ignition/config.ign on boot, where coreos-installer puts it.
# Writes ingot-os.raw.zst, its digest, and ingot-os.json. Needs no loop device and leaves nothing mounted.
# Measured with QEMU's TCG, 2 vCPU, Secure Boot, on four cores that were also busy with builds: from QEMU's start to multi-user, network
# online, 45 s on the first boot and 40 s on the second; 6 s of it firmware, 8 s GRUB reading kernel and initrd. The build takes 2 min 30 s.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
out=$1
ignition=${2:-$("$here/../../../scripts/ignition.sh")}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tree=$work/tree
esp_mib=8 boot_mib=96 root_mib=560

packages=(systemd systemd-sysv udev dbus network-manager linux-image-cloud-amd64 dracut dracut-network ignition
  curl ca-certificates kmod e2fsprogs dosfstools gdisk iproute2 passwd login procps util-linux)

make_tree() {
  local exclude=() folder
  for folder in doc man locale info i18n bash-completion; do exclude+=(--dpkgopt="path-exclude=/usr/share/$folder/*"); done
  # INITRD=No: the kernel package would build an initrd that is thrown away.
  # shellcheck disable=SC2016 # $1 is for the shell that runs the hook: the tree
  INITRD=No mmdebstrap --quiet --variant=minbase --include="$(IFS=,; echo "${packages[*]}")" \
    --aptopt='Apt::Install-Recommends "false"' "${exclude[@]}" \
    --customize-hook="upload $ignition /usr/lib/dracut/modules.d/30ignition/ignition" \
    --customize-hook="copy-in $here/customize /" \
    --customize-hook='chroot "$1" /bin/bash /customize/customize.sh' \
    --customize-hook='rm -rf "$1/customize"' \
    bookworm "$tree"
  # Anything else keeps systemd from applying the presets that Ignition writes; mmdebstrap leaves the file empty.
  echo uninitialized >"$tree/etc/machine-id"
}

make_boot() {
  mkdir -p "$work/boot/loader/entries" "$work/boot/grub2"
  mv "$tree/boot/vmlinuz" "$work/boot/"
  zstd -q -19 -T0 --rm "$tree/boot/initrd" -o "$work/boot/initrd"
  cp "$here/entry.conf" "$work/boot/loader/entries/ingot-os.conf"
  cp "$here/grub.cfg" "$work/boot/grub2/grub.cfg"
  : >"$work/boot/ignition.firstboot"
  file_system boot "$work/boot" $boot_mib -O ^metadata_csum,^64bit
}

make_esp() {
  local image=$work/EFI-SYSTEM.img
  truncate -s ${esp_mib}M "$image"
  mkfs.vfat -F 12 -n EFI-SYSTEM "$image" >/dev/null
  mmd -i "$image" ::/EFI ::/EFI/BOOT ::/EFI/debian
  mcopy -i "$image" /usr/lib/shim/shimx64.efi.signed ::/EFI/BOOT/BOOTX64.EFI
  mcopy -i "$image" /usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed ::/EFI/BOOT/grubx64.efi
  mcopy -i "$image" "$here/esp-grub.cfg" ::/EFI/debian/grub.cfg
}

# file_system LABEL FOLDER MIB [OPTION...]: without lazy initialisation, whose thread would compete with the first boot.
file_system() {
  local label=$1 folder=$2 mib=$3
  shift 3
  mkfs.ext4 -q -b 4096 -L "$label" -d "$folder" -E lazy_itable_init=0,lazy_journal_init=0 "$@" "$work/$label.img" "${mib}M" >/dev/null
}

make_disk() {
  local disk=$1 start=1 part
  file_system root "$tree" $root_mib -N 40000 -m 1
  truncate -s $((1 + esp_mib + boot_mib + root_mib + 1))M "$disk"
  sgdisk --clear \
    --new=1:2048:+${esp_mib}M --typecode=1:EF00 --change-name=1:EFI-SYSTEM \
    --new=2:0:+${boot_mib}M --typecode=2:8300 --change-name=2:boot \
    --new=3:0:+${root_mib}M --typecode=3:8304 --change-name=3:root "$disk" >/dev/null
  for part in EFI-SYSTEM boot root; do
    dd if="$work/$part.img" of="$disk" bs=1M seek=$start conv=notrunc,sparse status=none
    start=$((start + $(stat -c %s "$work/$part.img") / 1048576))
  done
}

describe() {
  local image=$1 raw=$2 modules=("$tree"/lib/modules/*)
  jq -n --arg sha256 "$(sha256sum "$image" | cut -d' ' -f1)" \
    --argjson size "$(stat -c %s "$image")" --argjson rawSize "$(stat -c %s "$raw")" \
    --arg kernel "$(basename "${modules[0]}")" --arg ignition "$("$ignition" --version)" \
    '{$sha256, $size, $rawSize, $kernel, ignition: ($ignition | ltrimstr("Ignition "))}'
}

((EUID == 0)) || { echo "build.sh: building the OS image needs root: run it again as root" >&2; exit 1; }
echo "building the OS image (once, some minutes): packages and initrd" >&2
make_tree
echo "building the OS image: partitions" >&2
make_boot
make_esp
make_disk "$work/disk.raw"
echo "building the OS image: compression" >&2
mkdir -p "$out"
zstd -q -f -T0 -"${INGOT_OSIMAGE_ZSTD:-19}" "$work/disk.raw" -o "$out/ingot-os.raw.zst"
describe "$out/ingot-os.raw.zst" "$work/disk.raw" >"$out/ingot-os.json"
jq -r .sha256 "$out/ingot-os.json" >"$out/ingot-os.raw.zst.sha256"
