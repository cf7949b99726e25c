#!/bin/sh
# Tells the daemon, after every start, that this system is up: when systemd has started all there is to start, failed units or not. The call says which
# boot of the kernel it is of, and what is on the disk. A system that is not up within the time, or of which systemd says anything else, does not call; nor
# does it end before the daemon has acknowledged a call: the unit starts this again. The token stays in a file that root alone reads.
set -u
call=/etc/ingot/phone-home.json

state=$(timeout 900 systemctl is-system-running --wait)
case $state in
running | degraded) ;;
*)
    echo "not up yet: ${state:-no answer from systemd}"
    exit 1
    ;;
esac

# The disk is the one of the first of these file systems that is on a block device. A system without lsblk says nothing about its disk.
disk= filesystems=
for place in /boot /sysroot /; do
    part=$(findmnt -nvo SOURCE "$place" 2>/dev/null)
    case $part in
    /dev/*) ;;
    *) continue ;;
    esac
    whole=$(lsblk -rnspo NAME,TYPE "$part" 2>/dev/null | while read -r name type; do [ "$type" = disk ] && echo "$name" && break; done)
    [ -n "$whole" ] || continue
    disk=$(lsblk -rndo PTUUID "$whole" 2>/dev/null)
    filesystems=$(lsblk -Pno PARTUUID,UUID "$whole" 2>/dev/null | sed -n 's/^PARTUUID="\([0-9A-Fa-f-]\{1,\}\)" UUID="\([0-9A-Fa-f-]\{1,\}\)"$/"\1":"\2"/p' | sort -u | tr '\n' ',')
    break
done
case $disk in *[!0-9A-Fa-f-]*) disk= ;; esac
boot=$(cat /proc/sys/kernel/random/boot_id 2>/dev/null)
machine=$(cat /sys/class/dmi/id/product_uuid 2>/dev/null)
case $machine in *[!0-9A-Fa-f-]*) machine= ;; esac

while read -r url; do
    # printf is the shell's own: no argument of a process holds the token
    if printf '%s,"bootID":"%s","machine":"%s","disk":"%s","filesystems":{%s}}' "$(sed 's/}[[:space:]]*$//' "$call")" "$boot" "$machine" "$disk" "${filesystems%,}" |
        curl --config /etc/ingot/phone-home.curl --data-binary @- "$url"; then
        echo "phoned home"
        exit 0
    fi
done </etc/ingot/phone-home.urls
exit 1
