#!/usr/bin/env bash
# Prints the directory of a real Gitea (the program gitea, and the templates and options that it reads), built once from its Go module
# into the cache (3 to 8 minutes, 200 MB), keyed by this script. Its web pages have no styles: no front end is built.
set -euo pipefail
module=code.gitea.io/gitea@v1.26.0
cache="${XDG_CACHE_HOME:-$HOME/.cache}/ingot/gitea"

# The module replaces some of its own dependencies, so that it is only built in a copy of its own directory.
build_gitea() {
  local target=$1 source
  rm -rf "$cache"/build.* # what a killed build left: the lock is ours
  build=$(mktemp -d "$cache/build.XXXXXX")
  trap 'rm -rf "$build"' EXIT
  echo "building ${module##*/} (once, 3 to 8 minutes)" >&2
  source=$(cd / && go mod download -json "$module" | jq -r .Dir)
  cp -r "$source" "$build/source"
  chmod -R u+w "$build/source"
  (cd "$build/source" && GOFLAGS='' CGO_ENABLED=1 go build -trimpath -ldflags '-s -w' \
    -tags 'sqlite sqlite_unlock_notify timetzdata' -o "$build/gitea" .) >&2
  mv "$build/source/templates" "$build/source/options" "$build/source/public" "$build"
  rm -rf "$build/source"
  chmod 0755 "$build"
  mv "$build" "$target"
}

key=$(sha256sum <"${BASH_SOURCE[0]}" | cut -c1-16)
mkdir -p "$cache"
exec 9>"$cache/lock"
flock -n 9 || { echo "waiting for another build of Gitea" >&2; flock 9; }
[[ -x $cache/$key/gitea ]] || build_gitea "$cache/$key"
echo "$cache/$key"
