#!/bin/bash
# Runs inside the ramdisk's tree.
set -euo pipefail
here=/tree

configure() {
  install -D -m 0644 "$here/ingot-agent.service" /etc/systemd/system/ingot-agent.service
  # a boot's own overlay masks this file in /etc when it brings a network
  install -D -m 0644 "$here/99-dhcp.network" /usr/lib/systemd/network/99-dhcp.network
  systemctl enable ingot-agent.service systemd-networkd.service >/dev/null
  systemctl mask systemd-networkd-wait-online.service apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer \
    e2scrub_reap.service fstrim.timer mdcheck_start.timer mdcheck_continue.timer mdmonitor-oneshot.timer >/dev/null
  systemctl set-default multi-user.target >/dev/null
  ln -sf /lib/systemd/systemd /init
  echo ramdisk >/etc/hostname
  : >/etc/machine-id
  passwd --lock root >/dev/null
}

# The kernel's modules for block devices, file systems and wired networks stay; what a machine without people does not need goes.
trim_modules() {
  local modules
  modules=$(echo /lib/modules/*)
  rm -rf "$modules"/kernel/sound "$modules"/kernel/arch/x86/kvm \
    "$modules"/kernel/net/{ceph,bluetooth,mac80211,wireless,nfc,rxrpc,tipc,sctp,batman-adv,openvswitch,netfilter,sched,sunrpc,smc,rds,dccp,l2tp} \
    "$modules"/kernel/fs/{ceph,cifs,smb,nfs,nfsd,lockd,afs,ocfs2,gfs2,dlm,jfs,reiserfs,hfs,hfsplus,ubifs,jffs2,f2fs,orangefs} \
    "$modules"/kernel/drivers/{media,isdn,iio,staging,bluetooth,nfc,android,comedi,parport,target,block/drbd} \
    "$modules"/kernel/drivers/usb/gadget "$modules"/kernel/drivers/net/wireless \
    "$modules"/kernel/drivers/gpu/drm/{amd,nouveau,radeon,i915,gma500,vmwgfx}
  depmod "$(basename "$modules")"
  if modinfo --set-version "$(basename "$modules")" ipmi_devintf >/dev/null 2>&1; then
    echo ipmi_devintf >/etc/modules-load.d/ingot.conf # for ipmitool
  fi
}

trim_files() {
  rm -rf /usr/share/common-licenses /usr/share/zoneinfo /usr/share/initramfs-tools /usr/lib/udev/hwdb.d /usr/lib/udev/hwdb.bin \
    /usr/lib/apt /usr/bin/apt /usr/bin/apt-* /usr/lib/x86_64-linux-gnu/libapt-* /var/lib/apt/lists /var/lib/dpkg/info \
    /var/cache/* /var/log/*.log /var/log/apt /initrd.img* /vmlinuz* /boot/initrd.img-* /boot/System.map-* /boot/config-*
}

configure
trim_modules
trim_files
