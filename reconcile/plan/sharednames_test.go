package plan_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/plan/change"
	"github.com/gitmetal/ingot/schemas"
)

const sharedWWN = "5f8db4c142300888"

// slot is a disk in a slot, by its path.
func slot(name, wwn, serial string) inventory.Disk {
	link := "/dev/disk/by-path/pci-" + name
	return inventory.Disk{Name: name, WWN: wwn, Serial: serial, Path: link, Links: []string{link, link + ".0"}, Size: 1 << 40,
		Content: inventory.Content{Signature: "9f3ac41be7705d12", Summary: "xfs"}, Table: &inventory.Table{Kind: inventory.TableNone, Valid: true}}
}

func identify(disks ...inventory.Disk) []inventory.MachineDisk { return inventory.IdentifyDisks(disks) }

// A consent for a label that two disks bear erases neither, whether the second disk was there before or came later, and
// whether the disk lost its name or got one.
func TestAConsentForASharedLabelErasesNeither(t *testing.T) {
	t.Parallel()
	const content = "content:9f3ac41be7705d12"
	first, second := slot("sda", sharedWWN, ""), slot("sdb", "0x5F8DB4C142300888", "")
	alone, beside := identify(first)[0].ID(), identify(first, second)[0].ID()
	if alone.Label() != sharedWWN || beside.Label() != "/dev/disk/by-path/pci-sda+1099511627776" {
		t.Fatalf("labels %q alone and %q beside a twin", alone.Label(), beside.Label())
	}
	overWWN, overPath := inventory.EraseConsent(hostName, alone, content, target), inventory.EraseConsent(hostName, beside, content, target)
	unseen := inventory.EraseConsent(hostName, inventory.NamedDisk(&schemas.DiskHints{WWN: sharedWWN}), inventory.ContentUnseen, target)
	byWWN, byPath := &schemas.DiskHints{WWN: "naa." + sharedWWN}, &schemas.DiskHints{Path: "pci-sda.0"}
	for name, test := range map[string]struct {
		hints  *schemas.DiskHints
		disks  []inventory.Disk
		given  []string
		reason change.Reason // "" where the disk is erased
	}{
		"alone, by WWN":                          {byWWN, []inventory.Disk{first}, []string{overWWN}, ""},
		"alone, another spelling":                {&schemas.DiskHints{WWN: "wwn-0x" + strings.ToUpper(sharedWWN)}, []inventory.Disk{first}, []string{overWWN}, ""},
		"alone, the consent before the look":     {&schemas.DiskHints{WWN: sharedWWN}, []inventory.Disk{first}, []string{unseen}, ""},
		"a twin, by WWN":                         {byWWN, []inventory.Disk{first, second}, []string{overWWN}, change.SeveralDisks},
		"a twin, the consent before the look":    {&schemas.DiskHints{WWN: sharedWWN}, []inventory.Disk{first, second}, []string{unseen}, change.SeveralDisks},
		"a twin, by path, the consent over WWN":  {byPath, []inventory.Disk{first, second}, []string{overWWN}, change.ConsentForOther},
		"a twin, by path, all other consents":    {byPath, []inventory.Disk{first, second}, []string{overWWN, unseen}, change.NeedsConsent},
		"a twin, by path, the consent over path": {byPath, []inventory.Disk{first, second}, []string{overPath}, ""},
		"the twin is gone, the consent is over path": {byPath, []inventory.Disk{first}, []string{overPath},
			change.ConsentForOther},
		"two paths of one disk, by path": {byPath, []inventory.Disk{slot("sda", sharedWWN, "S1"), slot("sdb", sharedWWN, "S1")}, []string{overWWN}, change.ConsentForOther},
		"two paths of one disk, by WWN":  {byWWN, []inventory.Disk{slot("sda", sharedWWN, "S1"), slot("sdb", sharedWWN, "S1")}, []string{overWWN}, change.SeveralDisks},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newModel(inventory.ContentBlank, inventory.PoweredOff)
			m.desired.RootDisk, m.desired.Consent.Erase = test.hints, test.given
			m.desired.Workload = workload(target, schemas.OnConsent)
			rec := inventory.Record{ID: hostName, Facts: &inventory.Facts{Epoch: 1, Disks: test.disks}}
			got := change.Decide(m.desired, inventory.Standing{}, rec)
			if hold := got.Hold; (hold == nil) != (test.reason == "") || hold != nil && (hold.Reason != test.reason || hold.Message == "") {
				t.Errorf("Decide: %+v, held %+v, want %q", got.Root, hold, test.reason)
			}
		})
	}
}

