package facts

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/gitmetal/ingot/agent/wire"
)

// notDisks are block devices that hold no operating system of their own: memory, loops, optical drives, and what is made of disks.
var notDisks = []string{"loop", "ram", "zram", "sr", "fd", "dm-", "md", "nbd"}

// Disks lists the disks with what they hold, in the kernel's order. A disk that cannot be read is listed as unreadable.
func (r Root) Disks(ctx context.Context) ([]wire.Disk, []error) {
	entries, err := os.ReadDir(filepath.Join(string(r), "sys/block"))
	if err != nil {
		return nil, []error{fmt.Errorf("list disks: %w", err)}
	}
	var disks []wire.Disk
	for _, entry := range entries {
		if ctx.Err() != nil {
			return disks, []error{ctx.Err()}
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
	for _, prefix := range notDisks {
		if strings.HasPrefix(name, prefix) {
			return wire.Disk{}, false
		}
	}
	sectors, err := strconv.ParseUint(r.read("sys/block", name, "size"), 10, 64)
	if err != nil || sectors == 0 {
		return wire.Disk{}, false
	}
	udev := r.udev(name)
	disk := wire.Disk{
		Name: name, Path: r.byPath(name), Size: sectors * 512, // sysfs counts 512-byte sectors, whatever the disk's are
		Serial: first(r.read("sys/block", name, "serial"), r.read("sys/block", name, "device/serial"), udev["ID_SCSI_SERIAL"], udev["ID_SERIAL_SHORT"]),
		WWN:    wwn(first(udev["ID_WWN_WITH_EXTENSION"], udev["ID_WWN"], r.read("sys/block", name, "wwid"), r.read("sys/block", name, "device/wwid"))),
		Model:  first(r.read("sys/block", name, "device/model"), udev["ID_MODEL"]), Vendor: r.read("sys/block", name, "device/vendor"),
		Transport: r.transport(name, udev), Rotational: r.read("sys/block", name, "queue/rotational") == "1",
		Removable: r.read("sys/block", name, "removable") == "1", ReadOnly: r.read("sys/block", name, "ro") == "1", Holders: r.holders(name),
	}
	disk.SectorSize, _ = strconv.Atoi(r.read("sys/block", name, "queue/logical_block_size"))
	if strings.HasPrefix(disk.Vendor, "0x") {
		disk.Vendor = "" // a virtio device's PCI vendor, not a disk's
	}
	return disk, true
}

// udev reads what udev noted about a device: /run/udev/data/b<major>:<minor>, lines E:KEY=VALUE.
func (r Root) udev(name string) map[string]string {
	values := map[string]string{}
	for line := range strings.Lines(r.read("run/udev/data", "b"+r.read("sys/block", name, "dev"))) {
		if entry, ok := strings.CutPrefix(line, "E:"); ok {
			key, value, _ := strings.Cut(strings.TrimSpace(entry), "=")
			values[key] = value
		}
	}
	return values
}

// byPath is the /dev/disk/by-path link that leads to the device; the shortest of several.
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

func (r Root) transport(name string, udev map[string]string) string {
	switch {
	case strings.HasPrefix(name, "nvme"):
		return "nvme"
	case strings.HasPrefix(name, "vd"):
		return "virtio"
	case strings.HasPrefix(name, "mmcblk"):
		return "mmc"
	default:
		return first(udev["ID_BUS"], "scsi")
	}
}

// holders names what uses a disk or one of its partitions: devices made of it, mounts, swap.
func (r Root) holders(name string) []string {
	var holders []string
	devices := []string{name}
	entries, _ := os.ReadDir(filepath.Join(string(r), "sys/block", name))
	for _, entry := range entries {
		if strings.HasPrefix(entry.Name(), name) {
			devices = append(devices, entry.Name())
		}
	}
	mounts := r.read("proc/self/mounts") + "\n" + r.read("proc/swaps")
	for _, device := range devices {
		for _, dir := range []string{filepath.Join("sys/block", device, "holders"), filepath.Join("sys/block", name, device, "holders")} {
			held, _ := os.ReadDir(filepath.Join(string(r), dir))
			for _, holder := range held {
				holders = append(holders, holder.Name())
			}
		}
		for line := range strings.Lines(mounts) {
			if fields := strings.Fields(line); len(fields) > 1 && fields[0] == "/dev/"+device {
				holders = append(holders, fields[1])
			}
		}
	}
	return holders
}

// wwn brings the kernel's and udev's spellings to one: hex in lower case without 0x, or the name an NVMe namespace has.
func wwn(text string) string {
	text = strings.ToLower(text)
	for _, prefix := range []string{"0x", "naa."} {
		text = strings.TrimPrefix(text, prefix)
	}
	return text
}

func first(values ...string) string {
	for _, value := range values {
		if value != "" {
			return value
		}
	}
	return ""
}
