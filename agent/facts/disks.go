package facts

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/gitmetal/ingot/agent/wire"
)

// notDisks are block devices that hold no operating system of their own: memory, loops, optical drives, what is made of disks, and the small
// hardware partitions of an eMMC.
var notDisks = regexp.MustCompile(`^(loop|ram|zram|sr|fd|dm-|md|nbd|drbd|rbd|bcache|mtdblock)[0-9]|^mmcblk[0-9]+(boot[0-9]|rpmb)`)

// Disks lists the disks with what they hold, in the kernel's order. A disk that cannot be read is listed as unreadable.
func (r Root) Disks(ctx context.Context) ([]wire.Disk, error) {
	entries, err := os.ReadDir(filepath.Join(string(r), "sys/block"))
	if err != nil {
		return nil, fmt.Errorf("list disks: %w", err)
	}
	var disks []wire.Disk
	for _, entry := range entries {
		if ctx.Err() != nil {
			return disks, fmt.Errorf("look at disks: %w", ctx.Err())
		}
		disk, ok := r.Describe(entry.Name())
		if !ok {
			continue
		}
		disk.Content = r.lookAt(disk)
		disks = append(disks, disk)
	}
	return disks, nil
}

// Describe is a disk by its kernel name, without what it holds; false when it is none.
func (r Root) Describe(name string) (wire.Disk, bool) {
	if notDisks.MatchString(name) || r.block(name, "hidden") == "1" { // hidden: one path of an NVMe multipath
		return wire.Disk{}, false
	}
	sectors, err := strconv.ParseUint(r.block(name, "size"), 10, 64)
	if err != nil || sectors == 0 {
		return wire.Disk{}, false
	}
	udev := r.udev(name)
	disk := wire.Disk{
		Name: name, Path: r.byPath(name), Size: sectors * 512, // sysfs counts sectors of 512 bytes, whatever the disk's are
		Serial: cmp.Or(r.block(name, "serial"), r.block(name, "device/serial"), udev["ID_SCSI_SERIAL"], udev["ID_SERIAL_SHORT"]),
		WWN:    firstWWN(udev["ID_WWN_WITH_EXTENSION"], udev["ID_WWN"], r.block(name, "wwid"), r.block(name, "device/wwid")),
		Model:  cmp.Or(r.block(name, "device/model"), udev["ID_MODEL"]), Vendor: r.block(name, "device/vendor"),
		Transport: r.transport(name, udev["ID_BUS"]), Rotational: r.block(name, "queue/rotational") == "1",
		Removable: r.block(name, "removable") == "1", ReadOnly: r.block(name, "ro") == "1", Holders: r.holders(name),
	}
	disk.SectorSize, _ = strconv.Atoi(r.block(name, "queue/logical_block_size")) // 0 when it is not known
	if strings.HasPrefix(disk.Vendor, "0x") {
		disk.Vendor = "" // a virtio device's PCI vendor, not a disk's
	}
	return disk, true
}

// Number is a block device's major and minor, as "8:0"; "" when there is none of that name.
func (r Root) Number(name string) string { return r.block(name, "dev") }

func (r Root) block(name, attribute string) string { return r.read("sys/block", name, attribute) }

// udev reads what udev noted about a device: /run/udev/data/b<major>:<minor>, lines E:KEY=VALUE.
func (r Root) udev(name string) map[string]string {
	values := map[string]string{}
	for line := range strings.Lines(r.read("run/udev/data", "b"+r.Number(name))) {
		if entry, ok := strings.CutPrefix(line, "E:"); ok {
			key, value, _ := strings.Cut(strings.TrimSpace(entry), "=")
			values[key] = value
		}
	}
	return values
}

// byPath is the /dev/disk/by-path link that leads to the device: the shortest of several, and of those the first.
func (r Root) byPath(name string) string {
	const dir = "/dev/disk/by-path"
	entries, err := os.ReadDir(filepath.Join(string(r), dir))
	if err != nil {
		return ""
	}
	best := ""
	for _, entry := range entries {
		target, err := os.Readlink(filepath.Join(string(r), dir, entry.Name()))
		if err != nil || filepath.Base(target) != name {
			continue
		}
		if best == "" || len(entry.Name()) < len(best) {
			best = entry.Name()
		}
	}
	if best == "" {
		return ""
	}
	return dir + "/" + best
}

// transports are found in a disk's path through the device tree, most specific first.
var transports = []struct{ part, transport string }{
	{"/usb", "usb"}, {"/end_device-", "sas"}, {"/ata", "sata"}, {"/session", "iscsi"}, {"/rport-", "fc"},
	{"/nvme", "nvme"}, {"/mmc_host", "mmc"}, {"/virtio", "virtio"},
}

func (r Root) transport(name, bus string) string {
	device, err := filepath.EvalSymlinks(filepath.Join(string(r), "sys/block", name))
	if err == nil {
		for _, t := range transports {
			if strings.Contains(strings.TrimPrefix(device, string(r)), t.part) {
				return t.transport
			}
		}
	}
	return bus
}

// holders names what uses a disk or one of its partitions: devices made of it, mounts, swap.
func (r Root) holders(name string) []string {
	numbers, paths := map[string]bool{r.Number(name): true}, map[string]bool{"/dev/" + name: true}
	holders := r.list("sys/block", name, "holders")
	for _, part := range r.list("sys/block", name) {
		if number := r.read("sys/block", name, part, "dev"); number != "" && strings.HasPrefix(part, name) {
			numbers[number], paths["/dev/"+part] = true, true
			holders = append(holders, r.list("sys/block", name, part, "holders")...)
		}
	}
	// proc(5): "36 35 98:0 /root /mount options - type source"
	for line := range strings.Lines(r.read("proc/self/mountinfo")) {
		fields := strings.Fields(line)
		_, tail, _ := strings.Cut(line, " - ")
		if source := strings.Fields(tail); len(fields) > 4 && (numbers[fields[2]] || len(source) > 1 && paths[source[1]]) {
			holders = append(holders, fields[4])
		}
	}
	for line := range strings.Lines(r.read("proc/swaps")) {
		if fields := strings.Fields(line); len(fields) > 0 && paths[fields[0]] {
			holders = append(holders, "swap")
		}
	}
	return holders
}

// list gives the names in a directory; none when it is not there.
func (r Root) list(path ...string) []string {
	entries, err := os.ReadDir(filepath.Join(append([]string{string(r)}, path...)...))
	if err != nil {
		return nil
	}
	var names []string
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	return names
}

// wwnGrammar is what counts as a world wide name. What else the kernel calls wwid ("t10.ATA …", "nvme.1234-…") is made of model and serial.
var wwnGrammar = regexp.MustCompile(`^([0-9a-f]{16}|[0-9a-f]{32}|(eui|uuid)\.[-0-9a-f]+)$`)

// firstWWN brings the kernel's and udev's spellings to one: hex in lower case without 0x, or the name an NVMe namespace has.
func firstWWN(candidates ...string) string {
	for _, text := range candidates {
		text = strings.TrimPrefix(strings.TrimPrefix(strings.ToLower(text), "0x"), "naa.")
		if wwnGrammar.MatchString(text) {
			return text
		}
	}
	return ""
}
