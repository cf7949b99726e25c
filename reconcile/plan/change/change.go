// Package change says what the fleet asks of a single machine, from the desired state and the record alone: whether the
// change erases a disk, the consent and the signers for the change, and why the change is held.
//
// Decide gives the change; the plan of a pull request and the daemon call it alike. Refusal says why an operation that
// has begun nothing may not go on. Do not ask this package about other machines (package admit knows them) or about
// actions (package plan gives them).
package change

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/pick"
	"github.com/gitmetal/ingot/inventory/retirement"
	"github.com/gitmetal/ingot/schemas"
)

// Verdict is what a change means for the machine.
type Verdict string

// Verdicts.
const (
	Nothing   Verdict = "Nothing"
	Install   Verdict = "Install"   // onto a blank disk, or a disk that no agent has looked at
	Reinstall Verdict = "Reinstall" // erases the content of the disk
	TurnOn    Verdict = "TurnOn"
	TurnOff   Verdict = "TurnOff"
	HandsOff  Verdict = "HandsOff" // protected, orphaned, unmanaged
	Unknown   Verdict = "Unknown"  // reviews only: the record cannot be read, and anything may happen to the machine
)

// Change is what the fleet asks of a host, computed from the desired state and the record alone. The plan of a pull
// request shows the Change.
type Change struct {
	Verdict Verdict
	Why     []string // the differences: "image 3f2a… → 9bc1…", "kernelArguments"
	Root    Disk     // the disk for the system
	// Others are the disks besides the root disk that the config or a step writes to, as far as a look found them
	Others  []Disk
	Target  string // to install, as Target gives
	Erases  bool   // a disk that is not blank, or any content of an unseen disk
	Reboots bool
	Hold    *Hold // why the change is held; nil when the change may happen
	// OtherDisks are the devices besides the root disk that the installed system writes to at its first start, as the
	// config names them.
	OtherDisks []inventory.OtherDisk
}

// Disk is a disk that a change writes to, and the permission for the disk.
type Disk struct {
	ID      inventory.DiskID
	Devices []string // the names by which config and steps write to the disk; none for the root disk
	Name    string   // in spec.disks, for a disk that a step writes to
	Config  bool     // the config writes to the disk
	Content string   // on the disk now: blank, install:<id>, unmarked:<id>, failed:<id>, content:<signature>, unseen
	Summary string   // Content in words
	Erases  bool
	Needed  string // the consent that allows the write; "" when the write needs no consent
	Given   string // the consent in the fleet for this disk, whether or not it counts
	Missing bool   // the change is held until Needed is in the fleet
}

// Disks are the disks of a change: the root disk, then the others.
func (c Change) Disks() []Disk { return append([]Disk{c.Root}, c.Others...) }

// NeedsLook reports whether a disk must be looked at before the change can be allowed.
func (c Change) NeedsLook() bool {
	return slices.ContainsFunc(c.Disks(), func(disk Disk) bool { return disk.Content == inventory.ContentUnseen })
}

// Consents is the value of spec.consent.erase that allows the change; none when the change needs no consent.
func (c Change) Consents() (all schemas.EraseConsents) {
	for _, disk := range c.Disks() {
		if disk.Needed != "" {
			all = append(all, disk.Needed)
		}
	}
	return all
}

// Decide says what the fleet asks of a host, from the desired state, the standing of the machine and the record. The
// plan of a pull request is the result of Decide, and plan.Next begins with Decide. The first row that fits decides:
//
//	asked for                         record                       verdict
//	anything                          not readable                 HandsOff, held until mended or forgotten
//	file gone                         any                          HandsOff (orphaned)
//	protect                           any                          HandsOff
//	lifecycle not Managed, no erase   any                          HandsOff
//	retire                            its erase succeeded          HandsOff, retired
//	a machine known under another id  any                          HandsOff, held until the host has that id
//	another serial, UUID or other MACs of the machine before       HandsOff, held until a takeover is recorded
//	no workload                       any                          Nothing
//	workload                          installed with its inputs    Nothing
//	workload                          its operation is under way   as the operation was allowed
//	workload                          root disk blank              Install
//	workload                          root disk never seen         Install; erases only with a consent over "unseen"
//	workload                          root disk holds something    Reinstall; held without consent and signers (signers.go)
//	workload                          not exactly one disk         Install or Reinstall, held
//	workload that writes other disks  any, not under way           Install or Reinstall; held without otherDisks: Allowed,
//	                                                               and without a consent for each that is not blank
//	a step writes to disks            any, not under way           Install or Reinstall; held where a name fits no disks,
//	                                                               and without a consent for each that is not blank
func Decide(d inventory.Desired, who inventory.Standing, rec inventory.Record) Change {
	unreadable := rec.Unreadable != ""
	excluded := Excluded(d)
	retired := retirement.Done(d, rec)
	knownElsewhere := who.KnownAs != ""
	mismatch := rec.DescribesOtherMachine(d.Identity)
	installed := rec.Operation == nil && rec.Has(d.Workload)
	switch {
	case unreadable:
		return keepHandsOff("what is known of it cannot be read", unreadableHold(d, rec))
	case excluded != "":
		return keepHandsOff(excluded, nil)
	case retired:
		return keepHandsOff(describeRetired(rec), nil)
	case knownElsewhere:
		return keepHandsOff(who.By+" is known as "+string(who.KnownAs), knownAsHold(who))
	case mismatch != "":
		return keepHandsOff(mismatch, otherMachineHold(d, mismatch))
	case d.Workload == nil:
		return Change{Verdict: Nothing}
	case installed:
		return Change{Verdict: Nothing, Root: Disk{ID: rec.Installed.Disk}}
	default:
		return decideInstall(d, rec)
	}
}

