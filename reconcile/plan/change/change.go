// Package change says what the fleet asks of one machine, from the desired state and the record alone: whether a disk would be
// erased, which consent and which signers that needs, and why it is held. Decide answers for the plan of a pull request and
// for the daemon alike; Refusal answers whether an operation under way is still wanted and allowed. The package looks at no
// other machine (package admit does) and knows no action (package plan does).
package change

import (
	"cmp"
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
	Install   Verdict = "Install"   // onto a blank disk, or one never looked at
	Reinstall Verdict = "Reinstall" // erases what is on the disk
	TurnOn    Verdict = "TurnOn"
	TurnOff   Verdict = "TurnOff"
	HandsOff  Verdict = "HandsOff" // protected, orphaned, unmanaged
	// what is known of the machine cannot be read: anything may happen to it. Of reviews only.
	Unknown Verdict = "Unknown"
)

// Change is what the fleet's desire means for a host, computed from desire and record alone: it is the plan of a pull request.
type Change struct {
	Verdict Verdict
	Why     []string // what differs: "image 3f2a… → 9bc1…", "kernelArguments"
	Disk    inventory.DiskID
	Content string // what is on the disk: blank, install:<id>, content:<signature>, unseen
	Summary string // the same in words
	Target  string // inputs digest that would be installed
	Erases  bool
	Reboots bool
	Needed  string // the consent that would allow it; "" when none is needed
	Given   string // the consent in the fleet
	Hold    *Hold  // why it would not happen
	// OtherDisks are the disks besides the root disk that the installed system writes to at its first start.
	OtherDisks []inventory.OtherDisk
}

// Decide says what the fleet's desire means for a host, from the desire, who its machine is known as, and the record. It is the
// plan of a pull request, and the first question of plan.Next.
//
//	asked for                         record                       verdict
//	anything                          not readable                 HandsOff, held until it is mended or forgotten
//	file gone                         any                          HandsOff (orphaned)
//	protect                           any                          HandsOff
//	lifecycle not Managed             any                          HandsOff
//	a machine known under another id  any                          HandsOff, held until the host has that id (package standing)
//	another serial, or other MACs     of the machine before it     HandsOff, held until consent.takeover names the new machine
//	no workload                       any                          Nothing
//	workload                          installed with its inputs    Nothing
//	workload                          its operation is under way   as the operation was allowed
//	workload                          root disk blank              Install
//	workload                          root disk never seen         Install; erases only with a consent over "unseen"
//	workload                          root disk holds something    Reinstall; held without the consent that names it, and without two signers (signers.go)
//	workload                          not exactly one disk         Install or Reinstall, held
//	workload that writes other disks  any, not under way           Install or Reinstall; held without spec.install.otherDisks: Allowed (otherdisks.go)
func Decide(d inventory.Desired, who inventory.Standing, rec inventory.Record) Change {
	excluded, another := Excluded(d), rec.DescribesOtherMachine(d.Identity)
	switch {
	case rec.Unreadable != "":
		hold := Hold{Reason: NotBelieved, Message: rec.Unreadable + ", or run " + ForgetCommand(d)}
		return Change{Verdict: HandsOff, Why: []string{"what is known of it cannot be read"}, Hold: &hold}
	case excluded != "":
		return Change{Verdict: HandsOff, Why: []string{excluded}}
	case who.KnownAs != "":
		return Change{Verdict: HandsOff, Why: []string{who.By + " is known as " + string(who.KnownAs)},
			Hold: &Hold{Reason: KnownAs, Message: knownAsMessage(who)}}
	case another != "" && !takesOver(d, rec):
		return Change{Verdict: HandsOff, Why: []string{another},
			Hold: &Hold{Reason: IdentityMismatch, Message: fmt.Sprintf(
				"%s: if that machine was repaired, write spec.consent.takeover: %s; another machine needs an id of "+
					"its own in metadata.id", another, cmp.Or(d.Identity.Serial, "the serial that its BMC shows"))}}
	case d.Workload == nil:
		return Change{Verdict: Nothing}
	case rec.Operation == nil && rec.Has(d.Workload):
		return Change{Verdict: Nothing, Disk: rec.Installed.Disk}
	default:
		return decideInstall(d, rec)
	}
}

// Excluded says why the fleet has nothing done to a machine, whatever is known of it, or "".
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

