#!/usr/bin/env bash
# The main job, for real: a machine goes from a commit to a running OS, a change that would erase its disk is held, a consent lets it
# through. Usage: scripts/demo.sh [qemu|sim]. Everything it makes is below dist/demo.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
backend=${1:-qemu}
dir=$PWD/dist/demo
ingot=$PWD/bin/ingot
host=machine-1
children=()

say() { printf '\n\033[1m== %s\033[0m\n' "$*"; }
run() { printf '\033[2m$ %s\033[0m\n' "$*"; "$@"; }

finish() {
  local code=$?
  for child in "${children[@]}"; do kill "$child" 2>/dev/null || true; done
  for child in "${children[@]}"; do wait "$child" 2>/dev/null || true; done
  if ((code != 0)); then
    printf '\nThe demo failed (exit %d). What the daemon said last:\n' "$code" >&2
    tail -n 25 "$dir/daemon.log" >&2 2>/dev/null || true
    printf 'More: %s/daemon.log, %s/lab.log, %s/*/console.log\n' "$dir" "$dir" "$dir" >&2
  fi
}

prepare() {
  say "Setting up (first run: packages, coreos-installer, OS image, ramdisk; later runs take them from the cache)"
  if [[ $backend == qemu ]]; then
    make --no-print-directory setup
  else
    make --no-print-directory setup-test
  fi
  make --no-print-directory build
  rm -rf "$dir"
  mkdir -p "$dir"
  if [[ $backend == qemu ]]; then
    run "$ingot" ramdisk build --kernel cloud --agent bin/ingot-agent \
      --installer "$(scripts/coreos-installer.sh)" --output "$dir/ramdisk.iso"
  fi
}

start() {
  say "A rack with one machine ($backend), its own Redfish BMC, and a fleet repository"
  local image=()
  [[ $backend != qemu ]] || image=(--image "$(scripts/osimage.sh)/ingot-os.raw.zst")
  "$ingot" lab up --dir "$dir" --machines 1 --backend "$backend" "${image[@]}" >"$dir/lab.log" 2>&1 &
  children+=($!)
  run "$ingot" lab fleet --dir "$dir"
  run git -C "$dir/fleet" log --stat --oneline
  run "$ingot" bmc check --rack "$dir" "$host"
  "$ingot" serve --config "$dir/ingot.yaml" >"$dir/daemon.log" 2>&1 &
  children+=($!)
}

watch() { run "$ingot" status --config "$dir/ingot.yaml" --watch --until "$1" --timeout 40m "$host"; }

# what the installed system said on its console: the file, the hostname and the kernel arguments it was configured with
show_system() {
  [[ $backend == qemu ]] || return 0
  run grep -a -A1 ' demo: ' "$dir/$host/console.log"
}

show_status() {
  git -C "$dir/fleet" fetch --quiet origin
  run git -C "$dir/fleet" log --oneline origin/ingot/status
  run git -C "$dir/fleet" show "origin/ingot/status:$(git -C "$dir/fleet" ls-tree -r --name-only origin/ingot/status | grep "/$host.yaml")"
  run git -C "$dir/fleet" show origin/ingot/status:README.md
}

change() {
  say "A commit changes a kernel argument: that reinstalls the machine, so it is held"
  sed -i 's/ingot.demo=first/ingot.demo=second/' "$dir/fleet/workloads/hello.yaml"
  run git -C "$dir/fleet" -c user.name=Demo -c user.email=demo@example.com commit --quiet -am 'hello: another kernel argument'
  local code=0
  (cd "$dir/fleet" && run "$ingot" plan --base HEAD~1 --head HEAD) || code=$?
  ((code == 3)) || { echo "ingot plan ended with $code, want 3: would erase without consent" >&2; return 1; }
  run git -C "$dir/fleet" push --quiet origin HEAD:main
  watch Held
}

allow() {
  say "The consent is written by a command, reviewed like any change, and merged"
  (cd "$dir/fleet" && run "$ingot" consent "$host")
  run git -C "$dir/fleet" diff
  run git -C "$dir/fleet" -c user.name=Demo -c user.email=demo@example.com commit --quiet -am "$host: may be erased"
  run git -C "$dir/fleet" push --quiet origin HEAD:main
  watch Active
}

trap finish EXIT
prepare
start
say "From the commit to a running OS"
watch Active
show_system
say "The status document and the board, from the status branch"
show_status
change
allow
show_system
show_status
say "Done. Look further:"
cat <<TEXT
  dist/demo/fleet           the fleet: edit, commit, push
  dist/demo/daemon.log      what the daemon did
  dist/demo/$host/       console log and disk of the machine
  dist/demo/state/consoles  the serial console as the daemon read it at the BMC
  bin/ingot plan --help     what a change would do
  make demo BACKEND=sim     the same on in-process machines, in seconds
TEXT
