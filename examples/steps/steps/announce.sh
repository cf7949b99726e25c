#!/bin/bash
# Tells an inventory that a machine was installed. The secret is on standard input alone.
set -euo pipefail
read -r document
[[ $document =~ \"token\":\"([^\"]*)\" ]] || exit 2
token=${BASH_REMATCH[1]}
exec 3<>"/dev/tcp/$INGOT_ARG_TO/$INGOT_ARG_PORT" || exit 1 # the network may be better at the next attempt
printf 'POST /installed?rack=%s HTTP/1.0\r\nAuthorization: Bearer %s\r\nContent-Length: 0\r\n\r\n' "${INGOT_ARG_RACK-}" "$token" >&3
read -r answer <&3
[[ $answer == *" 20"* ]] || { echo "the inventory says: $answer"; exit 1; }
