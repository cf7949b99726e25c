package inventory

import (
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/gitmetal/ingot/schemas"
)

// A disk is named by its WWN or serial only where the name is the disk's own. Firmware leaves placeholders in both, and
// gives several disks of one machine the same name. Only this file has the rule: methods of DiskID skip placeholders,
// DistinctDisks also skips names that disks of one machine share. Code that compares, picks or labels a disk calls one
// of the two, so that facts from before the rule are read by the rule too.

// shortestWWN is the fewest digits of a WWN; the shortest formats (NAA, EUI-64) have 16.
const shortestWWN = 8

// IsPlaceholderWWN reports whether a WWN identifies nothing: an empty text, a vendor's placeholder, too few digits,
// equal digits, digits that are zeros or f except for the one digit of the type, or zeros in the part that tells two
// disks of a vendor apart. A type in front (0x, naa., eui., uuid.) is no digit. The kernel's "nvme." and "t10.ATA"
// names consist of model and serial; their serial is judged.
func IsPlaceholderWWN(wwn string) bool {
	name := NormalWWN(wwn)
	if rest, vendor := strings.CutPrefix(name, "nvme."); vendor {
		parts := strings.Split(rest, "-") // vendor id, serial and model (hex of their text), namespace
		if len(parts) != 4 {
			return true
		}
		serial, err := hex.DecodeString(parts[1])
		return err != nil || IsPlaceholder(strings.Trim(string(serial), "\x00 "))
	}
	if rest, ata := strings.CutPrefix(name, "t10.ata"); ata {
		const vendor, model = len("     "), 40 // SAT: vendor in 8 bytes, model in 40, serial in 20
		return len(rest) <= vendor+model || IsPlaceholder(rest[vendor+model:])
	}
	digits := wwnDigits(name)
	digitsBut := func(digit string) int { return len(digits) - strings.Count(digits, digit) }
	// EUI-64: a vendor's 6 digits, and 10
	unset := len(digits) == 16 && (strings.HasPrefix(name, "eui.") && strings.HasSuffix(digits, "0000000000") ||
		// NAA 5: a vendor's 6 digits after the 5, and 9
		strings.HasPrefix(digits, "5") && strings.HasSuffix(digits, "000000000"))
	return IsPlaceholder(name) || len(digits) < shortestWWN || digitsBut("0") <= 1 || digitsBut("f") <= 1 ||
		digitsBut(digits[:1]) == 0 || unset
}

// wwnMarks are what WWNs are written with beside their digits.
var wwnMarks = strings.NewReplacer("-", "", ":", "", " ", "")

// wwnDigits is a WWN without its type and separators.
func wwnDigits(name string) string {
	for _, kind := range []string{"naa.", "eui.", "uuid.", "wwn-", "0x"} {
		name = strings.TrimPrefix(name, kind)
	}
	return wwnMarks.Replace(name)
}

// Names are a disk's WWN and serial in the spelling that compares, "" for a missing name or a placeholder.
func (d DiskID) Names() (wwn, serial string) {
	if !IsPlaceholderWWN(d.WWN) {
		wwn = NormalWWN(d.WWN)
	}
	if !IsPlaceholder(d.Serial) {
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

// nameCounts counts the disks of a machine by name.
type nameCounts struct{ wwns, serials map[string]int }

func countNames(disks []DiskID) nameCounts {
	s := nameCounts{map[string]int{}, map[string]int{}}
	for _, disk := range disks {
		wwn, serial := disk.Names()
		s.wwns[wwnDigits(wwn)]++
		s.serials[serial]++
	}
	return s
}

// keepOwnNames drops the names that other disks of the machine have too.
func (s nameCounts) keepOwnNames(d DiskID) DiskID {
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

// DistinctDisks gives the disks of one machine without placeholders, and without a WWN or serial that two disks report.
// Two paths of one disk share both, and are told apart by their path.
func DistinctDisks(disks []Disk) []Disk {
	distinct := make([]Disk, len(disks))
	for i, c := range listCandidates(disks) {
		distinct[i] = c.own
	}
	return distinct
}

// Volumes are the disks of a machine as other machines may see them too: like DistinctDisks, but two paths of one disk
// (same WWN, serial and size) keep their names.
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
	s := countNames(volumes)
	volumes = volumes[:0]
	for _, disk := range f.Disks {
		volumes = append(volumes, s.keepOwnNames(disk.ID()))
	}
	return volumes
}

// Volume is a disk of the machine, named as in DistinctDisks, with the names by which another machine may see it.
func (f *Facts) Volume(disk DiskID) DiskID {
	for i, volume := range f.Volumes() {
		if at := f.Disks[i].ID(); volume.IsSameDisk(disk) || at.Path != "" && at.Path == disk.Path &&
			at.Size == disk.Size {
			return volume
		}
	}
	return disk
}

// candidate is a disk that hints may mean: as reported, and with its own names only.
type candidate struct {
	reported, own Disk
	sameName      map[string]int // how many disks of the machine report this WWN or serial, by the field of the hints
}

func listCandidates(disks []Disk) []candidate {
	reported, wwns, serials := make([]DiskID, len(disks)), map[string]int{}, map[string]int{}
	for i, disk := range disks {
		reported[i] = disk.ID()
		wwns[NormalWWN(disk.WWN)]++
		serials[strings.TrimSpace(disk.Serial)]++
	}
	s := countNames(reported)
	list := make([]candidate, len(disks))
	for i, disk := range disks {
		id := s.keepOwnNames(reported[i])
		list[i] = candidate{reported: disk, own: disk, sameName: map[string]int{"wwn": wwns[NormalWWN(disk.WWN)],
			"serial": serials[strings.TrimSpace(disk.Serial)]}}
		list[i].own.WWN, list[i].own.Serial = id.WWN, id.Serial
	}
	return list
}

// explainSharedName says why the name that the hints ask for (a WWN before a serial) does not name the disk, although
// the disk reports the name; or "".
func (c candidate) explainSharedName(hints *schemas.DiskHints) string {
	switch {
	case hints.WWN != "" && c.own.WWN == "":
		return c.describeMismatch("wwn", NormalWWN(hints.WWN), NormalWWN(c.reported.WWN))
	case hints.WWN == "" && hints.Serial != "" && c.own.Serial == "":
		return c.describeMismatch("serial", strings.TrimSpace(hints.Serial), strings.TrimSpace(c.reported.Serial))
	default:
		return ""
	}
}

// describeMismatch says which value is wanted and which reported, and why a shared or placeholder name names no disk.
func (c candidate) describeMismatch(field, want, have string) string {
	text := fmt.Sprintf("%s: want %s, have %s", field, want, orNone(have))
	ownName, otherHints := c.own.WWN, "serial or path"
	if field == "serial" {
		ownName, otherHints = c.own.Serial, "wwn or path"
	}
	switch sharers := c.sameName[field]; {
	case (field != "wwn" && field != "serial") || have == "" || ownName != "":
		return text
	case sharers == 2:
		return fmt.Sprintf("%s which two disks share, so it names neither: name the disk by %s", text, otherHints)
	case c.isPlaceholder(field):
		return fmt.Sprintf("%s which is a placeholder, so it names no disk: name the disk by %s", text, otherHints)
	default:
		return fmt.Sprintf("%s which %d disks share, so it names none: name the disk by %s", text, sharers, otherHints)
	}
}

func (c candidate) isPlaceholder(field string) bool {
	if field == "wwn" {
		return IsPlaceholderWWN(c.reported.WWN)
	}
	return IsPlaceholder(c.reported.Serial)
}
