#!/bin/sh
# Tells the daemon, once, that this system is up: when systemd has started all there is to start, failed units or not.
set -u
systemctl is-system-running --wait >/dev/null
while read -r url; do
    if curl --config /etc/ingot/phone-home.curl "$url"; then
        rm -f /etc/ingot/phone-home.json /etc/ingot/phone-home.curl
        echo "phoned home"
        exit 0
    fi
done </etc/ingot/phone-home.urls
exit 1
