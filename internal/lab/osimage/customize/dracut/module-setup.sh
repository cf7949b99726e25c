#!/bin/bash
# Dracut module: hand the Ignition config that coreos-installer left on the boot partition to Ignition, and stop for good when
# Ignition fails. It also makes the initrd quick where emulation is slow: only devices a root disk can hang on are coldplugged.

depends() {
    echo ignition
}

# shellcheck disable=SC2154 # dracut sets moddir, initdir and the systemd directories
install() {
    inst_multiple mount umount mkdir cp tail journalctl
    inst_script "$moddir/ingot-ignition-user-config" /usr/sbin/ingot-ignition-user-config
    inst_script "$moddir/ingot-boot-failed" /usr/sbin/ingot-boot-failed
    inst_simple "$moddir/ingot-ignition-user-config.service" "$systemdsystemunitdir/ingot-ignition-user-config.service"
    inst_simple "$moddir/coldplug.conf" "$systemdsystemunitdir/systemd-udev-trigger.service.d/10-ingot.conf"
    rm -f "$initdir/$systemdsystemunitdir/emergency.service" "$initdir/$systemdutildir/system-generators/"systemd-{gpt-auto,debug}-generator
    inst_simple "$moddir/emergency.service" "$systemdsystemunitdir/emergency.service"
    mkdir -p "$initdir/$systemdsystemunitdir/ignition-complete.target.requires"
    ln_r "../ingot-ignition-user-config.service" "$systemdsystemunitdir/ignition-complete.target.requires/ingot-ignition-user-config.service"
}