// Each of two further disks that share a name needs a consent over its path.
func TestOtherDisksWithASharedLabel(t *testing.T) {
	t.Parallel()
	m := newModel(inventory.ContentBlank, inventory.PoweredOff)
	root, first, second := slot("sda", "", "DISK1"), slot("sdb", sharedWWN, "0"), slot("sdc", sharedWWN, "N/A")
	root.Content = inventory.Content{Blank: true}
	w := *workload(target, schemas.OnConsent)
	w.OtherDisksAllowed = true
	for _, disk := range []inventory.Disk{first, second} {
		w.OtherDisks = append(w.OtherDisks, inventory.OtherDisk{Device: disk.Path + ".0", Does: []string{"partition table wiped"}})
	}
	m.desired.Workload = &w
	const content = "content:9f3ac41be7705d12"
	over := func(id inventory.DiskID) string { return inventory.EraseConsent(hostName, id, content, target) }
	both := identify(root, first, second)
	shared, needed := over(identify(first)[0].ID()), []string{over(both[1].ID()), over(both[2].ID())}
	rec := inventory.Record{ID: hostName, Facts: &inventory.Facts{Epoch: 1, Disks: []inventory.Disk{root, first, second}}}
	m.desired.Consent.Erase = []string{shared}
	got := change.Decide(m.desired, inventory.Standing{}, rec)
	if got.Hold == nil || !slices.Equal(got.Hold.Consents, needed) || needed[0] == needed[1] {
		t.Errorf("Decide with a consent over the shared WWN: held %+v, want %q asked for", got.Hold, needed)
	}
	m.desired.Consent.Erase = needed
	if got := change.Decide(m.desired, inventory.Standing{}, rec); got.Hold != nil || len(got.Others) != 2 {
		t.Errorf("Decide with both consents: held %+v, others %+v", got.Hold, got.Others)
	}
}

// The permission of an operation covers the open disk only while the disk has the name of the permission alone.
func TestAPermissionForASharedLabel(t *testing.T) {
	t.Parallel()
	first, second := slot("sda", sharedWWN, ""), slot("sdb", sharedWWN, "")
	alone, beside := identify(first)[0].ID(), identify(first, second)[0].ID()
	older := alone
	older.WWN, older.Path = "", first.Path+".0" // the path as an older udev spelled it
	const label = "/dev/disk/by-path/pci-sda+1099511627776"
	for name, test := range map[string]struct {
		allowed inventory.DiskID
		facts   []inventory.Disk
		seen    inventory.Disk
		why     string
	}{
		"alone":                           {alone, []inventory.Disk{first}, first, ""},
		"a twin came":                     {alone, []inventory.Disk{first, second}, first, "disk " + label + " is not the only disk that is named " + sharedWWN + " any more, or lost that name"},
		"the twin is open":                {alone, []inventory.Disk{first, second}, second, "is not " + sharedWWN + " any more"},
		"beside a twin, by path":          {beside, []inventory.Disk{first, second}, first, ""},
		"beside a twin, by path, another": {beside, []inventory.Disk{first, second}, second, "is not " + label + " any more"},
		"the twin went":                   {beside, []inventory.Disk{first}, first, ""},
		"the path in another spelling":    {older, []inventory.Disk{first}, first, ""},
		"the open disk is not in the facts, and is a twin": {alone, []inventory.Disk{first}, second, "is not " + sharedWWN + " any more"},
		"without facts": {alone, nil, first, "disk sda is not " + sharedWWN + " any more"},
	} {
		rec := inventory.Record{ID: hostName}
		if test.facts != nil {
			rec.Facts = &inventory.Facts{Epoch: 1, Disks: test.facts}
		}
		op := inventory.Operation{ID: "o1", Disks: []inventory.OperationDisk{{Disk: test.allowed, Content: "content:9f3ac41be7705d12"}}}
		_, why := change.CompareDisks(op, rec, change.Compared{Indexes: op.AllDisks(), Seen: rec.Facts.IdentifyLook([]inventory.Disk{test.seen})})
		if (why == "") != (test.why == "") || !strings.Contains(why, test.why) {
			t.Errorf("%s: CompareDisks says %q, want %q", name, why, test.why)
		}
	}
}

