// Package review is the plan of a pull request: what merging head on base means for every host, computed from the
// two fleets and the status documents alone. It executes nothing, decrypts nothing and opens no connection. Pure.
package review

import (
	"fmt"
	"maps"
	"slices"
	"sort"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/plan/change"
)

// Schema names the JSON form of a Review; it changes when a field changes its meaning.
const Schema = "ingot.dev/review/v1alpha1"

// Review says what a change of the fleet would do. Hosts are in the order of what needs the most care: what nothing can be said of,
// what erases, what is held, what else changes a machine, what only changes hands.
type Review struct {
	Schema    string `json:"schema"`
	Base      string `json:"base"`             // commit
	Head      string `json:"head"`             // commit, or "uncommitted"
	Status    string `json:"status,omitempty"` // commit of the status branch; "" when there is none
	Hosts     []Host `json:"hosts"`
	Unchanged int    `json:"unchanged"` // hosts for which this change does nothing
	// Unreadable says by host why its status page cannot be read, also of hosts that this change does nothing to.
	Unreadable map[inventory.MachineID]string `json:"unreadable,omitempty"`
	// Notes say what keeps this from happening that is of no host alone: tags that no ring would run; and which hosts are called otherwise.
	Notes []string `json:"notes,omitempty"`
}

// Host is one host that this change does something to.
type Host struct {
	Name     string              `json:"name"`
	ID       inventory.MachineID `json:"id,omitempty"` // where it is not the name
	File     string              `json:"file,omitempty"`
	Verdict  change.Verdict      `json:"verdict"`       // what this means for the machine
	Was      change.Verdict      `json:"was,omitempty"` // what the base already asks for, when that is not Nothing
	Why      []string            `json:"why,omitempty"`
	Workload string              `json:"workload,omitempty"`
	Disk     string              `json:"disk,omitempty"` // label of the disk that is written
	Content  string              `json:"content,omitempty"`
	Erases   bool                `json:"erases"`
	Reboots  bool                `json:"reboots"`
	Held     bool                `json:"held"`
	Hold     string              `json:"hold,omitempty"` // why nothing would happen yet
	Reason   change.Reason       `json:"reason,omitempty"`
	Consent  string              `json:"consent,omitempty"`  // spec.consent.erase that would allow it
	Given    string              `json:"given,omitempty"`    // spec.consent.erase in head
	Unsigned string              `json:"unsigned,omitempty"` // the tag that a second person must sign before the disk is erased
	Ring     string              `json:"ring,omitempty"`     // in which the change takes its turn
	Stopped  string              `json:"stopped,omitempty"`  // what lets nothing begin for now: a pause, a window
	Lifted   []string            `json:"lifted,omitempty"`   // of what was due before: what the change takes out of its way
	Unowned  bool                `json:"unowned,omitempty"`  // nobody knows of a start of ours: if the machine is found running it is held until spec.consent.takeover
	Pending  string              `json:"pending,omitempty"`  // what head's trunk asks for and its ring does not release
	Orphaned bool                `json:"orphaned"`           // head does not name it any more: hands off
	// OtherDisks are the disks besides the root disk that the installed system writes to at its first start, and what it does to them.
	OtherDisks []inventory.OtherDisk `json:"otherDisks,omitempty"`
	Unknown    string                `json:"unknown,omitempty"` // why nothing can be said of what this does to the machine: it may be erased
}

// Document is what `ingot plan -o json` prints: a Review, counted.
type Document struct {
	Review
	Counts     Counts     `json:"counts"`
	Signatures []Unsigned `json:"signatures,omitempty"` // tags that lack one
}

// Known is what the status branch says of hosts. One that is in neither was never seen.
type Known struct {
	Records    map[inventory.MachineID]inventory.Record
	Unreadable map[inventory.MachineID]string // why the page of a host cannot be read
}

// Compare reviews head against base, host by host as their ids say. Of a host whose page cannot be read it says just that, if the change asks anything of it.
func Compare(base, head inventory.Fleet, is Known) Review {
	r := Review{Schema: Schema, Base: base.Commit, Head: head.Commit, Hosts: []Host{}, Unreadable: is.Unreadable}
	c := comparison{base: sideOf(base, is.Records), head: sideOf(head, is.Records)}
	c.eased = compareSides(c.base, c.head)
	for _, id := range ids(base, head) {
		before, had := c.base.Hosts[id]
		after, has := c.head.Hosts[id]
		if had && has && before.Name != after.Name {
			r.Notes = append(r.Notes, fmt.Sprintf("%s is called %s now: nothing is done to its machine for that.", before.Label(), after.Label()))
		}
		switch {
		case !has:
			r.Hosts = append(r.Hosts, orphan(before))
		case had && len(c.eased[after.Ring]) == 0 && asksTheSame(before, after) &&
			c.base.standingOf(id) == c.head.standingOf(id):
			r.Unchanged++
		case is.Unreadable[id] != "":
			r.Hosts = append(r.Hosts, unknown(after, is.Unreadable[id]))
		default:
			r.compareHost(c, id)
		}
	}
	sort.SliceStable(r.Hosts, func(i, j int) bool { return r.Hosts[i].care() < r.Hosts[j].care() })
	return r
}

