#!/usr/bin/env bash
# Prints a folder with DMTF's Redfish validators (venv/bin), Ironic's interoperability profile (profile.json), and a place
# for DMTF's schemas (schemas), which the service validator fetches itself; all made once in the cache, keyed by what is pinned.
set -euo pipefail
scripts=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
ironic=39.0.0 profile=OpenStackIronicProfile.v1_2_0.json
requirements=$scripts/redfish-validators.txt
key=$(sha256sum "$requirements" | cut -c1-12)-ironic-$ironic
cache="${XDG_CACHE_HOME:-$HOME/.cache}/ingot/redfish-validators"
folder=$cache/$key

mkdir -p "$folder" "$cache/schemas"
exec 9>"$folder.lock"
flock -n 9 || { echo "waiting for another set-up of the Redfish validators" >&2; flock 9; }
[[ -e $folder/done ]] || {
  echo "setting up DMTF's Redfish validators (once, about 1 minute)" >&2
  python3 -m venv --clear "$folder/venv"
  "$folder/venv/bin/pip" install --quiet --disable-pip-version-check --requirement "$requirements" >&2
  # only the source of Ironic has its profiles
  "$folder/venv/bin/pip" download --quiet --disable-pip-version-check --no-deps --no-binary ironic \
    --dest "$folder" "ironic==$ironic" >&2
  tar -xzOf "$folder/ironic-$ironic.tar.gz" "ironic-$ironic/redfish-interop-profiles/$profile" >"$folder/profile.json"
  rm "$folder/ironic-$ironic.tar.gz"
  ln -sfn ../schemas "$folder/schemas"
  touch "$folder/done"
} || {
  echo "redfish-validators.sh: the validators could not be installed, see above" >&2
  exit 1
}
echo "$folder"