// Over any machine whose disks come and go, a permission is for one disk at most; for none where two bear its label; and
// a refusal says why.
func TestAPermissionIsForOneDisk(t *testing.T) {
	t.Parallel()
	one := rapid.Custom(func(t *rapid.T) inventory.Disk {
		return inventory.Disk{
			WWN:    rapid.SampledFrom([]string{"", sharedWWN, "0x" + strings.ToUpper(sharedWWN), "naa." + sharedWWN, "eui.0025385b71b0a1c2", "0025385B71B0A1C2", "eui.0000000000000000"}).Draw(t, "wwn"),
			Serial: rapid.SampledFrom([]string{"", "S1", "s1", "S2", "N/A", sharedWWN}).Draw(t, "serial"),
			Path:   rapid.SampledFrom([]string{"", "/dev/disk/by-path/pci-1", "/dev/disk/by-path/pci-2"}).Draw(t, "path"),
			Size:   rapid.Uint64Range(1, 2).Draw(t, "size"), Content: inventory.Content{Signature: "9f3ac41be7705d12"},
		}
	})
	rapid.Check(t, func(t *rapid.T) {
		pool := rapid.SliceOfN(one, 1, 4).Draw(t, "disks")
		draw := func(when string) (disks []inventory.Disk) {
			for i, disk := range pool {
				disk.Name = fmt.Sprint("sd", i)
				if rapid.Bool().Draw(t, when) {
					disks = append(disks, disk)
				}
			}
			return disks
		}
		before, now := inventory.IdentifyDisks(draw("before")), draw("now")
		rec := inventory.Record{ID: hostName, Facts: &inventory.Facts{Epoch: 1, Disks: now}}
		for _, allowed := range before {
			op := inventory.Operation{ID: "o1", Disks: []inventory.OperationDisk{{Disk: allowed.ID(), Content: "content:9f3ac41be7705d12"}}}
			var written []string
			for _, seen := range rec.Facts.IdentifyLook(now) {
				_, why := change.CompareDisks(op, rec, change.Compared{Indexes: []int{0}, Seen: []inventory.MachineDisk{seen}})
				if why == "" {
					written = append(written, seen.Name)
				}
				if why == "" && (allowed.ID().Label() == "" || !seen.HasLabelOf(allowed.ID())) {
					t.Fatalf("permission for %+v covers %s, which is %+v", allowed.ID(), seen.Name, seen.ID())
				}
			}
			reported := 0 // how many disks report the name of the permission, in any way
			for _, disk := range now {
				alone := inventory.IdentifyDisks([]inventory.Disk{disk})[0]
				if alone.HasLabelOf(allowed.ID()) && allowed.ID().Label() != "" {
					reported++
				}
			}
			if len(written) > 1 || reported > 1 && len(written) > 0 {
				t.Fatalf("permission for %+v covers %v; %d disks report its name", allowed.ID(), written, reported)
			}
		}
	})
}
