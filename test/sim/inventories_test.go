package sim

import (
	"errors"
	"flag"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/pick"
	"github.com/gitmetal/ingot/schemas"
)

var inventoriesFlag = flag.Int("inventories", 20_000, "how many inventories TestInventories makes")

// TestInventories makes disks and facts from few values, so that values collide, and compares the choice of a disk and
// of a machine with a second way to tell: never a wrong one, and every no explains itself.
func TestInventories(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var workers sync.WaitGroup
	picked, refused, share := 0, 0, *inventoriesFlag/runtime.GOMAXPROCS(0)
	for worker := range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			d := newDice(uint64(worker+1), "inventories")
			found, missed := 0, 0
			for range share {
				hints, disks := newHints(d), newDisks(d)
				yes, why := judgePick(hints, disks)
				if why == "" {
					why = judgeMachine(d)
				}
				if why != "" {
					t.Errorf("%s\nhints %+v\ndisks %+v", why, hints, disks)
					return
				}
				if yes {
					found++
				} else {
					missed++
				}
			}
			mu.Lock()
			defer mu.Unlock()
			picked, refused = picked+found, refused+missed
		})
	}
	workers.Wait()
	if picked < refused/50 {
		t.Errorf("%d picked, %d refused: the inventories prove little", picked, refused)
	}
	t.Logf("%d inventories: %d picked, %d refused", picked+refused, picked, refused)
}

// Names that firmware gives, good and bad. badNames are those that name no disk.
var (
	someSerials = []string{"", "S1", "S2", "S3", "s1", " S1 ", "WD 1", "WD  1", "5000c500a1b2c3d4", "0", "Default string", "0000", "N/A", "To Be Filled By O.E.M."}
	someWWNs    = []string{"", "5000c500a1b2c3d4", "0x5000C500A1B2C3D4", "naa.5000c500a1b2c3d4", "wwn-0x5000c500a1b2c3d4", "5000c500a1b2c3d5",
		"eui.0025385b71b0abcd", "0025385B71B0ABCD", "5000000000000000", "ffffffffffffffff", "eui.0000000000000000", "0x0000000000000000"}
	badNames = []string{"", "0", "default string", "0000", "n/a", "to be filled by o.e.m.", "5000000000000000", "ffffffffffffffff", "0000000000000000"}

	someModels     = []string{"", "M1", "M2", "m1"}
	someSizes      = []uint64{0, 480_000_000_000, 480_103_981_056, 1 << 40}
	someTransports = []string{"sata", "nvme", "sas", "usb", ""}
)

func newDisks(d *dice) []inventory.Disk {
	disks := make([]inventory.Disk, 1+d.below(5))
	for i := range disks {
		disks[i] = inventory.Disk{Serial: choose(d, someSerials), WWN: choose(d, someWWNs), Model: choose(d, someModels), Size: choose(d, someSizes[d.below(2):]),
			Rotational: d.chance(0.3), Removable: d.chance(0.1), ReadOnly: d.chance(0.05), Transport: choose(d, someTransports)}
		if d.chance(0.05) {
			disks[i].Holders = []string{"dm-0"}
		}
		setLinks(d, &disks[i], i)
	}
	disks = addShapes(d, disks)
	for i := range disks {
		disks[i].Name = fmt.Sprintf("sd%c", 'a'+i)
	}
	return disks
}

// setLinks gives a disk by-path links: none, one, two spellings, or a link that other disks have too.
func setLinks(d *dice, disk *inventory.Disk, port int) {
	const dir = "/dev/disk/by-path/"
	link := fmt.Sprintf("pci-%d", port+1)
	disk.Path, disk.Links = "", nil
	switch d.below(6) {
	case 0:
		return
	case 1:
		link = "pci-1" // behind a port multiplier
	case 2:
		disk.Links = append(disk.Links, dir+link+".0", "/dev/disk/by-id/"+link)
	case 3:
		disk.Path = dir + link + ".0" // an older udev
		disk.Links = append(disk.Links, disk.Path)
		return
	}
	disk.Path = dir + link
	disk.Links = append(disk.Links, disk.Path)
}

// addShapes adds a disk as field reports have them: the second path of one, the second logical drive or namespace of
// one's controller, a clone of one, a replacement in one's slot.
func addShapes(d *dice, disks []inventory.Disk) []inventory.Disk {
	if !d.chance(0.5) {
		return disks
	}
	more := choose(d, disks)
	switch d.below(4) {
	case 0: // the second path: all the same but the link
		setLinks(d, &more, len(disks))
	case 1: // the serial of the controller, a WWN of its own
		more.WWN = choose(d, someWWNs)
		setLinks(d, &more, len(disks))
	case 2: // one WWN on a batch
		more.Serial = choose(d, someSerials)
		setLinks(d, &more, len(disks))
	default: // a clone that claims the link too
	}
	return append(disks, more)
}

