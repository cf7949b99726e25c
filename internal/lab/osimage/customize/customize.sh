#!/bin/bash
# Runs inside the image's tree: what makes Debian start like CoreOS.
set -euo pipefail
here=/customize
modules=(/lib/modules/*)
kernel=$(basename "${modules[0]}")

# Only what a root disk can hang on: a small initrd is read, unpacked and coldplugged faster.
drivers=(virtio virtio_pci virtio_blk virtio_scsi virtio_ring ahci libahci libata sd_mod nvme nvme-core ext4 crc32c_generic crc32c_intel
  mbcache jbd2 vfat fat nls_cp437 nls_ascii nls_iso8859-1 sr_mod cdrom qemu_fw_cfg)

initrd() {
  local dracut_module=/usr/lib/dracut/modules.d/35ingot-ignition
  install -D -m 0755 -t "$dracut_module" "$here"/dracut/{module-setup.sh,ingot-boot-failed,ingot-ignition-user-config}
  install -m 0644 -t "$dracut_module" "$here"/dracut/*.service "$here"/dracut/*.conf
  # The config is on the disk: an initrd without network starts seconds faster. Remote resources in an Ignition config need one.
  sed -i 's/echo qemu systemd url-lib network/echo systemd/' /usr/lib/dracut/modules.d/30ignition/module-setup.sh
  mkdir "$here/no-conf"
  dracut --quiet --force --conf /dev/null --confdir "$here/no-conf" --no-hostonly --no-hostonly-cmdline --no-early-microcode \
    --kver "$kernel" --no-compress --modules 'systemd systemd-initrd udev-rules base ignition ingot-ignition' \
    --drivers "${drivers[*]}" /boot/initrd
  mv /boot/vmlinuz-* /boot/vmlinuz
  rm -f /boot/initrd.img-* /boot/System.map-* /boot/config-* /initrd.img* /vmlinuz*
}

system() {
  rm -f /var/lib/dbus/machine-id /etc/hostname
  useradd --create-home --shell /bin/bash --user-group --uid 1000 core
  printf 'LABEL=root / ext4 noatime 0 0\nLABEL=boot /boot ext4 noatime 0 0\n' >/etc/fstab
  install -m 0644 -t /lib/systemd/system "$here"/*.service
  install -D -m 0644 -t /usr/lib/ingot/repart.d "$here"/50-root.conf
  install -D -m 0644 -t /etc/NetworkManager/conf.d "$here"/ingot-network.conf
}

# What the stand-in never needs. Every unit, generator and rule left out makes the first boot, which reads them all, faster.
slim() {
  dpkg --purge --force-depends dracut dracut-network dracut-core ignition >/dev/null 2>&1
  rm -rf /usr/share/{doc,man,locale,info,bash-completion,perl,perl5,bug,lintian} /usr/share/zoneinfo/{right,posix} \
    /usr/lib/python* /usr/lib/x86_64-linux-gnu/{perl,gconv} /usr/lib/udev/hwdb.{d,bin} /usr/bin/ignition-validate \
    /var/cache/{apt,debconf} /var/lib/apt/lists /var/log/*.log /var/log/apt /etc/NetworkManager/dispatcher.d/01-ifupdown
  rm -rf "${modules[0]}"/kernel/{sound,drivers/gpu,drivers/infiniband,drivers/media,net/ceph,net/sctp,drivers/isdn,drivers/usb/gadget} \
    "${modules[0]}"/kernel/fs/{ocfs2,gfs2,ceph,cifs,smb,nfs,nfsd,jfs,reiserfs,btrfs,f2fs,nilfs2,ubifs,jffs2,afs,coda,orangefs}
  depmod "$kernel"
  rm -rf /etc/init.d/* /etc/rc?.d
  (cd /lib/systemd/system-generators && rm -f systemd-{cryptsetup,gpt-auto,hibernate-resume,integritysetup,rc-local,system-update,sysv,veritysetup}-generator)
  (cd /lib/systemd/system && rm -rf {apt-daily,dpkg-db-backup,e2scrub,fstrim,cryptdisks,dracut-,x11-common,hwclock,rc,quota,sys-,proc-sys-fs-binfmt}* \
    systemd-{ask-password,backlight,firstboot,hibernate,hybrid-sleep,initctl,network-generator,networkd,pcrphase,pstore,quotacheck,repart,rfkill,suspend}*)
  find /lib/systemd/system /etc/systemd/system -xtype l -not -lname /dev/null -delete
}

presets() {
  # As in CoreOS: what no preset names stays disabled. Debian's default is the opposite.
  printf 'enable %s\n' NetworkManager.service NetworkManager-dispatcher.service NetworkManager-wait-online.service \
    ingot-firstboot-complete.service ingot-grow-root.service >/lib/systemd/system-preset/80-ingot.preset
  echo 'disable *' >/lib/systemd/system-preset/99-default-disable.preset
  systemctl preset-all --quiet
  systemctl set-default --quiet multi-user.target
}

initrd
system
slim
presets
touch /usr
touch --reference=/usr /etc/.updated /var/.updated # nothing to bring up to date on the first boot
