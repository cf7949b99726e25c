package inventory

import (
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/gitmetal/ingot/schemas"
)

// A disk is named by its WWN or by its serial only where that name is its own. Firmware leaves placeholders in both, and gives several disks of one machine
// the same name. The rule stands in this file alone: DiskID's methods pass over placeholders, and Apart also over names that disks of one machine share.
// Whatever compares, picks or labels a disk goes through one of the two, so that facts which were recorded before the rule are read by it too.

// shortestWWN is how many digits a WWN has at least; the shortest there are (NAA, EUI-64) have 16.
const shortestWWN = 8

// PlaceholderWWN reports whether a WWN identifies nothing: it is empty or a vendor's placeholder text, it is too short, its digits are all the same, or zeros or f
// but for one, which is its type, or the part that tells one disk of a vendor from the next is all zeros. A type (0x, naa., eui., uuid.) before it counts no
// digit. The kernel's "nvme." and "t10.ATA" names are made of model and serial: they are worth what their serial is.
func PlaceholderWWN(wwn string) bool {
	name := NormalWWN(wwn)
	if rest, vendor := strings.CutPrefix(name, "nvme."); vendor {
		parts := strings.Split(rest, "-") // vendor id, serial, model, both as hex of their text, namespace
		if len(parts) != 4 {
			return true
		}
		serial, err := hex.DecodeString(parts[1])
		return err != nil || Placeholder(strings.Trim(string(serial), "\x00 "))
	}
	if rest, ata := strings.CutPrefix(name, "t10.ata"); ata {
		const vendor, model = len("     "), 40 // SAT: the vendor in 8 bytes, the model in 40, the serial in 20
		return len(rest) <= vendor+model || Placeholder(rest[vendor+model:])
	}
	digits := wwnDigits(name)
	others := func(digit string) int { return len(digits) - strings.Count(digits, digit) }
	unset := len(digits) == 16 && (strings.HasPrefix(name, "eui.") && strings.HasSuffix(digits, "0000000000") || // EUI-64: a vendor's 6 digits, and 10
		strings.HasPrefix(digits, "5") && strings.HasSuffix(digits, "000000000")) // NAA 5: a vendor's 6 digits after the 5, and 9
	return Placeholder(name) || len(digits) < shortestWWN || others("0") <= 1 || others("f") <= 1 || others(digits[:1]) == 0 || unset
}

// wwnDigits is a WWN without its type and what groups its digits.
func wwnDigits(name string) string {
	for _, kind := range []string{"naa.", "eui.", "uuid.", "wwn-", "0x"} {
		name = strings.TrimPrefix(name, kind)
	}
	return strings.NewReplacer("-", "", ":", "", " ", "").Replace(name)
}

// Names are a disk's WWN and serial as they compare; "" for one that is none, or a placeholder.
func (d DiskID) Names() (wwn, serial string) {
	if !PlaceholderWWN(d.WWN) {
		wwn = NormalWWN(d.WWN)
	}
	if !Placeholder(d.Serial) {
		serial = strings.TrimSpace(d.Serial)
	}
	return wwn, serial
}

// Named is the identity without placeholders, in the machine's own spelling.
func (d DiskID) Named() DiskID {
	wwn, serial := d.Names()
	if wwn == "" {
		d.WWN = ""
	}
	if serial == "" {
		d.Serial = ""
	}
	return d
}

// sharing counts the disks of a machine by a name of theirs.
type sharing struct{ wwns, serials map[string]int }

func shared(disks []DiskID) sharing {
	s := sharing{map[string]int{}, map[string]int{}}
	for _, disk := range disks {
		wwn, serial := disk.Names()
		s.wwns[wwnDigits(wwn)]++
		s.serials[serial]++
	}
	return s
}

// own is an identity without the names that other disks have too.
func (s sharing) own(d DiskID) DiskID {
	d = d.Named()
	wwn, serial := d.Names()
	if s.wwns[wwnDigits(wwn)] > 1 {
		d.WWN = ""
	}
	if s.serials[serial] > 1 {
		d.Serial = ""
	}
	return d
}

