#!/bin/bash
# Runs inside the image's tree: what makes Debian start like CoreOS.
set -euo pipefail
here=/customize

initrd() {
  install -D -m 0755 -t /usr/lib/dracut/modules.d/35ingot-ignition "$here"/dracut/module-setup.sh "$here"/dracut/ingot-ignition-*
  chmod 0644 /usr/lib/dracut/modules.d/35ingot-ignition/*.service
  install -m 0644 "$here/dracut/emergency.conf" /usr/lib/dracut/modules.d/35ingot-ignition/
  # The config is on the disk: an initrd without network starts seconds faster. Remote resources in an Ignition config need one.
  sed -i 's/echo qemu systemd url-lib network/echo systemd/' /usr/lib/dracut/modules.d/30ignition/module-setup.sh
  local kernel
  kernel=$(basename /lib/modules/*)
  dracut --quiet --force --no-hostonly --no-hostonly-cmdline --kver "$kernel" --zstd \
    --modules 'base systemd systemd-initrd dracut-systemd udev-rules usrmount rootfs-block fs-lib shutdown ignition ingot-ignition' \
    --drivers 'virtio virtio_pci virtio_blk virtio_scsi virtio_ring ahci sd_mod nvme nvme-core ext4 crc32c_generic crc32c_intel mbcache jbd2 vfat fat nls_cp437 nls_ascii nls_iso8859-1 sr_mod cdrom qemu_fw_cfg' \
    /boot/initrd
  mv /boot/vmlinuz-* /boot/vmlinuz
  rm -f /boot/initrd.img-* /boot/System.map-* /boot/config-* /initrd.img* /vmlinuz*
}

system() {
  # Anything but "uninitialized" would keep systemd from applying the presets that Ignition writes.
  echo uninitialized >/etc/machine-id
  rm -f /var/lib/dbus/machine-id /etc/hostname
  useradd --create-home --shell /bin/bash --user-group --uid 1000 core
  printf 'LABEL=root / ext4 defaults,noatime 0 1\nLABEL=boot /boot ext4 defaults,noatime 0 2\n' >/etc/fstab
  install -m 0644 "$here/ingot-firstboot-complete.service" /etc/systemd/system/
  mkdir -p /etc/systemd/system-preset /etc/NetworkManager/conf.d
  systemctl enable ingot-firstboot-complete.service NetworkManager.service
  echo 'enable ingot-firstboot-complete.service' >/etc/systemd/system-preset/10-ingot.preset
  printf '[main]\ndhcp=internal\nplugins=keyfile\n[device]\nwifi.scan-rand-mac-address=no\n' >/etc/NetworkManager/conf.d/ingot.conf
  systemctl mask systemd-networkd.service wpa_supplicant.service apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer \
    e2scrub_all.timer e2scrub_reap.service fstrim.timer systemd-pcrphase.service >/dev/null
  systemctl set-default multi-user.target >/dev/null
}

slim() {
  rm -rf /usr/share/doc /usr/share/man /usr/share/locale /usr/share/info /usr/lib/dracut /usr/share/zoneinfo/right /var/cache/apt /var/lib/apt/lists \
    /var/log/*.log /var/log/apt /usr/lib/python* /usr/share/perl /usr/share/bash-completion
  local modules
  modules=$(echo /lib/modules/*)
  rm -rf "$modules"/kernel/{sound,drivers/gpu,drivers/infiniband,drivers/media,net/ceph,net/sctp,drivers/isdn,drivers/usb/gadget,fs/{ocfs2,gfs2,ceph,cifs,nfsd,jfs,reiserfs,btrfs,f2fs,nilfs2,ubifs,jffs2,afs,coda,orangefs}}
  depmod "$(basename "$modules")"
}

initrd
system
slim