func newHints(d *dice) *schemas.DiskHints {
	var h schemas.DiskHints
	set := func(p float64, field *string, values []string) {
		if d.chance(p) {
			*field = choose(d, values)
		}
	}
	set(0.5, &h.Serial, someSerials)
	set(0.3, &h.WWN, someWWNs)
	set(0.2, &h.Path, []string{"pci-1", "/dev/disk/by-path/pci-2", "pci-3", "pci-1.0", "pci-2.0"})
	set(0.2, &h.Model, someModels)
	set(0.1, &h.Transport, someTransports)
	set(0.1, &h.Size, []string{"480GB", "1TiB"})
	set(0.1, &h.MinSize, []string{"100GB", "1TB"})
	set(0.1, &h.MaxSize, []string{"500GB", "2TiB"})
	if d.chance(0.1) {
		rotational := d.chance(0.5)
		h.Rotational = &rotational
	}
	return &h
}

// The second way to tell disks apart, in other words than the rule.

// digits are a WWN without what it is written with.
func digits(wwn string) string {
	text := strings.ToLower(strings.TrimSpace(wwn))
	for _, mark := range []string{"wwn-", "0x", "naa.", "eui."} {
		text = strings.Replace(text, mark, "", 1)
	}
	if slices.Contains(badNames, text) {
		return ""
	}
	return text
}

func plain(serial string) string {
	text := strings.ToLower(strings.TrimSpace(strings.ReplaceAll(serial, "  ", " ")))
	if slices.Contains(badNames, text) {
		return ""
	}
	return text
}

func links(disk inventory.Disk) (names []string) {
	for _, link := range append([]string{disk.Path}, disk.Links...) {
		if name, is := strings.CutPrefix(link, "/dev/disk/by-path/"); is {
			names = append(names, name)
		}
	}
	return names
}

// isOnly reports whether a name, as WWN or as serial, is a disk's alone.
func isOnly(name string, disk inventory.Disk, disks []inventory.Disk) bool {
	return name != "" && !slices.ContainsFunc(disks, func(other inventory.Disk) bool {
		return other.Name != disk.Name && (digits(other.WWN) == name || plain(other.Serial) == name)
	})
}

func isOnlyLink(link string, disk inventory.Disk, disks []inventory.Disk) bool {
	return slices.Contains(links(disk), link) && !slices.ContainsFunc(disks, func(other inventory.Disk) bool {
		return other.Name != disk.Name && slices.Contains(links(other), link)
	})
}

// isToldApart reports whether anything tells a disk from the others.
func isToldApart(disk inventory.Disk, disks []inventory.Disk) bool {
	return isOnly(digits(disk.WWN), disk, disks) || isOnly(plain(disk.Serial), disk, disks) ||
		slices.ContainsFunc(links(disk), func(link string) bool { return isOnlyLink(link, disk, disks) })
}

// fits tells whether a disk has everything that the hints say, literally.
func fits(h schemas.DiskHints, disk inventory.Disk) bool {
	raw := func(wwn string) string {
		text := strings.ToLower(strings.TrimSpace(wwn))
		for _, mark := range []string{"wwn-", "0x", "naa.", "eui."} {
			text = strings.TrimPrefix(text, mark)
		}
		return text
	}
	sizes := map[string]uint64{"480GB": 480_000_000_000, "1TiB": 1 << 40, "100GB": 100e9, "1TB": 1e12, "500GB": 500e9, "2TiB": 2 << 40}
	return (strings.TrimSpace(h.Serial) == "" || strings.TrimSpace(h.Serial) == strings.TrimSpace(disk.Serial)) &&
		(h.WWN == "" || raw(h.WWN) == raw(disk.WWN)) && (h.Path == "" || slices.Contains(links(disk), h.Path[strings.LastIndex(h.Path, "/")+1:])) &&
		(h.Model == "" || h.Model == disk.Model) && (h.Transport == "" || h.Transport == disk.Transport) &&
		(h.Size == "" || sizes[h.Size] == disk.Size) && (h.MinSize == "" || disk.Size >= sizes[h.MinSize]) &&
		(h.MaxSize == "" || disk.Size <= sizes[h.MaxSize]) && (h.Rotational == nil || *h.Rotational == disk.Rotational)
}

// isUsable tells whether a disk may be written if the hints mean it.
func isUsable(h schemas.DiskHints, disk inventory.Disk) bool {
	stick := disk.Removable && (disk.Transport == "usb" || disk.Transport == "" || h.WWN == "" && h.Serial == "")
	return disk.Size != 0 && !disk.ReadOnly && !stick && len(disk.Holders) == 0
}

