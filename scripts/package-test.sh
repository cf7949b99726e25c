#!/usr/bin/env bash
# package-test.sh OLD NEW: two packages of scripts/package.sh in a clean Debian: installed, upgraded, removed, purged. As root.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
old=${1:?usage: scripts/package-test.sh OLD.deb NEW.deb} new=${2:?usage: scripts/package-test.sh OLD.deb NEW.deb}
work=$(mktemp -d)
root=$work/root
trap 'rm -rf --one-file-system "$work"' EXIT
fail() { echo "package-test: $*" >&2; exit 1; }
run() { chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive "$@"; }
is() {
  local have
  have=$(run stat -c '%U:%G %a' "$1")
  [[ $have == "$2" ]] || fail "$1 is '$have', want '$2'"
}
gone() { [[ ! -e $root$1 ]] || fail "$1 is still there"; }

mmdebstrap --quiet --variant=minbase --include=adduser,ca-certificates,git,man-db bookworm "$root" >/dev/null
cp "$old" "$root/old.deb"
cp "$new" "$root/new.deb"

run dpkg --install /old.deb | tee "$work/install"
grep -q 'systemctl enable --now ingot' "$work/install" || fail "the installation does not say what to do next"
run getent passwd ingot | grep -q ':/var/lib/ingot:/usr/sbin/nologin$' || fail "there is no user ingot without a shell"
is /etc/ingot root:ingot\ 750
is /etc/ingot/ingot.yaml root:ingot\ 640
is /etc/ingot/identity ingot:ingot\ 700
is /var/lib/ingot ingot:ingot\ 700
run ingot version | grep -q . || fail "ingot does not run"
for page in ingot ingot-serve ingot-render; do
  run man -l "/usr/share/man/man1/$page.1.gz" >"$work/page" || fail "the man page $page cannot be shown"
  grep -qi "ingot" "$work/page" || fail "the man page $page is empty"
done
for file in bash-completion/completions/ingot zsh/vendor-completions/_ingot fish/vendor_completions.d/ingot.fish; do
  grep -q ingot "$root/usr/share/$file" || fail "there is no completion $file"
done
sed "s|ExecStart=/usr/bin/ingot|ExecStart=$root/usr/bin/ingot|" "$root/lib/systemd/system/ingot.service" >"$work/ingot.service"
systemd-analyze verify --man=no --recursive-errors=no "$work/ingot.service" >"$work/verify" 2>&1 || fail "$(cat "$work/verify")"
[[ ! -s $work/verify ]] || fail "systemd-analyze verify: $(cat "$work/verify")"
systemd-analyze security --offline=yes --threshold=20 "$work/ingot.service" >"$work/security" ||
  fail "systemd-analyze security is above 2.0: $(tail -n 1 "$work/security")"
tail -n 1 "$work/security"

# a daemon was started: keys, a journal; and a person wrote the configuration
run sh -c 'echo "# by a person" >>/etc/ingot/ingot.yaml; mkdir -p /etc/ingot/identity/keys /var/lib/ingot/journal; echo key >/etc/ingot/identity/keys/root.key; echo age >/etc/ingot/age.key'
run dpkg --install /new.deb | tee "$work/upgrade"
grep -q 'ramdisk build' "$work/upgrade" || fail "the upgrade does not speak of the ramdisk"
grep -q 'by a person' "$root/etc/ingot/ingot.yaml" || fail "the upgrade changed the configuration"
is /etc/ingot/ingot.yaml root:ingot\ 640
[[ -d $root/var/lib/ingot/journal && -e $root/etc/ingot/identity/keys/root.key ]] || fail "the upgrade lost state"

run dpkg --remove ingot
gone /usr/bin/ingot
gone /lib/systemd/system/ingot.service
[[ -e $root/etc/ingot/ingot.yaml && -d $root/var/lib/ingot/journal ]] || fail "the removal took configuration or state"

run dpkg --purge ingot | tee "$work/purge"
grep -q '/etc/ingot/identity is kept' "$work/purge" || fail "the purge does not say that it keeps the identity"
gone /etc/ingot/ingot.yaml
gone /var/lib/ingot
[[ -e $root/etc/ingot/identity/keys/root.key && -e $root/etc/ingot/age.key ]] || fail "the purge took keys"
echo "package-test: all good"
