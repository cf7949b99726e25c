#!/usr/bin/env bash
# run.sh FOLDER VENV: libvirt with the machine of FOLDER/domain.xml, and sushy-tools in front of it as FOLDER/emulator.conf says,
# until the script is killed. It runs in mount and process namespaces of its own (unshare --mount --pid --fork --kill-child
# --mount-proc): the libvirt of the system is not touched, and QEMU ends with the script.
set -euo pipefail
folder=$1 venv=$2
mkdir -p /run/libvirt /var/lib/libvirt /var/log/libvirt /var/cache/libvirt
for place in /run /var/lib/libvirt /var/log/libvirt /var/cache/libvirt /etc/libvirt; do mount -t tmpfs -o mode=755 tmpfs "$place"; done
mkdir -p /run/lock /run/libvirt
# no cgroups, namespaces or security drivers: the test's machine has none of them
cat >/etc/libvirt/qemu.conf <<END
user = "root"
group = "root"
security_driver = "none"
namespaces = []
cgroup_controllers = []
stdio_handler = "file"
remember_owner = 0
END
# libvirtd looks for the user and the group of Debian's libvirt-daemon-system before it reads that file
for table in passwd group; do
  { cat "/etc/$table"; [[ $table == group ]] && echo libvirt-qemu:x:64055: || echo libvirt-qemu:x:64055:64055::/:/bin/false; } >"/run/$table"
  mount --bind "/run/$table" "/etc/$table"
done
libvirtd &
until [[ -S /run/libvirt/libvirt-sock ]] && virsh --quiet list >/dev/null 2>&1; do kill -0 $!; sleep 0.1; done
mkdir "$folder/pool"
virsh --quiet pool-create-as default dir --target "$folder/pool"
virsh --quiet define "$folder/domain.xml"
export SUSHY_EMULATOR_CONFIG=$folder/emulator.conf
exec "$venv/bin/sushy-emulator"