// judgePick judges one choice; why says what is wrong with it.
func judgePick(h *schemas.DiskHints, disks []inventory.Disk) (found bool, why string) {
	if why := judgeLabels(disks); why != "" {
		return false, why
	}
	picked, err := pick.Disk(h, disks)
	var usable []inventory.Disk
	for _, disk := range disks {
		if *h != (schemas.DiskHints{}) && fits(*h, disk) && isUsable(*h, disk) && isToldApart(disk, disks) {
			usable = append(usable, disk)
		}
	}
	byOwn := func(disk inventory.Disk) bool { // who asks by a name asks by the disk's own
		asked := h.Path == "" || isOnlyLink(h.Path[strings.LastIndex(h.Path, "/")+1:], disk, disks)
		switch {
		case h.WWN != "":
			return asked && isOnly(digits(disk.WWN), disk, disks)
		case h.Serial != "":
			return asked && isOnly(plain(disk.Serial), disk, disks)
		default:
			return asked
		}
	}
	only := len(usable) == 1 && byOwn(usable[0]) && !slices.ContainsFunc(disks, func(other inventory.Disk) bool {
		mine := usable[0] // another path of the same disk, which the hints mean as well
		return other.Name != mine.Name && fits(*h, other) && digits(mine.WWN) != "" && plain(mine.Serial) != "" &&
			digits(other.WWN) == digits(mine.WWN) && plain(other.Serial) == plain(mine.Serial) && other.Size == mine.Size
	})
	switch {
	case err != nil && only:
		return false, fmt.Sprintf("refused %s, the only disk that fits and is asked for by its own name: %v", usable[0].Name, err)
	case err != nil:
		return false, judgeRefusal(err)
	case !only || usable[0].Name != picked.Name:
		return true, fmt.Sprintf("picked %s, but %d usable disks fit, or by a name that is not its own", picked.Name, len(usable))
	}
	return true, judgeIdentity(picked, disks)
}

// judgeLabels: no two disks of a machine have one label, or are one disk, or take a permission for one another.
func judgeLabels(disks []inventory.Disk) string {
	machine := inventory.IdentifyDisks(disks)
	for i, disk := range machine {
		if (disk.ID().Label() != "") != isToldApart(disk.Disk, disks) {
			return fmt.Sprintf("%s is labelled %q", disk.Name, disk.ID().Label())
		}
		for j, other := range machine {
			if i != j && disk.ID().Label() != "" && (disk.ID().Label() == other.ID().Label() || other.Is(disk.ID()) || other.HasLabelOf(disk.ID())) {
				return fmt.Sprintf("%s and %s are both %s", disk.Name, other.Name, disk.ID().Label())
			}
		}
	}
	return ""
}

// judgeIdentity judges what a record keeps of a disk, when another disk is gone: the disk is still the disk of the
// record, and so is no other; and beside a twin nothing has the label.
func judgeIdentity(picked inventory.MachineDisk, disks []inventory.Disk) string {
	id := picked.ID()
	for i := range disks {
		fewer := slices.Delete(slices.Clone(disks), i, i+1)
		for _, disk := range inventory.IdentifyDisks(fewer) {
			same := disk.Name == picked.Name
			if (disk.Is(id) && disk.HasLabelOf(id)) != same && (same || disk.ID().Path != id.Path) {
				return fmt.Sprintf("without %s, %s is %+v: %t", disks[i].Name, disk.Name, id, !same)
			}
		}
	}
	twin := picked.Disk
	twin.Name = "twin"
	for _, disk := range inventory.IdentifyDisks(append(slices.Clone(disks), twin)) {
		if disk.HasLabelOf(id) {
			return fmt.Sprintf("beside a twin, %s has the label %s", disk.Name, id.Label())
		}
	}
	return ""
}

// judgeRefusal judges a refusal: it says why for each disk.
func judgeRefusal(err error) string {
	var said pick.Error
	if !errors.As(err, &said) || err.Error() == "" {
		return fmt.Sprintf("refused without a reason: %v", err)
	}
	if len(said.Matches) > 1 && !strings.Contains(err.Error(), ": ") {
		return "several disks match without a reason: " + err.Error()
	}
	for _, miss := range said.Misses {
		if miss.Why == "" {
			return "a disk is missed without a reason: " + miss.Disk
		}
	}
	return ""
}

// judgeMachine compares facts with a declared identity.
func judgeMachine(d *dice) string {
	serials := []string{"", "5XKJ2M3", "5xkj2m3", "5XKJ2M4", "Default string", "0"}
	macs := []string{"52:54:00:00:00:01", "52:54:00:00:00:02", "52:54:00:00:00:0A", "52:54:00:00:00:0a"}
	declared := schemas.Identity{Serial: choose(d, serials)}
	for range d.below(3) {
		declared.MACs = append(declared.MACs, choose(d, macs))
	}
	facts := inventory.Facts{System: inventory.System{Serial: choose(d, serials)}}
	bmc := inventory.BMCIdentity{Serial: choose(d, serials)}
	for range d.below(3) {
		facts.NICs = append(facts.NICs, inventory.NIC{Name: "eno1", MAC: choose(d, macs)})
	}
	same := declared.Serial == "" || !slices.Contains([]string{"Default string", "0"}, declared.Serial) &&
		(strings.EqualFold(declared.Serial, facts.System.Serial) || strings.EqualFold(declared.Serial, bmc.Serial))
	for _, mac := range declared.MACs {
		same = same && slices.ContainsFunc(facts.NICs, func(n inventory.NIC) bool { return strings.EqualFold(n.MAC, mac) })
	}
	if why := inventory.SameMachine(declared, &bmc, facts); (why == "") != same {
		return fmt.Sprintf("SameMachine(%+v, %+v, %+v) = %q", declared, bmc, facts, why)
	}
	return ""
}
