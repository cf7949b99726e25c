#!/usr/bin/env bash
# Prints the directory of a clean Debian 12 that has what the package depends on: tree.tar for a chroot; root.ext4, vmlinuz and initrd for a virtual
# machine whose guest.service runs the program /run of a tar archive on its second disk. Built once into the cache, keyed by this script: remove the
# directory to take newer packages. As root.
set -euo pipefail
cache="${XDG_CACHE_HOME:-$HOME/.cache}/ingot/debian"
packages=(systemd systemd-sysv udev dbus adduser ca-certificates git curl man-db linux-image-cloud-amd64 initramfs-tools)

build_tree() {
  local target=$1
  rm -rf "$cache"/build.* # what a killed build left: the lock is ours
  build=$(mktemp -d "$cache/build.XXXXXX")
  trap 'rm -rf --one-file-system "$build"' EXIT
  mmdebstrap --quiet --variant=minbase --include="$(IFS=,; echo "${packages[*]}")" --aptopt='Apt::Install-Recommends "false"' \
    --aptopt='Acquire::Languages "none"' bookworm "$build/tree" >&2
  mv "$build"/tree/boot/vmlinuz-* "$build/vmlinuz"
  mv "$build"/tree/boot/initrd.img-* "$build/initrd"
  rm -rf "$build"/tree/boot/* "$build"/tree/var/lib/apt/lists/* "$build"/tree/var/cache/apt/*
  tar --create --file "$build/tree.tar" --directory "$build/tree" --numeric-owner --exclude './usr/lib/modules/*' .
  make_guest "$build/tree"
  mkfs.ext4 -q -L root -d "$build/tree" -E lazy_itable_init=0,lazy_journal_init=0 "$build/root.ext4" 1500M >/dev/null
  rm -rf --one-file-system "$build/tree"
  chmod 0755 "$build"
  mv "$build" "$target"
}

# make_guest TREE: the machine starts guest.service, and nothing that a test does not need.
make_guest() {
  local tree=$1
  echo 6d3b0d7e000040008000000000000009 >"$tree/etc/machine-id" # no first boot
  echo debian >"$tree/etc/hostname"
  echo 'LABEL=root / ext4 noatime 0 0' >"$tree/etc/fstab"
  cat >"$tree/etc/systemd/system/guest.service" <<'UNIT'
[Unit]
Description=The program of the second disk
After=multi-user.target

[Service]
Type=oneshot
ExecStartPre=/bin/mkdir -p /guest
ExecStartPre=/bin/tar -xf /dev/vdb -C /guest
ExecStart=/guest/run
ExecStopPost=/bin/systemctl --no-block poweroff
StandardOutput=tty
StandardError=tty
TTYPath=/dev/ttyS1
UNIT
  mkdir -p "$tree/etc/systemd/system/default.target.wants"
  ln -s /etc/systemd/system/guest.service "$tree/etc/systemd/system/default.target.wants/guest.service"
  chroot "$tree" systemctl --quiet set-default multi-user.target
  chroot "$tree" systemctl --quiet mask getty@.service serial-getty@.service apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer \
    e2scrub_all.timer e2scrub_reap.service fstrim.timer man-db.timer systemd-update-done.service
}

((EUID == 0)) || { echo "debian.sh: making a Debian tree needs root: run it again as root" >&2; exit 1; }
key=$(sha256sum "${BASH_SOURCE[0]}" | cut -c1-16)
mkdir -p "$cache"
exec 9>"$cache/lock"
flock -n 9 || { echo "waiting for another build of the Debian tree" >&2; flock 9; }
if [[ ! -e $cache/$key ]]; then
  echo "making a Debian tree (once, about a minute)" >&2
  build_tree "$cache/$key"
fi
echo "$cache/$key"
