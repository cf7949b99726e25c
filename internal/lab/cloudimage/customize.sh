#!/bin/bash
# Runs inside the image's tree. cloud-init and its configuration stay as Debian ships them.
set -euo pipefail
modules=(/lib/modules/*)
kernel=$(basename "${modules[0]}")

initrd() {
  # Only what a root disk of the lab hangs on: a small initrd is read and unpacked faster.
  sed -i 's/^MODULES=.*/MODULES=list/' /etc/initramfs-tools/initramfs.conf
  printf '%s\n' virtio_pci virtio_blk virtio_scsi ahci sd_mod nvme ext4 crc32c_generic >>/etc/initramfs-tools/modules
  update-initramfs -c -k "$kernel" >/dev/null
  mv /boot/initrd.img-* /boot/initrd
  mv /boot/vmlinuz-* /boot/vmlinuz
  rm -f /boot/System.map-* /boot/config-* /initrd.img* /vmlinuz*
}

system() {
  echo 'LABEL=root / ext4 noatime 0 1' >/etc/fstab
  rm -f /etc/hostname /var/lib/dbus/machine-id # cloud-init gives the name
  systemctl --quiet enable systemd-networkd.service # of what Debian 12 has without more packages, cloud-init can write this
  systemctl --quiet set-default multi-user.target
  systemctl --quiet mask apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap.service fstrim.timer
}

# What no test starts. The image is read, unpacked and written in emulation.
slim() {
  dpkg --purge --force-depends initramfs-tools initramfs-tools-core >/dev/null 2>&1
  rm -rf /usr/share/{doc,man,locale,info,bash-completion,bug,lintian,perl,perl5} /usr/share/zoneinfo/{right,posix} /usr/lib/x86_64-linux-gnu/{gconv,perl} \
    /usr/lib/udev/hwdb.{d,bin} /var/cache/{apt,debconf} /var/lib/apt/lists /var/log/*.log /var/log/apt
  rm -rf "${modules[0]}"/kernel/{sound,drivers/gpu,drivers/infiniband,drivers/media,net/ceph,net/sctp,drivers/isdn,drivers/usb,drivers/scsi,drivers/hv} \
    "${modules[0]}"/kernel/fs/{ocfs2,gfs2,ceph,cifs,smb,nfs,nfsd,jfs,reiserfs,btrfs,f2fs,nilfs2,ubifs,jffs2,afs,coda,orangefs,xfs}
  depmod "$kernel"
}

initrd
system
slim
