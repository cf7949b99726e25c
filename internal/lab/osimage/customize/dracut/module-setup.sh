#!/bin/bash
# Dracut module: hand the Ignition config that coreos-installer left on the boot partition to Ignition, and stop for good when Ignition fails.

depends() {
    echo ignition
}

install() {
    inst_multiple mount umount mkdir cp
    inst_script "$moddir/ingot-ignition-user-config" /usr/sbin/ingot-ignition-user-config
    inst_script "$moddir/ingot-ignition-failed" /usr/sbin/ingot-ignition-failed
    inst_simple "$moddir/ingot-ignition-user-config.service" "$systemdsystemunitdir/ingot-ignition-user-config.service"
    inst_simple "$moddir/emergency.conf" "$systemdsystemunitdir/emergency.service.d/10-ingot.conf"
    mkdir -p "$initdir/$systemdsystemunitdir/ignition-complete.target.requires"
    ln_r "../ingot-ignition-user-config.service" "$systemdsystemunitdir/ignition-complete.target.requires/ingot-ignition-user-config.service"
}