// Apart gives the disks of one machine with the names that tell them apart: without placeholders, and without a WWN or serial that two of them report. What is
// left of two paths of one disk, which share both, is where they are.
func Apart(disks []Disk) []Disk {
	apart := make([]Disk, len(disks))
	for i, c := range candidates(disks) {
		apart[i] = c.own
	}
	return apart
}

// Volumes are the disks of a machine as other machines may see them too: like Apart, but two paths of one disk, which share WWN, serial and size, keep them.
func (f *Facts) Volumes() []DiskID {
	if f == nil {
		return nil
	}
	type names struct {
		wwn, serial string
		size        uint64
	}
	paths := map[names]bool{}
	var volumes []DiskID
	for _, disk := range f.Disks {
		id := disk.ID()
		wwn, serial := id.Names()
		path := names{wwn, serial, id.Size}
		if wwn == "" || serial == "" || !paths[path] {
			volumes = append(volumes, id)
		}
		paths[path] = true
	}
	s := shared(volumes)
	volumes = volumes[:0]
	for _, disk := range f.Disks {
		volumes = append(volumes, s.own(disk.ID()))
	}
	return volumes
}

// Volume is a disk of the machine, as Apart names it, with the names by which another machine may see it too.
func (f *Facts) Volume(disk DiskID) DiskID {
	for i, volume := range f.Volumes() {
		if at := f.Disks[i].ID(); volume.Same(disk) || at.Path != "" && at.Path == disk.Path && at.Size == disk.Size {
			return volume
		}
	}
	return disk
}

// candidate is a disk that hints may mean: as it is reported, and with the names that are its own.
type candidate struct {
	reported, own Disk
	sharers       map[string]int // disks of the machine that report this WWN or serial, by the field of the hints
}

func candidates(disks []Disk) []candidate {
	reported, wwns, serials := make([]DiskID, len(disks)), map[string]int{}, map[string]int{}
	for i, disk := range disks {
		reported[i] = disk.ID()
		wwns[NormalWWN(disk.WWN)]++
		serials[strings.TrimSpace(disk.Serial)]++
	}
	s := shared(reported)
	all := make([]candidate, len(disks))
	for i, disk := range disks {
		id := s.own(reported[i])
		all[i] = candidate{reported: disk, own: disk, sharers: map[string]int{"wwn": wwns[NormalWWN(disk.WWN)], "serial": serials[strings.TrimSpace(disk.Serial)]}}
		all[i].own.WWN, all[i].own.Serial = id.WWN, id.Serial
	}
	return all
}

// asked says why the disk is not named by what the hints ask for, a WWN before a serial, though it reports that; or "".
func (c candidate) asked(hints *schemas.DiskHints) string {
	switch {
	case hints.WWN != "" && c.own.WWN == "":
		return c.differs("wwn", NormalWWN(hints.WWN), NormalWWN(c.reported.WWN))
	case hints.WWN == "" && hints.Serial != "" && c.own.Serial == "":
		return c.differs("serial", strings.TrimSpace(hints.Serial), strings.TrimSpace(c.reported.Serial))
	default:
		return ""
	}
}

// differs says what is wanted and what is there, and what a name that is there is worth if it is not the disk's own.
func (c candidate) differs(field, want, have string) string {
	text := fmt.Sprintf("%s: want %s, have %s", field, want, orNone(have))
	own, others := c.own.WWN, "serial or path"
	if field == "serial" {
		own, others = c.own.Serial, "wwn or path"
	}
	switch sharers := c.sharers[field]; {
	case (field != "wwn" && field != "serial") || have == "" || own != "":
		return text
	case sharers == 2:
		return fmt.Sprintf("%s which two disks share, so it names neither: name the disk by %s", text, others)
	case c.placeholder(field):
		return fmt.Sprintf("%s which is a placeholder, so it names no disk: name the disk by %s", text, others)
	default:
		return fmt.Sprintf("%s which %d disks share, so it names none: name the disk by %s", text, sharers, others)
	}
}

func (c candidate) placeholder(field string) bool {
	if field == "wwn" {
		return PlaceholderWWN(c.reported.WWN)
	}
	return Placeholder(c.reported.Serial)
}
