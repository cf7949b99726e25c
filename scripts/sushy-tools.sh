#!/usr/bin/env bash
# Prints a folder with sushy-tools in a virtual environment (venv/bin), made once in the cache, keyed by what is pinned. The
# environment sees Debian's libvirt binding (python3-libvirt), and no other package of the system.
set -euo pipefail
scripts=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
requirements=$scripts/sushy-tools.txt
folder="${XDG_CACHE_HOME:-$HOME/.cache}/ingot/sushy-tools/$(sha256sum "$requirements" | cut -c1-12)"

mkdir -p "$folder"
exec 9>"$folder.lock"
flock -n 9 || { echo "waiting for another set-up of sushy-tools" >&2; flock 9; }
[[ -e $folder/done ]] || {
  echo "setting up sushy-tools (once, some seconds)" >&2
  python3 -m venv --clear "$folder/venv"
  "$folder/venv/bin/pip" install --quiet --disable-pip-version-check --requirement "$requirements" >&2
  ln -s /usr/lib/python3/dist-packages/libvirt*.py /usr/lib/python3/dist-packages/libvirtmod*.so \
    "$folder"/venv/lib/python3*/site-packages/
  "$folder/venv/bin/python" -c 'import libvirt, sushy_tools'
  touch "$folder/done"
} || {
  echo "sushy-tools.sh: sushy-tools could not be installed, see above; it needs Debian's python3-libvirt" >&2
  exit 1
}
echo "$folder"
