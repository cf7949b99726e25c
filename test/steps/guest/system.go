package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/gitmetal/ingot/agent/steps"
	"github.com/gitmetal/ingot/agent/volumes"
	"github.com/gitmetal/ingot/agent/wire"
)

// written is the system that the scripts with system are shown.
var written = wire.WrittenSystem{Disk: wire.DiskRef{Serial: "DATA0001", Content: wire.ContentAny}, Mark: "0a1b2c3d-4e5f-8677-8899-aabbccddeeff"}

// makeSystem makes a disk with a written system: an EFI system partition, a boot partition that /etc/fstab names, and a root
// with a file of somebody else.
const makeSystem = `set -e
disk=/dev/disk/by-id/virtio-DATA0001
printf 'label: gpt\nlabel-id: 0A1B2C3D-4E5F-8677-8899-AABBCCDDEEFF\nsize=40M, type=U\nsize=60M\nsize=200M\n' | sfdisk --quiet --wipe always $disk
udevadm settle
mkfs.vfat $disk-part1 >/dev/null
mkfs.ext4 -qF -L start $disk-part2
mkfs.ext4 -qF $disk-part3
mkdir -p /mnt/root
mount $disk-part3 /mnt/root
mkdir -p /mnt/root/etc/private /mnt/root/boot
echo 'LABEL=start /boot ext4 defaults 0 0' >/mnt/root/etc/fstab
echo theirs >/mnt/root/etc/private/theirs
chown -R 1000:1000 /mnt/root/etc/private
chmod 700 /mnt/root/etc/private
chmod 600 /mnt/root/etc/private/theirs
ln -s /etc/ingot/boot.json /mnt/root/etc/outside
umount /mnt/root
mount $disk-part2 /mnt/root
mkdir /mnt/root/efi
umount /mnt/root
udevadm settle
`

// systemCases are the scripts that are shown the written system. Each is followed by a look at the disk.
func systemCases(self int) []hostile {
	agent := fmt.Sprint(self)
	return []hostile{
		{name: "files in the system", system: true, before: makeSystem, says: "all there",
			body: "[ \"$INGOT_SYSTEM\" = /run/ingot/system ] && jq -e '.system == \"/run/ingot/system\"' >/dev/null || exit 1\ncd $INGOT_SYSTEM\n" +
				"echo mine >etc/mine\ninstall -m 640 -o 7 -g 8 /dev/null etc/given\necho more >>etc/private/theirs\nmkdir -p usr/local/bin\necho x >usr/local/bin/run\nchmod 755 usr/local/bin/run\n" +
				"chown 1000:1000 etc/mine && chown 0:0 etc/mine && chmod 600 etc/mine\necho kernel >boot/kernel\n" +
				"[ -d boot/efi ] && echo loader >boot/efi/loader || exit 1\necho all there\n",
			after: "grep -qx mine etc/mine && [ \"$(stat -c '%a %u:%g' etc/mine etc/given etc/private/theirs usr usr/local/bin/run | tr '\\n' ' ')\" = " +
				"'600 0:0 640 7:8 600 1000:1000 755 0:0 755 0:0 ' ] && [ \"$(cat etc/private/theirs | tr '\\n' ' ')\" = 'theirs more ' ] && [ ! -e boot/kernel ] && " +
				"mount $disk-part2 boot && grep -qx kernel boot/kernel && mount -o ro $disk-part1 boot/efi && grep -qx loader boot/efi/loader\n"},
		{name: "hostile in the system", system: true, says: "contained",
			body: "cd $INGOT_SYSTEM\ntry cat etc/outside\ntry cat /run/ingot/agent.key\ntry cat /etc/ingot/boot.json\ntry cat /proc/" + agent + "/environ\ntry cat /proc/" + agent + "/mem\n" +
				"try kill -9 " + agent + "\ntry kill -0 " + agent + "\ntry kill -0 1\ntry systemctl stop guest.service\ntry touch /etc/x\ntry touch /usr/x\ntry touch /x\ntry touch /run/x\ntry rm /usr/bin/true\n" +
				"try mknod etc/disk b 254 0\ntry mknod /tmp/disk b 254 0\ntry dd if=/dev/vda of=/dev/null count=1\ntry dd if=/dev/vdb of=/dev/null count=1\ntry mount -o remount,dev,suid .\ntry umount .\n" +
				"try chroot . true\ntry chmod u+s etc/mine\ntry unshare -m true\ntry unshare -r true\ntry modprobe loop\ntry dmesg\n" +
				"if echo b > /proc/sysrq-trigger; then echo OPEN sysrq; fi 2>/dev/null\nif echo 1 > /proc/sys/kernel/panic; then echo OPEN sysctl; fi 2>/dev/null\n" +
				"if mkdir /sys/fs/cgroup/x; then echo OPEN cgroup; fi 2>/dev/null\nif echo x > /sys/power/state; then echo OPEN sys; fi 2>/dev/null\n" +
				"for p in /proc/[0-9]*; do [ \"${p#/proc/}\" -lt 2 ] && echo OPEN $p; done\n: > /dev/tcp/10.0.2.2/22 2>/dev/null && echo OPEN daemon\necho contained\n",
			after: "true\n"},
		{name: "killed in the system", system: true, timeout: 6 * time.Second, once: true, want: "it did not end within",
			body: "cd $INGOT_SYSTEM\necho half >etc/half\ntrap '' TERM\n(while :; do sleep 1; done) &\nwhile :; do sleep 1; done\n", after: "grep -qx half etc/half\n"},
		{name: "a plug-in in the system", system: true, describe: "[ -z \"$INGOT_SYSTEM\" ] && [ ! -e /run/ingot/system ] || exit 1\n", body: "touch $INGOT_SYSTEM/etc/plugged && exit 3\n",
			want: "not for this hardware", after: "[ -e etc/plugged ]\n"},
		{name: "no system", system: true, before: "mkfs.ext4 -qF $disk-part3", want: "no partition has the directory /etc", body: "echo OPEN ran\n", after: "true\n"},
	}
}

// shell runs commands, with the disk of the system by its name.
func shell(commands string) error {
	out, err := exec.CommandContext(context.Background(), "bash", "-c", "disk=/dev/disk/by-id/virtio-DATA0001\n"+commands).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}

// runInSystem runs a script with the written system. Behind it nothing of the disk is mounted, and the disk holds what it
// should.
func (h hostile) runInSystem(do func([]steps.GivenDisk, ...steps.SystemDir) (string, error)) error {
	if err := shell(h.before); err != nil {
		return err
	}
	err := volumes.WithSystem(context.Background(), volumes.Machine{Disks: steps.BlockDevices{Root: "/"}, Dir: "/run"}, written, func(dirs []steps.SystemDir) error {
		_, err := do(nil, dirs...)
		return err
	})
	mounts, failed := os.ReadFile("/proc/self/mountinfo")
	if failed != nil || strings.Contains(string(mounts), "/dev/vdb") || strings.Contains(string(mounts), "ingot-system") {
		return errors.Join(err, failed, errors.New("something of the disk is still mounted"))
	}
	failed = shell("set -e\nsync\necho 3 >/proc/sys/vm/drop_caches\nfsck.ext4 -fn $disk-part3 >/dev/null\nmount $disk-part3 /mnt/root\ncd /mnt/root\n" +
		"result=0; (" + strings.TrimSpace(h.after) + ") || result=1\numount -q boot/efi boot || true\ncd /\numount /mnt/root\nexit $result\n")
	if failed != nil {
		return errors.Join(err, fmt.Errorf("the disk is not as it should be: %w", failed))
	}
	return err
}
