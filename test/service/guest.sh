#!/bin/bash
# Runs as root in the machine of TestTheUnit: the package's unit follows a fleet of one simulated machine, over an upgrade, a refused downgrade and
# the removal. Prints "ok NAME" for each part, and at the end "END"; or "FAILED" with why.
set -Eeuo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
export HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive
lab=/var/lib/ingot/lab
probes=http://127.0.0.1:8083

# shellcheck disable=SC2317 # the trap calls it
explain() {
  journalctl --no-pager --unit=ingot --unit=lab --lines=40 --output=cat
  echo "FAILED line $1: $2"
}
trap 'explain "$LINENO" "$BASH_COMMAND"' ERR

ok() { echo "ok $*"; }
probe() {
  curl --silent --show-error --fail --retry 300 --retry-delay 1 --retry-all-errors --retry-max-time 300 --output /dev/null \
    "$probes/$1" 2>/dev/null
}
unit() { systemctl show --property="$1" --value ingot.service; }
await() { ingot status --config /etc/ingot/ingot.yaml --watch --until "$1" --timeout 10m machine-1 >/guest/status; }
git_fleet() { git -c safe.directory="$lab/fleet.git" --git-dir="$lab/fleet.git" "$@"; }
# what the rack says that was done to the machine
rack() { ./ingot lab show --dir "$lab" machine-1; }
life() { git_fleet show ingot/status:fleet.yaml | awk '/life:/ { life = 1 } life && $1 == "number:" { print $2; life = 0 }'; }

is_up() {
  probe healthz
  probe readyz
  [[ $(unit ActiveState) == active && $(unit NRestarts) == 0 && $(unit User) == ingot ]]
  [[ $(readlink "/proc/$(unit MainPID)/exe") == /usr/bin/ingot ]]
}

dpkg --install old.deb >install
cp /usr/bin/ingot ingot # the rack's program stays over the upgrade
systemd-run --quiet --unit=lab --uid=ingot --gid=ingot /guest/ingot lab up --dir "$lab" --machines 1 --backend sim
runuser --user ingot -- /guest/ingot lab fleet --dir "$lab"
sed -e "s|^\( *\)url: fleet.git|\1url: $lab/fleet.git|" -e 's|^stateDir:.*|stateDir: /var/lib/ingot|' -e "s|^ageKeys: |ageKeys: $lab/|" \
  -e 's|^identityDir:.*|identityDir: /etc/ingot/identity/keys|' -e "s|^ramdisk: |ramdisk: $lab/|" -e 's|^listen:|&\n  metrics: 127.0.0.1:8083|' \
  "$lab/ingot.yaml" >/etc/ingot/ingot.yaml
ok installed

systemctl enable --quiet --now ingot.service
is_up
ok started

await Active
rack >before
keys=$(cat /etc/ingot/identity/keys/* | sha256sum)
pid=$(unit MainPID) first=$(life)
((first > 0))
ok active

dpkg --install new.deb >upgrade
is_up
[[ $(unit MainPID) != "$pid" ]]
await Active
(($(life) > first))
[[ $(cat /etc/ingot/identity/keys/* | sha256sum) == "$keys" ]]
rack >after
diff before after
ok upgraded

pid=$(unit MainPID)
if dpkg --install less.deb >downgrade 2>&1; then false; fi
grep '^ingot: refused' downgrade
is_up
[[ $(unit MainPID) == "$pid" ]]
ok refused

systemd-analyze security --threshold=20 --no-pager ingot.service | tail -n 1
dpkg --remove ingot >remove
[[ $(systemctl is-active ingot.service || true) == inactive && -d /var/lib/ingot/journal ]]
rack >after
diff before after
ok removed
echo END
