// Package change says what the fleet asks of a single machine, from the desired state and the record alone: whether the
// change erases a disk, the consent and the signers for the change, and why the change is held.
//
// Decide gives the change; the plan of a pull request and the daemon call it alike. Refusal says why an operation that
// has begun nothing may not go on. Do not ask this package about other machines (package admit knows them) or about
// actions (package plan gives them).
package change

import (
	"errors"
	"fmt"
	"sort"
	"strings"

	"github.com/gitmetal/ingot/inventory"
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
	Disk    inventory.DiskID
	Content string // on the disk now: blank, install:<id>, content:<signature>, unseen
	Summary string // Content in words
	Target  string // the inputs digest to install
	Erases  bool
	Reboots bool
	Needed  string // the consent that allows the change; "" when the change needs no consent
	Given   string // the consent in the fleet
	Hold    *Hold  // why the change is held; nil when the change may happen
	// OtherDisks are the disks besides the root disk that the installed system writes to at its first start.
	OtherDisks []inventory.OtherDisk
}

// Decide says what the fleet asks of a host, from the desired state, the standing of the machine and the record. The
// plan of a pull request is the result of Decide, and plan.Next begins with Decide. The first row that fits decides:
//
//	asked for                         record                       verdict
//	anything                          not readable                 HandsOff, held until mended or forgotten
//	file gone                         any                          HandsOff (orphaned)
//	protect                           any                          HandsOff
//	lifecycle not Managed             any                          HandsOff
//	a machine known under another id  any                          HandsOff, held until the host has that id
//	another serial, or other MACs     of the machine before        HandsOff, held until consent.takeover names it
//	no workload                       any                          Nothing
//	workload                          installed with its inputs    Nothing
//	workload                          its operation is under way   as the operation was allowed
//	workload                          root disk blank              Install
//	workload                          root disk never seen         Install; erases only with a consent over "unseen"
//	workload                          root disk holds something    Reinstall; held without consent and signers (signers.go)
//	workload                          not exactly one disk         Install or Reinstall, held
//	workload that writes other disks  any, not under way           Install or Reinstall; held without otherDisks: Allowed
func Decide(d inventory.Desired, who inventory.Standing, rec inventory.Record) Change {
	unreadable := rec.Unreadable != ""
	excluded := Excluded(d)
	knownElsewhere := who.KnownAs != ""
	mismatch := rec.DescribesOtherMachine(d.Identity)
	otherMachine := mismatch != "" && !takesOver(d, rec)
	installed := rec.Operation == nil && rec.Has(d.Workload)
	switch {
	case unreadable:
		return keepHandsOff("what is known of it cannot be read", unreadableHold(d, rec))
	case excluded != "":
		return keepHandsOff(excluded, nil)
	case knownElsewhere:
		return keepHandsOff(who.By+" is known as "+string(who.KnownAs), knownAsHold(who))
	case otherMachine:
		return keepHandsOff(mismatch, otherMachineHold(d, mismatch))
	case d.Workload == nil:
		return Change{Verdict: Nothing}
	case installed:
		return Change{Verdict: Nothing, Disk: rec.Installed.Disk}
	default:
		return decideInstall(d, rec)
	}
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
	case d.Lifecycle != schemas.Managed:
		return "spec.lifecycle is " + d.Lifecycle
	default:
		return ""
	}
}

// decideInstall decides about the install of the workload's system.
func decideInstall(d inventory.Desired, rec inventory.Record) Change {
	c := Change{
		Verdict: Install, Target: d.Workload.Inputs, Given: d.Consent.Erase, Why: listDifferences(d, rec),
		Reboots:    true,
		OtherDisks: d.Workload.OtherDisks,
	}
	op := rec.Operation
	underWay := op != nil && op.Inputs == c.Target && op.Stage != inventory.Intended
	if underWay {
		return repeatAllowed(c, *op)
	}
	c = decideOnRootDisk(c, d, rec)
	c.Hold = holdForOtherDisks(d, c.Hold)
	return c
}

// decideOnRootDisk decides by the content of the root disk.
func decideOnRootDisk(c Change, d inventory.Desired, rec inventory.Record) Change {
	disk, content, hold := pickRootDisk(d, rec)
	c.Disk, c.Hold = disk, hold
	if hold != nil {
		return c
	}
	c.Content = inventory.ContentOf(rec, disk, content)
	c.Summary = describeContent(rec, c.Content, content)
	switch c.Content {
	case inventory.ContentBlank:
		return c
	case inventory.ContentUnseen:
		return decideOnUnseen(c, d, rec)
	case "":
		c.Hold = unreadableDiskHold(disk, *content)
		return c
	}
	c.Verdict, c.Erases = Reinstall, true
	c.Needed = inventory.EraseConsent(d.ID, disk, c.Content, c.Target)
	c.Hold = holdForSigners(d, c, holdForConsent(d, rec, c))
	coveredByRule := d.Reinstallable && keepsReinstalling(d, rec)
	if coveredByRule && c.Given != c.Needed {
		c.Given = "" // the consent is for another change, and update: Reinstall allows this change
	}
	return c
}