// comparison is what the review of one host is part of.
type comparison struct {
	base, head side
	eased      eased
}

// compareHost reviews one host that head has.
func (r *Review) compareHost(c comparison, id inventory.MachineID) {
	before, had := c.base.Hosts[id]
	after, record := c.head.Hosts[id], c.head.record(id)
	asked, was := c.head.decide(id), change.Change{}
	h := host(after, asked)
	begins := asked.Reboots && asked.Hold == nil
	if begins {
		h.Stopped, h.Unowned = c.head.stopped(after), unowned(after, record)
	}
	if had {
		h.Why = explain(h.Why, before, after, record)
		was = c.base.decide(id)
		h.power(before, after, was, record)
		if before.Pending == after.Pending {
			h.Pending = "" // no news
		}
		if begins {
			h.Lifted = c.eased.lifted(before, after)
		}
	}
	r.add(h, was, asked)
}

// Blocked reports whether something in this change waits for a consent that head does not give, or for leave to write to other disks. Signatures are not part of a change: what lacks one is
// held too, but blocks nothing.
func (r Review) Blocked() bool {
	return slices.ContainsFunc(r.Hosts, func(h Host) bool { return h.Held && (h.Erases && h.Consent != "" || h.Reason == change.OtherDisks) })
}

// Incomplete reports whether there is a host of which nothing can be said: no plan, then, that anybody should merge by.
func (r Review) Incomplete() bool {
	return slices.ContainsFunc(r.Hosts, func(h Host) bool { return h.Unknown != "" })
}

// Touches reports whether a machine is touched, or would be with a consent.
func (r Review) Touches() bool {
	return slices.ContainsFunc(r.Hosts, func(h Host) bool { return !h.idle() })
}

// idle reports whether a host is only told of what its ring has not released.
func (h Host) idle() bool {
	return h.Pending != "" && h.Verdict == change.Nothing && !h.Held && h.Was == ""
}

// add keeps a host, whose change after the merge is given too, unless the base already asked for exactly the same.
func (r *Review) add(h Host, before, after change.Change) {
	if before.Verdict != "" && before.Verdict != change.Nothing {
		h.Was = before.Verdict
	}
	was := host(inventory.Desired{}, before)
	same := before.Verdict != "" && len(h.Lifted) == 0 && before.Target == after.Target && was.Verdict == h.Verdict && was.Erases == h.Erases && was.Held == h.Held && was.Consent == h.Consent && was.Given == h.Given && was.Unsigned == h.Unsigned
	if same || (h.Verdict == change.Nothing && h.Was == "" && !h.Held) {
		if h.Pending == "" {
			r.Unchanged++
			return
		}
		h = Host{Name: h.Name, ID: h.ID, File: h.File, Verdict: change.Nothing, Ring: h.Ring, Pending: h.Pending} // that is all the news
	}
	r.Hosts = append(r.Hosts, h)
}

func host(d inventory.Desired, c change.Change) Host {
	h := named(d)
	h.Verdict, h.Why, h.Disk, h.Content, h.Erases, h.Reboots = c.Verdict, c.Why, c.Disk.Label(), c.Summary, c.Erases, c.Reboots
	h.Given, h.Ring, h.Pending, h.OtherDisks = c.Given, d.Ring, d.Pending, c.OtherDisks
	if d.Workload != nil {
		h.Workload = d.Workload.Name
	}
	if c.Hold != nil {
		h.Held, h.Hold, h.Reason, h.Consent, h.Unsigned = true, c.Hold.Message, c.Hold.Reason, c.Hold.Consent, c.Hold.Unsigned
	}
	return h
}

// named is a host of which nothing else is said.
func named(d inventory.Desired) Host {
	h := Host{Name: d.Name, File: d.File}
	if d.Name != string(d.ID) {
		h.ID = d.ID
	}
	return h
}

// label is the name, with the id where that is another one.
func (h Host) label() string { return inventory.Label(h.Name, h.ID) }

// unknown is a host of which nothing can be said.
func unknown(d inventory.Desired, why string) Host {
	h := named(d)
	h.Verdict, h.Ring, h.Unknown = change.Unknown, d.Ring, why
	if d.Workload != nil {
		h.Workload = d.Workload.Name
	}
	return h
}

func orphan(d inventory.Desired) Host {
	h := named(d)
	h.Verdict, h.Orphaned, h.Why = change.HandsOff, true, []string{"its file is gone: orphaned, the machine is left as it is, power included"}
	return h
}

// care ranks hosts: lower needs more care.
func (h Host) care() int {
	switch {
	case h.Unknown != "":
		return 0
	case h.Erases && !h.Held:
		return 1
	case h.Erases:
		return 2
	case h.Held:
		return 3
	case h.idle():
		return 6
	case h.Verdict != change.HandsOff:
		return 4
	default:
		return 5
	}
}

// ids are those of all hosts, sorted.
func ids(fleets ...inventory.Fleet) []inventory.MachineID {
	seen := map[inventory.MachineID]bool{}
	for _, fleet := range fleets {
		for id := range fleet.Hosts {
			seen[id] = true
		}
	}
	return slices.Sorted(maps.Keys(seen))
}