// joinHolds makes one hold of all that holds a change; nil when nothing does. The first hold gives the reason.
func joinHolds(holds []Hold) *Hold {
	if len(holds) == 0 {
		return nil
	}
	all := holds[0]
	for _, more := range holds[1:] {
		all.Message += "; " + more.Message
		all.StaysDown = all.StaysDown || more.StaysDown
	}
	return &all
}

// keepHandsOff leaves the machine alone, for a reason.
func keepHandsOff(why string, hold *Hold) Change {
	return Change{Verdict: HandsOff, Why: []string{why}, Hold: hold}
}

// Excluded says why the fleet has nothing done to a machine, whatever the record says; "" when something may be done.
func Excluded(d inventory.Desired) string {
	switch {
	case d.Lifecycle == "":
		return "its file is gone: orphaned"
	case d.Protect:
		return "spec.protect is true"
	case d.Lifecycle != schemas.Managed && !d.Retires:
		return "spec.lifecycle is " + d.Lifecycle
	default:
		return ""
	}
}

// KeptOff says who keeps a machine off, or "". Nothing begins on such a machine.
func KeptOff(d inventory.Desired) string {
	if len(d.OffBy) == 0 {
		return ""
	}
	return "kept off by " + strings.Join(d.OffBy, ", ") + " (spec.offBy)"
}

// decideInstall decides about the install of the workload's system.
func decideInstall(d inventory.Desired, rec inventory.Record) Change {
	c := Change{
		Verdict: Install, Target: Target(*d.Workload), Why: listDifferences(d, rec),
		Reboots:    true,
		OtherDisks: d.Workload.OtherDisks,
	}
	op := rec.Operation
	underWay := op != nil && op.Installs(d.Workload) && op.Stage != inventory.Intended
	if underWay {
		return repeatAllowed(c, *op)
	}
	var holds []Hold
	c, holds = decideOnRootDisk(c, d, rec)
	if rec.Facts != nil && !c.Root.ID.Zero() {
		others, more := decideOnOtherDisks(c, d, rec)
		c.Others, holds = others, append(holds, more...)
	}
	c.Erases = slices.ContainsFunc(c.Disks(), func(disk Disk) bool { return disk.Erases })
	c.Hold = joinHolds(holds)
	if c.Erases && c.Root.Content != inventory.ContentUnseen {
		c.Hold = holdForSigners(d, c, c.Hold)
	}
	if missing := slices.ContainsFunc(c.Disks(), func(disk Disk) bool { return disk.Missing }); missing {
		c.Hold.Consents = c.Consents()
	}
	c.Hold = holdForOtherDisks(d, c.Hold)
	return c
}

// decideOnRootDisk decides by the content of the root disk.
func decideOnRootDisk(c Change, d inventory.Desired, rec inventory.Record) (Change, []Hold) {
	id, seen, hold := pickRootDisk(d, rec)
	root := Disk{ID: id}
	if c.Root = root; hold != nil {
		return c, []Hold{*hold}
	}
	root.Content = inventory.ContentOf(rec, id, seen)
	root.Summary = describeContent(rec, root.Content, seen)
	switch root.Content {
	case inventory.ContentBlank:
		c.Root = root
		return c, nil
	case inventory.ContentUnseen:
		c.Root = decideOnUnseen(root, d, rec)
		return c, nil
	case "":
		c.Root = root
		return c, []Hold{*unreadableDiskHold(id, seen.Content)}
	}
	c.Verdict, root.Erases = Reinstall, true
	root.Needed = findNeeded(d, id, root.Content)
	root.Given = findGivenForRoot(d, root)
	held := holdForConsent(d, rec, root)
	root.Missing = len(held) > 0
	if isCoveredByRule(d, rec, root.Content) && root.Given != root.Needed {
		root.Given = "" // the consent is for another change, and update: Reinstall allows this change
	}
	c.Root = root
	return c, held
}

// decideOnUnseen decides about a root disk that no agent has looked at. With a consent over "unseen" the install erases
// whatever the agent finds.
func decideOnUnseen(root Disk, d inventory.Desired, rec inventory.Record) Disk {
	if root.Given = findGivenForRoot(d, root); root.ID.Label() == "" || rec.HistoryUnknown() {
		return root
	}
	root.Needed = findNeeded(d, root.ID, inventory.ContentUnseen)
	root.Given = findGivenForRoot(d, root)
	root.Erases = root.Given == root.Needed && countsUnseen(d, rec, root.Given)
	if why := WhyUnsigned(d); root.Erases && why != "" {
		root.Erases, root.Summary = false, root.Summary+"; what is found there is not erased: "+why
	}
	return root
}

