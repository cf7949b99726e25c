#!/usr/bin/env bash
# setup.sh test|full|bench: installs what is missing on a Debian 12 machine: for the fast tests; for the lab, the demo and e2e too;
# for the benchmarks too.
set -euo pipefail
level=${1:-full}
[[ $level == test || $level == full || $level == bench ]] || { echo "usage: scripts/setup.sh test|full|bench" >&2; exit 2; }

# command:package, only what the fast tests run
test_needs=(git:git sshd:openssh-server curl:curl shellcheck:shellcheck cpio:cpio jq:jq
  mkfs.ext4:e2fsprogs mkfs.xfs:xfsprogs mkfs.btrfs:btrfs-progs mkfs.vfat:dosfstools mcopy:mtools mkfs.ntfs:ntfs-3g
  cryptsetup:cryptsetup-bin mdadm:mdadm sgdisk:gdisk xorriso:xorriso)
full_needs=(qemu-system-x86_64:qemu-system-x86 qemu-img:qemu-utils mmdebstrap:mmdebstrap
  sfdisk:fdisk zstd:zstd pkg-config:pkg-config cc:gcc make:make chromium:chromium gpg:gnupg
  libvirtd:libvirt-daemon virsh:libvirt-clients ip:iproute2)
full_files=(/etc/ssl/certs/ca-certificates.crt:ca-certificates
  /usr/share/OVMF/OVMF_CODE_4M.secboot.fd:ovmf /usr/lib/shim/shimx64.efi.signed:shim-signed
  /usr/lib/grub/x86_64-efi-signed/gcdx64.efi.signed:grub-efi-amd64-signed /usr/include/blkid/blkid.h:libblkid-dev
  /usr/include/zstd.h:libzstd-dev /usr/include/lzma.h:liblzma-dev /usr/include/openssl/ssl.h:libssl-dev
  /usr/lib/x86_64-linux-gnu/qemu/block-curl.so:qemu-block-extra /usr/lib/python3/dist-packages/libvirt.py:python3-libvirt
  /usr/lib/x86_64-linux-gnu/libvirt/connection-driver/libvirt_driver_qemu.so:libvirt-daemon-driver-qemu)

missing=()
need_commands() {
  local entry
  for entry in "$@"; do
    PATH=$PATH:/usr/sbin:/sbin command -v "${entry%%:*}" >/dev/null || missing+=("${entry##*:}")
  done
}
need_files() {
  local entry
  for entry in "$@"; do [[ -e ${entry%%:*} ]] || missing+=("${entry##*:}"); done
}

need_commands "${test_needs[@]}"
python3 -c 'import ensurepip' 2>/dev/null || missing+=(python3-venv) # for `make check`
if [[ $level != test ]]; then
  need_commands "${full_needs[@]}"
  need_files "${full_files[@]}"
fi
[[ $level != bench ]] || need_commands nginx:nginx-light # what images are compared with
((${#missing[@]})) || exit 0
if ((EUID != 0)); then
  echo "setup: these packages are missing, install them as root: ${missing[*]}" >&2
  exit 1
fi
echo "setup: installing ${missing[*]}" >&2
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
trap 'rm -f "$log"' EXIT
{ apt-get update && apt-get install -y --no-install-recommends "${missing[@]}"; } >"$log" 2>&1 || {
  tail -n 30 "$log" >&2
  echo "setup: apt could not install ${missing[*]}: see above, then run scripts/setup.sh $level again" >&2
  exit 1
}