// decideInstall decides about writing the workload's system.
func decideInstall(d inventory.Desired, rec inventory.Record) Change {
	c := Change{Verdict: Install, Target: d.Workload.Inputs, Given: d.Consent.Erase, Why: listDifferences(d, rec),
		Reboots: true, OtherDisks: d.Workload.OtherDisks}
	if op := rec.Operation; op != nil && op.Inputs == c.Target && op.Stage != inventory.Intended {
		return repeatAllowed(c, *op)
	}
	c = decideOnRootDisk(c, d, rec)
	c.Hold = holdForOtherDisks(d, c.Hold)
	return c
}

// decideOnRootDisk decides about what is on the root disk.
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
		if disk.Label() != "" && !rec.HistoryUnknown() {
			c.Needed = inventory.EraseConsent(d.ID, disk, inventory.ContentUnseen, c.Target)
			c.Erases = c.Given == c.Needed && countsUnseen(rec, c.Given) // whatever will be found there
			if why := WhyUnsigned(d); c.Erases && why != "" {
				c.Erases, c.Summary = false, c.Summary+"; what is found there is not erased: "+why
			}
		}
		return c
	case "":
		c.Hold = &Hold{Reason: DiskUnreadable,
			Message: fmt.Sprintf("disk %s cannot be read: %s; unreadable is not blank", disk.Label(),
				content.Unreadable)}
		return c
	}
	c.Verdict, c.Erases = Reinstall, true
	c.Needed = inventory.EraseConsent(d.ID, disk, c.Content, c.Target)
	c.Hold = holdForSigners(d, c, checkConsent(d, rec, c))
	if d.Reinstallable && keepsReinstalling(d, rec) && c.Given != c.Needed {
		c.Given = "" // it is for something else: update: Reinstall stands for it
	}
	return c
}

// repeatAllowed repeats what an operation that is under way was allowed: its consent covers it until it ends.
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

// pickRootDisk finds the disk: among those an agent reported, or by the name the fleet gives it.
func pickRootDisk(d inventory.Desired, rec inventory.Record) (inventory.DiskID, *inventory.Content, *Hold) {
	if rec.Facts == nil {
		if rec.Installed != nil && rec.Installed.Disk.IsSameDisk(inventory.NamedDisk(d.RootDisk)) {
			return rec.Installed.Disk, nil, nil
		}
		return inventory.NamedDisk(d.RootDisk), nil, nil
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
	if rec.Installed != nil && !rec.Installed.Disk.IsSameDisk(disk.ID()) && keepsHints(d, rec) {
		return disk.ID(), &disk.Content, &Hold{Reason: DiskChanged,
			Message: fmt.Sprintf("spec.rootDisk found %s, the system was installed on %s: change spec.rootDisk if "+
				"the disk was replaced", disk.ID().Label(), rec.Installed.Disk.Label())}
	}
	return disk.ID(), &disk.Content, nil
}

func keepsHints(d inventory.Desired, rec inventory.Record) bool {
	return rec.Installed.Parts["rootDisk"] == d.Workload.Parts["rootDisk"]
}

// listDifferences says why the host is not what the fleet asks for.
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

// describeContent is what is on a disk, for people.
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

// knownAsMessage says what a host whose machine is known under another id needs.
func knownAsMessage(who inventory.Standing) string {
	return fmt.Sprintf("%s is known as %s: write id: %[2]s into metadata; another machine needs a spec.bmc.address, "+
		"and a serial or macs in spec.identity, of its own", who.By, who.KnownAs)
}

// ForgetCommand is the command that has what is known of a host dropped.
func ForgetCommand(d inventory.Desired) string { return "`ingot forget " + hostArgument(d) + "`" }

// hostArgument is what a verb takes for a host: the name, or the id of a host that no file names.
func hostArgument(d inventory.Desired) string {
	if d.Name == "" || d.Lifecycle == "" {
		return "id:" + string(d.ID)
	}
	return d.Name
}

// takesOver reports whether the fleet takes another machine than the known one over: its declared serial, or, where it declares none, any but the known one.
func takesOver(d inventory.Desired, rec inventory.Record) bool {
	given, declared := strings.TrimSpace(d.Consent.Takeover), strings.TrimSpace(d.Identity.Serial)
	if declared != "" {
		return strings.EqualFold(given, declared)
	}
	return given != "" && !strings.EqualFold(given, strings.TrimSpace(rec.Facts.System.Serial))
}
