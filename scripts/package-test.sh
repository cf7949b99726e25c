#!/usr/bin/env bash
# package-test.sh: the package of scripts/package.sh in a clean Debian: installed, upgraded, a downgrade refused, removed, purged; its unit as
# systemd-analyze sees it. As root, with the programs in bin/.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
work=$(mktemp -d)
root=$work/root
trap 'rm -rf --one-file-system "$work"' EXIT
fail() { echo "package-test: $*" >&2; exit 1; }
run() { chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive "$@"; }
has() {
  local have
  have=$(run stat -c '%U:%G %a' "$1")
  [[ $have == "$2" ]] || fail "$1 is '$have', want '$2'"
}
gone() { [[ ! -e $root$1 ]] || fail "$1 is still there"; }
says() { grep -q -- "$2" "$work/$1" || fail "$3: $(cat "$work/$1")"; }
part() { printf 'package-test: %3d s %s\n' "$SECONDS" "$*"; }

make_packages() {
  local debian reader
  export DIST=$work/dist
  reader=$(bin/ingot version --reader)
  mkdir "$root"
  scripts/package.sh 0.0.1 0.0.2 >"$work/packages"
  mv "$DIST"/ingot_0.0.1_*.deb "$root/old.deb"
  mv "$DIST"/ingot_0.0.2_*.deb "$root/new.deb"
  cmp "$(scripts/package.sh 0.0.1)" "$root/old.deb" || fail "two packages of the same commit have different bytes"
  mv "$(READER=$((reader - 1)) scripts/package.sh 0.0.1)" "$root/less.deb"
  debian=$(scripts/debian.sh)
  tar --extract --file "$debian/tree.tar" --directory "$root" --numeric-owner
  part "packages and a clean Debian"
}

test_install() {
  local page file
  run dpkg --install /old.deb >"$work/install"
  says install 'systemctl enable --now ingot' "the installation does not say what to do next"
  run getent passwd ingot | grep -q ':/var/lib/ingot:/usr/sbin/nologin$' || fail "there is no user ingot without a shell"
  has /etc/ingot root:ingot\ 750
  has /etc/ingot/ingot.yaml root:ingot\ 640
  has /etc/ingot/identity ingot:ingot\ 700
  has /var/lib/ingot ingot:ingot\ 700
  run ingot version | grep -q . || fail "ingot does not run"
  for page in ingot ingot-serve ingot-render; do
    run man -l "/usr/share/man/man1/$page.1.gz" >"$work/page" || fail "the man page $page cannot be shown"
    grep -qi "ingot" "$work/page" || fail "the man page $page is empty"
  done
  for file in bash-completion/completions/ingot zsh/vendor-completions/_ingot fish/vendor_completions.d/ingot.fish; do
    grep -q ingot "$root/usr/share/$file" || fail "there is no completion $file"
  done
  part "installed: user, directories, $(find "$root/usr/share/man/man1" -name 'ingot*.gz' | wc -l) man pages, completions"
}

test_unit() {
  run systemd-analyze verify --man=yes --recursive-errors=no /lib/systemd/system/ingot.service >"$work/verify" 2>&1 || fail "$(cat "$work/verify")"
  [[ ! -s $work/verify ]] || fail "systemd-analyze verify: $(cat "$work/verify")"
  run systemd-analyze security --offline=yes --threshold=20 --no-pager /lib/systemd/system/ingot.service >"$work/security" ||
    fail "systemd-analyze security is above 2.0: $(tail -n 1 "$work/security")"
  part "unit: verified; $(tail -n 1 "$work/security")"
}

# A daemon was started: there are keys and a journal, and a person wrote the configuration.
use_package() {
  run sh -c 'echo "# by a person" >>/etc/ingot/ingot.yaml; mkdir -p /etc/ingot/identity/keys /var/lib/ingot/journal;
    echo key >/etc/ingot/identity/keys/root.key; echo age >/etc/ingot/age.key'
}

kept() {
  grep -q 'by a person' "$root/etc/ingot/ingot.yaml" || fail "the $1 changed the configuration"
  [[ -d $root/var/lib/ingot/journal && -e $root/etc/ingot/identity/keys/root.key ]] || fail "the $1 lost state"
}

test_upgrade() {
  use_package
  run dpkg --install /new.deb >"$work/upgrade"
  says upgrade "an ISO that speaks the protocol of another ingot boots no machine" "the upgrade does not say what an old ramdisk means"
  has /etc/ingot/ingot.yaml root:ingot\ 640
  kept upgrade
  part "upgraded: configuration, keys and journal kept"
}

test_downgrade() {
  if run dpkg --install /less.deb >"$work/downgrade" 2>&1; then fail "an ingot that reads less was installed"; fi
  says downgrade 'ingot: refused, nothing was changed: the installed ingot 0.0.2 writes for reader' "the refusal does not say why"
  [[ $(run dpkg-query --show --showformat '${Version} ${db:Status-Status}' ingot) == '0.0.2 installed' ]] || fail "the refusal changed the package"
  kept "refused downgrade"
  grep '^ingot:' "$work/downgrade"
  run dpkg --install /old.deb >"$work/downgrade" 2>&1 || fail "an older ingot with the same reader is refused: $(cat "$work/downgrade")"
  kept downgrade
  part "downgraded: refused where the older ingot reads less, else installed"
}

test_removal() {
  run dpkg --remove ingot >"$work/remove"
  gone /usr/bin/ingot
  gone /lib/systemd/system/ingot.service
  kept removal
  run dpkg --purge ingot >"$work/purge"
  says purge '/etc/ingot/identity is kept' "the purge does not say that it keeps the identity"
  gone /etc/ingot/ingot.yaml
  gone /var/lib/ingot
  [[ -e $root/etc/ingot/identity/keys/root.key && -e $root/etc/ingot/age.key ]] || fail "the purge took keys"
  part "removed and purged: /etc/ingot/identity kept"
}

make_packages
test_install
test_unit
test_upgrade
test_downgrade
test_removal
echo "package-test: all good, $SECONDS s"