// repeatAllowed repeats what an operation under way was allowed: the consents cover the operation until its end.
func repeatAllowed(c Change, op inventory.Operation) Change {
	for i, allowed := range op.Disks {
		disk := Disk{ID: allowed.Disk, Name: allowed.Name, Config: allowed.Config, Content: allowed.Content, Summary: allowed.Content, Erases: allowed.Erases,
			Needed: allowed.Consent, Given: allowed.Consent}
		if i == 0 {
			c.Root = disk
			continue
		}
		c.Others = append(c.Others, disk)
	}
	if c.Root.Erases {
		c.Verdict = Reinstall
	}
	c.Erases = op.Erases()
	return c
}

// pickRootDisk finds the root disk among the disks that an agent reported. Before any report the disk is known by the
// name that the fleet gives, and what was seen is nil.
func pickRootDisk(d inventory.Desired, rec inventory.Record) (inventory.DiskID, *inventory.MachineDisk, *Hold) {
	if rec.Facts == nil {
		named := inventory.NamedDisk(d.RootDisk)
		if rec.Installed != nil && rec.Installed.Disk.IsSameDisk(named) {
			return rec.Installed.Disk, nil, nil
		}
		return named, nil, nil
	}
	disk, err := pick.RootDisk(d, rec.Facts.Disks)
	if err != nil {
		reason := NoDisk
		var failure pick.Error
		if errors.As(err, &failure) && len(failure.Matches) > 1 {
			reason = SeveralDisks
		}
		return inventory.DiskID{}, nil, &Hold{Reason: reason, Message: err.Error()}
	}
	changed := rec.Installed != nil && !disk.Is(rec.Installed.Disk) && keepsHints(d, rec)
	if changed {
		return disk.ID(), &disk, changedDiskHold(disk.ID(), rec.Installed.Disk)
	}
	return disk.ID(), &disk, nil
}

// keepsHints reports whether spec.rootDisk is the same as at the last install.
func keepsHints(d inventory.Desired, rec inventory.Record) bool {
	return rec.Installed.Parts["rootDisk"] == d.Workload.Parts["rootDisk"]
}

// listDifferences says how the installed system differs from the workload that the fleet asks for.
func listDifferences(d inventory.Desired, rec inventory.Record) []string {
	if d.Retires {
		return []string{fmt.Sprintf("spec.retire erases its disks with policy %s, then the machine is powered off and left alone",
			d.Workload.Steps[0].ReadErase().Policy)}
	}
	if rec.Installed == nil {
		return []string{fmt.Sprintf("workload %s is not installed", d.Workload.Name)}
	}
	var why []string
	if rec.Installed.Workload != d.Workload.Name {
		why = append(why, fmt.Sprintf("workload %s → %s", rec.Installed.Workload, d.Workload.Name))
	}
	asked := d.Workload.Made()
	for name, want := range d.Workload.Parts {
		if have := rec.Installed.Parts[name]; asked.Differs(name, rec.Installed.Made()) {
			why = append(why, fmt.Sprintf("%s %s → %s", name, shortID(have), shortID(want)))
		}
	}
	for name := range rec.Installed.Parts {
		if _, still := d.Workload.Parts[name]; !still {
			why = append(why, name+" was taken out")
		}
	}
	sort.Strings(why)
	return why
}

// describeContent says for people what a disk holds.
func describeContent(rec inventory.Record, content string, seen *inventory.MachineDisk) string {
	why := rec.WhyNotInstalled(seen)
	notOurs := why != "" && rec.Installed.Mark != ""
	switch {
	case inventory.IsLeft(content) && rec.Last != nil && strings.HasSuffix(content, ":"+rec.Last.ID):
		return fmt.Sprintf("what the failed %s %s left: %s", rec.Last.Kind.Word(), rec.Last.ID, rec.Last.Error)
	case inventory.IsInstall(content) && rec.Installed != nil:
		return describeInstall(*rec.Installed)
	case inventory.IsUnmarked(content) && rec.Installed != nil:
		return describeInstall(*rec.Installed) + ", without a mark that tells it from another system"
	case content == inventory.ContentUnseen:
		return "never looked at"
	case content == inventory.ContentBlank:
		return "blank"
	case seen != nil && notOurs:
		return fmt.Sprintf("%s, not %s: %s", cmp.Or(seen.Content.Summary, content), describeInstall(*rec.Installed), why)
	case seen != nil && seen.Content.Summary != "":
		return seen.Content.Summary
	default:
		return content
	}
}

// describeInstall names an install for people.
func describeInstall(i inventory.Installed) string {
	return fmt.Sprintf("our install of %s from commit %s", i.Workload, shortID(i.Commit))
}

func shortID(id string) string {
	switch {
	case id == "":
		return "none"
	case len(id) > 8:
		return id[:8]
	default:
		return id
	}
}
