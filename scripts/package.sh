#!/usr/bin/env bash
# package.sh VERSION...: dist/ingot_VERSION_ARCH.deb of the programs in bin/, with the unit, man pages and completions. The same commit gives the
# same bytes. BIN and DIST are other directories than bin and dist; READER=N stands for the reader of the program, so that a test has the package of
# an ingot that reads less.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
(($#)) || { echo "usage: scripts/package.sh VERSION..." >&2; exit 2; }
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
export SOURCE_DATE_EPOCH
arch=$(dpkg --print-architecture)
bin=${BIN:-bin} dist=${DIST:-dist}
reader=${READER:-$("$bin/ingot" version --reader)}
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
chmod 0755 "$tree"
share=$tree/usr/share

install -D -m 0755 "$bin/ingot" "$tree/usr/bin/ingot"
install -D -m 0755 "$bin/ingot-agent" "$tree/usr/lib/ingot/ingot-agent"
install -D -m 0644 packaging/ingot.service "$tree/lib/systemd/system/ingot.service"
install -D -m 0640 packaging/ingot.yaml "$tree/etc/ingot/ingot.yaml"
install -D -m 0644 docs/daemon.yaml "$share/doc/ingot/daemon.yaml"
install -D -m 0644 LICENSE "$share/doc/ingot/copyright"
install -D -m 0644 -t "$share/doc/ingot/monitoring" examples/monitoring/*
gzip -9 --no-name --stdout CHANGELOG.md | install -D -m 0644 /dev/stdin "$share/doc/ingot/changelog.gz"
mkdir -p "$share/man/man1"
"${GO:-go}" run -tags manpages ./cmd/ingot man-pages "$share/man/man1"
gzip -9 --no-name "$share"/man/man1/*.1
completion() { "$bin/ingot" completion "$1" | install -D -m 0644 /dev/stdin "$share/$2"; }
completion bash bash-completion/completions/ingot
completion zsh zsh/vendor-completions/_ingot
completion fish fish/vendor_completions.d/ingot.fish

size=$(du --summarize --apparent-size --block-size=1024 "$tree" | cut -f1)
sums=$(cd "$tree" && find usr lib -type f -print0 | sort -z | xargs -0 md5sum)
mkdir -p "$tree/DEBIAN" "$dist"
echo "$sums" >"$tree/DEBIAN/md5sums"
echo /etc/ingot/ingot.yaml >"$tree/DEBIAN/conffiles"
install -m 0755 -t "$tree/DEBIAN" packaging/debian/{postinst,prerm,postrm}
fill() { sed -e "s/@VERSION@/$version/g; s/@ARCH@/$arch/; s/@SIZE@/$size/; s/@READER@/$reader/g" "packaging/debian/$1" >"$tree/DEBIAN/$1"; }

for version in "$@"; do
  version=${version#v}
  [[ $version == [0-9]*.* ]] || version="0.0.0+git$(date --utc --date="@$SOURCE_DATE_EPOCH" +%Y%m%d%H%M%S).$version"
  version=${version//-/+} # a hyphen would begin the Debian revision
  fill control
  fill preinst
  chmod 0755 "$tree/DEBIAN/preinst"
  find "$tree" -exec touch --no-dereference --date="@$SOURCE_DATE_EPOCH" {} +
  out=$dist/ingot_${version}_$arch.deb
  dpkg-deb --root-owner-group -Zzstd --build "$tree" "$out" >/dev/null
  echo "$out"
done