// decideOnUnseen decides about a disk that no agent has looked at. With a consent over "unseen" the install erases
// whatever the agent finds.
func decideOnUnseen(c Change, d inventory.Desired, rec inventory.Record) Change {
	if c.Disk.Label() == "" || rec.HistoryUnknown() {
		return c
	}
	c.Needed = inventory.EraseConsent(d.ID, c.Disk, inventory.ContentUnseen, c.Target)
	c.Erases = c.Given == c.Needed && countsUnseen(rec, c.Given)
	if why := WhyUnsigned(d); c.Erases && why != "" {
		c.Erases, c.Summary = false, c.Summary+"; what is found there is not erased: "+why
	}
	return c
}

// repeatAllowed repeats what an operation under way was allowed: the consent covers the operation until its end.
func repeatAllowed(c Change, op inventory.Operation) Change {
	root := op.Root()
	c.Disk, c.Content, c.Erases = root.Disk, root.Content, root.Erases
	c.Summary = root.Content
	c.Needed = root.Consent
	if root.Erases {
		c.Verdict = Reinstall
	}
	return c
}

// pickRootDisk finds the root disk among the disks that an agent reported. Before any report the disk is known by the
// name that the fleet gives, and the content is nil.
func pickRootDisk(d inventory.Desired, rec inventory.Record) (inventory.DiskID, *inventory.Content, *Hold) {
	if rec.Facts == nil {
		named := inventory.NamedDisk(d.RootDisk)
		if rec.Installed != nil && rec.Installed.Disk.IsSameDisk(named) {
			return rec.Installed.Disk, nil, nil
		}
		return named, nil, nil
	}
	disk, err := inventory.PickDisk(d.RootDisk, rec.Facts.Disks)
	if err != nil {
		reason := NoDisk
		var failure inventory.DiskError
		if errors.As(err, &failure) && len(failure.Matches) > 1 {
			reason = SeveralDisks
		}
		return inventory.DiskID{}, nil, &Hold{Reason: reason, Message: err.Error()}
	}
	changed := rec.Installed != nil && !rec.Installed.Disk.IsSameDisk(disk.ID()) && keepsHints(d, rec)
	if changed {
		return disk.ID(), &disk.Content, changedDiskHold(disk.ID(), rec.Installed.Disk)
	}
	return disk.ID(), &disk.Content, nil
}

// keepsHints reports whether spec.rootDisk is the same as at the last install.
func keepsHints(d inventory.Desired, rec inventory.Record) bool {
	return rec.Installed.Parts["rootDisk"] == d.Workload.Parts["rootDisk"]
}

// listDifferences says how the installed system differs from the workload that the fleet asks for.
func listDifferences(d inventory.Desired, rec inventory.Record) []string {
	if rec.Installed == nil {
		return []string{fmt.Sprintf("workload %s is not installed", d.Workload.Name)}
	}
	var why []string
	if rec.Installed.Workload != d.Workload.Name {
		why = append(why, fmt.Sprintf("workload %s → %s", rec.Installed.Workload, d.Workload.Name))
	}
	for name, want := range d.Workload.Parts {
		if have := rec.Installed.Parts[name]; have != want {
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
func describeContent(rec inventory.Record, content string, seen *inventory.Content) string {
	switch {
	case rec.Last != nil && content == "failed:"+rec.Last.ID:
		return fmt.Sprintf("what the failed install %s left: %s", rec.Last.ID, rec.Last.Error)
	case rec.Installed != nil && content == "install:"+rec.Installed.ID:
		return fmt.Sprintf("our install of %s from commit %s", rec.Installed.Workload, shortID(rec.Installed.Commit))
	case content == inventory.ContentUnseen:
		return "never looked at"
	case content == inventory.ContentBlank:
		return "blank"
	case seen != nil && seen.Summary != "":
		return seen.Summary
	default:
		return content
	}
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

// takesOver reports whether spec.consent.takeover names the new machine: the declared serial, or, where the fleet
// declares no serial, any serial but the known machine's.
func takesOver(d inventory.Desired, rec inventory.Record) bool {
	given, declared := strings.TrimSpace(d.Consent.Takeover), strings.TrimSpace(d.Identity.Serial)
	if declared != "" {
		return strings.EqualFold(given, declared)
	}
	return given != "" && !strings.EqualFold(given, strings.TrimSpace(rec.Facts.System.Serial))
}
