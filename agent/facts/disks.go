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
	"sync"

	"github.com/gitmetal/ingot/agent/wire"
)

// notDisks are block devices without an operating system of their own: memory, loops, optical drives, devices made of
// disks, and the small hardware partitions of an eMMC.
var notDisks = regexp.MustCompile(
	`^(loop|ram|zram|sr|fd|dm-|md|nbd|drbd|rbd|bcache|mtdblock)[0-9]|^mmcblk[0-9]+(boot[0-9]|rpmb)`)

// ListDisks lists the disks and their contents, in the kernel's order; the disks are read at the same time. A disk that
// cannot be read is listed as unreadable.
func (r Root) ListDisks(ctx context.Context) ([]wire.Disk, error) {
	entries, err := os.ReadDir(filepath.Join(string(r), "sys/block"))
	if err != nil {
		return nil, fmt.Errorf("list disks: %w", err)
	}
	var disks []wire.Disk
	for _, entry := range entries {
		if disk, ok := r.DescribeDisk(entry.Name()); ok {
			disks = append(disks, disk)
		}
	}
	var reads sync.WaitGroup
	for i := range disks {
		reads.Go(func() {
			if ctx.Err() == nil {
				disks[i] = r.openContent(disks[i])
			} else {
				disks[i].Content = wire.Content{Unreadable: ctx.Err().Error()}
			}
		})
	}
	reads.Wait()
	if ctx.Err() != nil {
		return disks, fmt.Errorf("look at disks: %w", ctx.Err())
	}
	return disks, nil
}

// DescribeDisk describes a disk by its kernel name, without its content; false if the name is not a disk.
func (r Root) DescribeDisk(name string) (wire.Disk, bool) {
	if notDisks.MatchString(name) || r.readBlock(name, "hidden") == "1" { // hidden: one path of an NVMe multipath
		return wire.Disk{}, false
	}
	sectors, err := strconv.ParseUint(r.readBlock(name, "size"), 10, 64)
	if err != nil || sectors == 0 {
		return wire.Disk{}, false
	}
	udev, links := r.readUdev(name), r.findLinks(name)
	disk := wire.Disk{
		// sysfs counts sectors of 512 bytes, also for disks with larger sectors
		Name: name, Path: preferPath(links), Links: links, Size: sectors * 512,
		Serial: cmp.Or(r.readBlock(name, "serial"), r.readBlock(name, "device/serial"), udev["ID_SCSI_SERIAL"],
			udev["ID_SERIAL_SHORT"]),
		WWN: firstWWN(udev["ID_WWN_WITH_EXTENSION"], udev["ID_WWN"], r.readBlock(name, "wwid"),
			r.readBlock(name, "device/wwid")),
		Model: cmp.Or(r.readBlock(name, "device/model"), udev["ID_MODEL"]), Vendor: r.readBlock(name, "device/vendor"),
		Firmware:  cmp.Or(r.readBlock(name, "device/firmware_rev"), r.readBlock(name, "device/rev")),
		Transport: r.findTransport(name, udev["ID_BUS"]), Rotational: r.readBlock(name, "queue/rotational") == "1",
		Removable: r.readBlock(name, "removable") == "1", ReadOnly: r.readBlock(name, "ro") == "1",
		Holders: r.findHolders(name),
	}
	disk.SectorSize, _ = strconv.Atoi(r.readBlock(name, "queue/logical_block_size")) // 0 if unknown
	if strings.HasPrefix(disk.Vendor, "0x") {
		disk.Vendor = "" // a virtio device's PCI vendor, not a disk's
	}
	return disk, true
}

// DeviceNumber is a block device's major and minor, as "8:0"; "" without such a device.
func (r Root) DeviceNumber(name string) string { return r.readBlock(name, "dev") }

func (r Root) readBlock(name, attribute string) string {
	return r.readText("sys/block", name, attribute)
}

// readUdev reads udev's properties of a device: /run/udev/data/b<major>:<minor>, lines E:KEY=VALUE.
func (r Root) readUdev(name string) map[string]string {
	values := map[string]string{}
	for line := range strings.Lines(r.readText("run/udev/data", "b"+r.DeviceNumber(name))) {
		if entry, ok := strings.CutPrefix(line, "E:"); ok {
			key, value, _ := strings.Cut(strings.TrimSpace(entry), "=")
			values[key] = value
		}
	}
	return values
}

// transports are substrings of a disk's path through the device tree, most specific first.
var transports = []struct{ part, transport string }{
	{"/usb", "usb"}, {"/end_device-", "sas"}, {"/ata", "sata"}, {"/session", "iscsi"}, {"/rport-", "fc"},
	{"/nvme", "nvme"}, {"/mmc_host", "mmc"}, {"/virtio", "virtio"},
}

func (r Root) findTransport(name, bus string) string {
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

// findHolders names the users of a disk or of its partitions: devices made of the disk, mounts, swap.
func (r Root) findHolders(name string) []string {
	numbers, paths := map[string]bool{r.DeviceNumber(name): true}, map[string]bool{"/dev/" + name: true}
	holders := r.listNames("sys/block", name, "holders")
	for _, part := range r.listNames("sys/block", name) {
		if number := r.readText("sys/block", name, part, "dev"); number != "" && strings.HasPrefix(part, name) {
			numbers[number], paths["/dev/"+part] = true, true
			holders = append(holders, r.listNames("sys/block", name, part, "holders")...)
		}
	}
	// proc(5): "36 35 98:0 /root /mount options - type source"
	for line := range strings.Lines(r.readText("proc/self/mountinfo")) {
		fields := strings.Fields(line)
		_, tail, _ := strings.Cut(line, " - ")
		source := strings.Fields(tail)
		if len(fields) > 4 && (numbers[fields[2]] || len(source) > 1 && paths[source[1]]) {
			holders = append(holders, fields[4])
		}
	}
	for line := range strings.Lines(r.readText("proc/swaps")) {
		if fields := strings.Fields(line); len(fields) > 0 && paths[fields[0]] {
			holders = append(holders, "swap")
		}
	}
	return holders
}

// listNames gives the names in a directory; none if there is no such directory.
func (r Root) listNames(path ...string) []string {
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

// wwnGrammar matches world wide names. Different values of wwid ("t10.ATA …", "nvme.1234-…") are made of model and
// serial.
var wwnGrammar = regexp.MustCompile(`^([0-9a-f]{16}|[0-9a-f]{32}|(eui|uuid)\.[-0-9a-f]+)$`)

// firstWWN gives the first world wide name, in a single spelling for kernel and udev: lower case hex without 0x, or an
// NVMe namespace's name. A name of zeros counts only where there is no other name: firmware that sets the one may leave
// the other empty.
func firstWWN(candidates ...string) (zeros string) {
	for _, text := range candidates {
		text = strings.TrimPrefix(strings.TrimPrefix(strings.ToLower(text), "0x"), "naa.")
		switch {
		case !wwnGrammar.MatchString(text):
		case strings.Trim(text[strings.LastIndex(text, ".")+1:], "-0") != "":
			return text
		default:
			zeros = cmp.Or(zeros, text)
		}
	}
	return zeros
}
