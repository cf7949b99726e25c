#!/bin/bash
# Runs inside the ramdisk's tree.
set -euo pipefail
here=/tree

install -D -m 0644 "$here/ingot-agent.service" /etc/systemd/system/ingot-agent.service
install -D -m 0644 "$here/99-dhcp.network" /etc/systemd/network/99-dhcp.network
systemctl enable ingot-agent.service systemd-networkd.service >/dev/null
systemctl mask systemd-networkd-wait-online.service apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer \
  e2scrub_reap.service fstrim.timer mdcheck_start.timer mdcheck_continue.timer mdmonitor-oneshot.timer >/dev/null
systemctl set-default multi-user.target >/dev/null
ln -sf /lib/systemd/systemd /init
echo ramdisk >/etc/hostname
: >/etc/machine-id
passwd --lock root >/dev/null
rm -rf /usr/share/doc /usr/share/man /usr/share/locale /usr/share/info /var/cache/apt /var/lib/apt/lists /var/log/*.log /var/log/apt /initrd.img* /vmlinuz*
rm -f /boot/initrd.img-* /boot/System.map-* /boot/config-*
modules=$(echo /lib/modules/*)
rm -rf "$modules"/kernel/{sound,drivers/media,net/ceph,drivers/isdn,drivers/usb/gadget,drivers/iio,drivers/staging}
depmod "$(basename "$modules")"
