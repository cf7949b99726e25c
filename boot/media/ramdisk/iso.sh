#!/usr/bin/env bash
# iso.sh OUT BASE_DIR AGENT INSTALLER OVERLAY_DIR MAGIC SIZE PROTOCOL: the ramdisk's fast part. Puts agent, installer and an optional directory into a
# second archive behind the base, and makes the ISO with the distribution's signed shim and GRUB. OVERLAY_DIR may be empty.
set -euo pipefail
out=$1 base=$2 agent=$3 installer=$4 overlay=$5 magic=$6 size=$7 protocol=$8
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export SOURCE_DATE_EPOCH=1700000000 # any fixed time: the same inputs give the same bytes
iso=$work/iso

# freeze gives everything below a directory the one time.
freeze() { find "$1" -print0 | xargs -0 touch --no-dereference --date="@$SOURCE_DATE_EPOCH"; }

make_initrd() {
  local extra=$work/extra
  mkdir -p "$extra/usr/bin" "$extra/usr/lib/coreos-installer"
  install -m 0755 "$agent" "$extra/usr/bin/ingot-agent"
  bundle_installer "$extra"
  [[ -z $overlay ]] || cp -a "$overlay/." "$extra/"
  freeze "$extra"
  {
    cat "$base/base.zst"
    (cd "$extra" && find . -mindepth 1 -print0 | sort -z | cpio --null --create --format=newc --quiet --reproducible --owner=0:0 | zstd -q -T0 -6)
  } >"$iso/boot/initrd"
}

# bundle_installer brings coreos-installer with its own libraries and loader: its distribution may be another one than the ramdisk's.
bundle_installer() {
  local lib=$1/usr/lib/coreos-installer loader library
  install -m 0755 "$installer" "$lib/coreos-installer"
  loader=$(ldd "$installer" | awk '/ld-linux/ {print $1}')
  for library in $(ldd "$installer" | awk '$2 == "=>" && $3 ~ /^\// {print $3}') "$loader"; do
    cp -L "$library" "$lib/"
  done
  printf '#!/bin/sh\nexec /usr/lib/coreos-installer/%s --library-path /usr/lib/coreos-installer /usr/lib/coreos-installer/coreos-installer "$@"\n' \
    "$(basename "$loader")" >"$1/usr/bin/coreos-installer"
  chmod 0755 "$1/usr/bin/coreos-installer"
}

make_esp() {
  truncate -s 5M "$work/esp.img"
  mkfs.vfat --invariant -F 12 -n ESP "$work/esp.img" >/dev/null
  mmd -i "$work/esp.img" ::/EFI ::/EFI/BOOT
  mcopy -i "$work/esp.img" /usr/lib/shim/shimx64.efi.signed ::/EFI/BOOT/BOOTX64.EFI
  mcopy -i "$work/esp.img" /usr/lib/grub/x86_64-efi-signed/gcdx64.efi.signed ::/EFI/BOOT/grubx64.efi
  cp "$work/esp.img" "$iso/boot/esp.img"
}

mkdir -p "$iso/boot/grub" "$iso/.disk"
: >"$iso/.disk/info" # Debian's GRUB for CDs looks for this file
cat >"$iso/boot/grub/grub.cfg" <<'CFG'
set timeout=0
set default=0
serial --unit=0 --speed=115200
terminal_output serial console
menuentry ingot {
  linux /boot/vmlinuz console=tty0 console=ttyS0,115200 quiet loglevel=4 systemd.show_status=0
  initrd /boot/initrd /boot/overlay
}
CFG
cp "$base/vmlinuz" "$iso/boot/vmlinuz"
make_initrd
printf '%s' "$magic" >"$iso/boot/overlay"
truncate -s "$size" "$iso/boot/overlay"
printf '%s\n' "$protocol" >"$iso/boot/protocol"
make_esp
freeze "$iso"
xorriso -as mkisofs -quiet -V INGOT -R -e boot/esp.img -no-emul-boot -o "$out" "$iso" 2>"$work/xorriso.log" || { cat "$work/xorriso.log" >&2; exit 1; }
