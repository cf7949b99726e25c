package main

import (
	"context"
	"fmt"
	"os/exec"
	"strings"

	"github.com/gitmetal/ingot/agent/steps"
	"github.com/gitmetal/ingot/agent/wire"
)

// held is an erase of disks that something holds: a shell script that knows the disks as $DISK, $DATA and $NVME makes the
// holders, another one looks afterwards.
type held struct {
	name  string
	make  string
	erase []string // serials
	why   string   // in the error; "" for an erase that succeeds
	check string   // fails where something is wrong
}

const (
	array = "wipefs -qaf $DISK $DATA; mdadm --create /dev/md5 --run --assume-clean --level=1 --raid-devices=2 --bitmap=none $DISK $DATA; "
	gone  = "udevadm settle; ! grep -q ^md5 /proc/mdstat && ! mdadm --examine $DISK && ! mdadm --examine $DATA"
)

var heldCases = []held{
	{name: "an array over a disk that is not named", make: array, erase: []string{"DATA0001"}, why: "md5 has the member",
		check: "grep -q '^md5 : active raid1' /proc/mdstat && mdadm --examine $DATA && mdadm --stop /dev/md5"},
	{name: "an array over both disks", make: array, erase: []string{"DATA0001", "DISK0001"}, check: gone},
	{name: "a file system on an array over both disks", make: array + "mkfs.ext4 -qF /dev/md5; mkdir -p /mnt/md; mount /dev/md5 /mnt/md; echo x >/mnt/md/x",
		erase: []string{"DISK0001", "DATA0001"}, check: gone + " && ! mountpoint -q /mnt/md"},
	{name: "a logical volume with a file system", erase: []string{"NVME0001"},
		make: "wipefs -qaf $NVME; echo 0 100000 linear $NVME 2048 | dmsetup create --uuid LVM-abc vg-home; " +
			"udevadm settle; mkfs.ext4 -qF /dev/mapper/vg-home; mkdir -p '/mnt/a b'; mount /dev/mapper/vg-home '/mnt/a b'",
		check: "! dmsetup info vg-home && ! mountpoint -q '/mnt/a b'"},
	{name: "a logical volume over a disk that is not named", erase: []string{"NVME0001"}, why: "(vg-pair) has the member",
		make:  "printf '0 100000 linear %s 2048\\n100000 100000 linear %s 2048\\n' $NVME $DATA | dmsetup create vg-pair",
		check: "dmsetup info vg-pair && dmsetup remove vg-pair"},
	{name: "swap and a mount of partitions", erase: []string{"DATA0001"},
		make: "printf 'size=64M\\nsize=64M\\n' | sfdisk -q --label gpt $DATA; udevadm settle; mkswap ${DATA}1; swapon ${DATA}1; " +
			"mkfs.ext4 -qF ${DATA}2; mkdir -p /mnt/one; mount ${DATA}2 /mnt/one; mkdir -p /mnt/one/two; mount --bind /mnt/one /mnt/one/two",
		check: "[ $(wc -l </proc/swaps) = 1 ] && ! mountpoint -q /mnt/one"},
	{name: "a file system that is busy", erase: []string{"DATA0001"}, why: "stop the mount /mnt/busy: device or resource busy",
		make:  "mkfs.ext4 -qF $DATA; mkdir -p /mnt/busy; mount $DATA /mnt/busy; cd /mnt/busy; sleep 300 >/dev/null 2>&1 & echo $! >/run/busy",
		check: "mountpoint -q /mnt/busy && kill $(cat /run/busy); while kill -0 $(cat /run/busy) 2>&-; do :; done; umount /mnt/busy && e2fsck -fn $DATA"},
}

// judge makes the holders, erases by policy metadata, and checks.
func (h held) judge() error {
	if out, err := runShell("set -e; " + h.make); err != nil {
		return fmt.Errorf("make: %w: %s", err, out)
	}
	receipts, err := eraseDisks(erasing{policy: "metadata"}, func(wire.Progress) {}, h.erase...)
	switch {
	case h.why != "" && (err == nil || !strings.Contains(err.Error(), h.why) || len(receipts) > 0):
		return fmt.Errorf("want a refusal with %q, have %w, %v", h.why, err, receipts)
	case h.why == "" && (err != nil || len(receipts) != len(h.erase)):
		return fmt.Errorf("not erased: %w, %v", err, receipts)
	}
	if out, err := runShell(h.check); err != nil {
		return fmt.Errorf("check: %w: %s", err, out)
	}
	return nil
}

func runShell(script string) (string, error) {
	command := exec.CommandContext(context.Background(), "bash", "-c", script+"\n")
	command.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin"}
	for name, serial := range map[string]string{"DISK": "DISK0001", "DATA": "DATA0001", "NVME": "NVME0001"} {
		path, err := steps.BlockDevices{Root: "/"}.FindPath(wire.DiskRef{Serial: serial})
		if err != nil {
			return "", err
		}
		command.Env = append(command.Env, name+"="+path)
	}
	out, err := command.CombinedOutput()
	return string(out), err
}
