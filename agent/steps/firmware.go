package steps

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"

	"github.com/siderolabs/go-blockdevice/v2/blkid"

	"github.com/gitmetal/ingot/agent/facts"
	"github.com/gitmetal/ingot/agent/wire"
)

// entryLabel names ingot's boot entry in the firmware's list.
const entryLabel = "ingot"

// espType is the partition type of an EFI system partition (UEFI 2.10, 5.3.3).
const espType = "c12a7328-f81f-11d2-ba4b-00a0c93ec93b"

// loaders are the fallback paths of UEFI 2.10, 3.5.1.1, which CoreOS images have.
var loaders = map[string]string{"amd64": `\EFI\BOOT\BOOTX64.EFI`, "arm64": `\EFI\BOOT\BOOTAA64.EFI`}

// Firmware is the machine's UEFI, through efibootmgr.
type Firmware struct {
	Root    facts.Root // directory of sysfs
	Program string     // default efibootmgr, found on PATH
}

// StartFrom makes the firmware start the disk next: a new boot entry replaces the entry of an earlier install, and the
// boot order is read back. Without UEFI, StartFrom does nothing. A disk starts also without an entry, by the fallback
// path, so callers report the error and do not fail the install. The order is returned with the error, if it could be
// read.
func (f Firmware) StartFrom(ctx context.Context, disk string) (*wire.BootEntry, error) {
	if _, err := os.Stat(filepath.Join(string(f.Root), "sys/firmware/efi")); err != nil {
		return nil, nil
	}
	out, err := captureOutput(ctx, f.programName())
	if err != nil {
		return nil, fmt.Errorf("read the firmware's boot order: %w: %s", err, out)
	}
	err = f.replaceEntry(ctx, parseEntries(out), disk)
	out, again := captureOutput(ctx, f.programName())
	if again != nil {
		return nil, errors.Join(err, fmt.Errorf("read the firmware's boot order: %w: %s", again, out))
	}
	return parseEntries(out).order, err
}

func (f Firmware) programName() string { return orDefault(f.Program, "efibootmgr") }

// replaceEntry deletes ingot's old entries and writes a new entry, which efibootmgr puts first in the boot order.
func (f Firmware) replaceEntry(ctx context.Context, old entries, disk string) error {
	loader, ok := loaders[runtime.GOARCH]
	if !ok {
		return fmt.Errorf("write a boot entry: no loader is known for %s", runtime.GOARCH)
	}
	part, err := systemPartition(disk)
	if err != nil {
		return fmt.Errorf("write a boot entry: %w", err)
	}
	for _, number := range old.ours {
		if out, err := captureOutput(ctx, f.programName(), "--delete-bootnum", "--bootnum", number); err != nil {
			return fmt.Errorf("delete boot entry %s: %w: %s", number, err, out)
		}
	}
	out, err := captureOutput(ctx, f.programName(), "--create", "--disk", disk, "--part",
		strconv.FormatUint(uint64(part), 10), "--label", entryLabel, "--loader", loader)
	if err != nil {
		return fmt.Errorf("write a boot entry: %w: %s", err, out)
	}
	return nil
}

// systemPartition is the number of a disk's EFI system partition.
func systemPartition(disk string) (uint, error) {
	info, err := blkid.ProbePath(disk, blkid.WithSectorSize(512)) // for an image file; a device reports its sector size
	if err != nil {
		return 0, fmt.Errorf("look for the EFI system partition of %s: %w", disk, err)
	}
	for _, part := range info.Parts {
		if part.PartitionType != nil && strings.EqualFold(part.PartitionType.String(), espType) {
			return part.PartitionIndex, nil
		}
	}
	return 0, fmt.Errorf("%s has no EFI system partition", disk)
}

// entries is the parsed output of efibootmgr.
type entries struct {
	order *wire.BootEntry
	ours  []string // numbers of the entries with ingot's label
}

// bootEntry is a line like "Boot0003* ingot\tHD(1,GPT,…)": efibootmgr 17 and 18 print the path behind a tab, older
// versions only with -v.
var bootEntry = regexp.MustCompile(`^Boot([0-9A-Fa-f]{4})[* ] ?([^\t]*)`)

func parseEntries(out string) entries {
	e := entries{order: &wire.BootEntry{}}
	for line := range strings.Lines(out) {
		line = strings.TrimRight(line, "\r\n")
		if order, ok := strings.CutPrefix(line, "BootOrder: "); ok {
			for number := range strings.SplitSeq(order, ",") {
				e.order.Order = append(e.order.Order, "Boot"+strings.TrimSpace(number))
			}
		} else if current, ok := strings.CutPrefix(line, "BootCurrent: "); ok {
			e.order.Current = "Boot" + strings.TrimSpace(current)
		} else if match := bootEntry.FindStringSubmatch(line); match != nil && strings.TrimSpace(
			match[2]) == entryLabel {
			e.order.Entry = "Boot" + match[1]
			e.ours = append(e.ours, match[1])
		}
	}
	return e
}
