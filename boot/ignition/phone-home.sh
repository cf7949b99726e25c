#!/bin/sh
# Tells the daemon, once, that this system is up: when systemd has started all there is to start, failed units or not. A system that is not up within
# the time, or of which systemd says anything else, does not call: the unit starts this again.
set -u
state=$(timeout 900 systemctl is-system-running --wait)
case $state in
running | degraded) ;;
*)
    echo "not up yet: ${state:-no answer from systemd}"
    exit 1
    ;;
esac
while read -r url; do
    if curl --config /etc/ingot/phone-home.curl "$url"; then
        rm -f /etc/ingot/phone-home.json /etc/ingot/phone-home.curl
        echo "phoned home"
        exit 0
    fi
done </etc/ingot/phone-home.urls
exit 1
