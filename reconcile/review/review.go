// Package review is the plan of a pull request: what merging head on base means for every host, computed from the
// two fleets and the status documents alone. It executes nothing, decrypts nothing and opens no connection. Pure.
package review

import (
	"fmt"
	"maps"
	"slices"
	"sort"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/plan"
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
	Unreadable map[string]string `json:"unreadable,omitempty"`
	// Notes say what keeps this from happening that is of no host alone: tags that no ring would run; and which hosts get another name when their install has ended.
	Notes []string `json:"notes,omitempty"`
}

// Host is one host that this change does something to.
type Host struct {
	Name     string       `json:"name"`
	File     string       `json:"file,omitempty"`
	Verdict  plan.Verdict `json:"verdict"`       // what this means for the machine
	Was      plan.Verdict `json:"was,omitempty"` // what the base already asks for, when that is not Nothing
	Why      []string     `json:"why,omitempty"`
	Workload string       `json:"workload,omitempty"`
	Disk     string       `json:"disk,omitempty"` // label of the disk that is written
	Content  string       `json:"content,omitempty"`
	Erases   bool         `json:"erases"`
	Reboots  bool         `json:"reboots"`
	Held     bool         `json:"held"`
	Hold     string       `json:"hold,omitempty"` // why nothing would happen yet
	Reason   plan.Reason  `json:"reason,omitempty"`
	Consent  string       `json:"consent,omitempty"`  // spec.consent.erase that would allow it
	Given    string       `json:"given,omitempty"`    // spec.consent.erase in head
	Unsigned string       `json:"unsigned,omitempty"` // the tag that a second person must sign before the disk is erased
	Ring     string       `json:"ring,omitempty"`     // in which the change takes its turn
	Stopped  string       `json:"stopped,omitempty"`  // what lets nothing begin for now: a pause, a window
	Lifted   []string     `json:"lifted,omitempty"`   // of what was due before: what the change takes out of its way
	Unowned  bool         `json:"unowned,omitempty"`  // nobody knows of a start of ours: if the machine is found running it is held until spec.consent.takeover
	Pending  string       `json:"pending,omitempty"`  // what head's trunk asks for and its ring does not release
	Orphaned bool         `json:"orphaned"`           // head does not name it any more: hands off
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
	Records    map[string]inventory.Record
	Unreadable map[string]string // why the page of a host cannot be read
}

// Compare reviews head against base. Of a host whose page cannot be read it says just that, if the change asks anything of it.
func Compare(base, head inventory.Fleet, is Known) Review {
	r := Review{Schema: Schema, Base: base.Commit, Head: head.Commit, Hosts: []Host{}, Unreadable: is.Unreadable}
	wanted := head.Hosts
	base, _, merged := is.Settle(base)
	head, records, renamed := is.Settle(head)
	ways, heirs := around(base, head), map[string]string{} // former names
	for former, name := range renamed {
		if merged[former] == name { // the base renames it too: it only was not done yet
			delete(renamed, former)
			continue
		}
		heirs[name] = former
	}
	for _, name := range names(base, head) {
		before, had := base.Hosts[name]
		after, has := head.Hosts[name]
		record := records[name]
		record.Host = name
		switch {
		case !has && renamed[name] != "":
			// it lives on under its new name
		case !has:
			r.Hosts = append(r.Hosts, orphan(before))
		case is.Doubt(wanted[name]) != "" && (!had || !asksTheSame(before, after)):
			r.Hosts = append(r.Hosts, unknown(after, is.Doubt(wanted[name])))
		case had && heirs[name] == "" && len(ways[after.Ring]) == 0 && asksTheSame(before, after):
			r.Unchanged++
		default:
			change, was := plan.Decide(after, record), plan.Change{}
			h := host(after, change)
			if change.Reboots && change.Hold == nil {
				h.Stopped, h.Unowned = stopped(head, after), unowned(after, record)
			}
			if former := heirs[name]; former != "" {
				before, had = base.Hosts[former]
			}
			if had && (renamed[name] == "" || heirs[name] != "") { // else it is new, or another machine
				h.Why = explain(h.Why, before, after, record)
				h.power(before, after, record)
				if before.Pending == after.Pending {
					h.Pending = "" // no news
				}
				if change.Reboots && change.Hold == nil {
					h.Lifted = ways.lifted(before, after)
				}
				if heirs[name] == "" { // what is known of it was another host's
					was = plan.Decide(before, record)
				}
			}
			if heirs[name] != "" && goesOn(record, change) {
				r.moves(h, base.Hosts[heirs[name]], change)
				continue
			}
			r.add(h, was, change)
		}
	}
	sort.SliceStable(r.Hosts, func(i, j int) bool { return r.Hosts[i].care() < r.Hosts[j].care() })
	return r
}

// goesOn reports whether a change is an operation that is under way, and nothing else.
func goesOn(record inventory.Record, change plan.Change) bool {
	op := record.Operation
	return op != nil && op.Stage != inventory.Intended && op.Inputs == change.Target && change.Hold == nil
}

// moves tells of a host that gets another name while its machine is being installed: what was asked of it before goes on, and nothing more is erased.
func (r *Review) moves(h Host, before inventory.Desired, change plan.Change) {
	if before.Workload == nil || before.Workload.Inputs != change.Target {
		r.add(h, plan.Change{}, change)
		return
	}
	r.Unchanged++
	r.Notes = append(r.Notes, fmt.Sprintf("%s becomes %s when its install of %s, which is under way, has ended; it goes on, and erases nothing more.", before.Name, h.Name, h.Workload))
}

// Settle gives a fleet, and what is known of its hosts, as if each machine had the name already that the fleet gives it; and the new names by the former ones.
func (k Known) Settle(head inventory.Fleet) (fleet inventory.Fleet, records map[string]inventory.Record, renamed map[string]string) {
	renamed = inventory.Successions(head.Hosts, k.Records)
	fleet, records = rename(k.waiting(head), k.Records, renamed)
	return fleet, records, renamed
}

// waiting takes metadata.formerly from the hosts that wait for nothing any more: what was known under their former name is theirs, or another host's. Where
// nobody can tell, both are told so.
func (k Known) waiting(fleet inventory.Fleet) inventory.Fleet {
	lost := map[string]bool{}
	for name := range k.Unreadable {
		lost[name] = true
	}
	contests, settled := inventory.Contests(fleet.Hosts, k.Records, lost), map[string]inventory.Desired{}
	for name, d := range fleet.Hosts {
		if d.Former == "" && d.Contest == contests[name] {
			continue // nearly all
		}
		d.Contest = contests[name]
		if (d.Contest == "" || d.Contest != d.Former) && !d.Waits(fleet.Hosts, func(former string) bool { _, known := k.Records[former]; return known }) {
			d.Former = ""
		}
		settled[name] = d
	}
	if len(settled) > 0 {
		fleet.Hosts = maps.Clone(fleet.Hosts)
		maps.Copy(fleet.Hosts, settled)
	}
	return fleet
}

// rename gives hosts under new names, which moves has by the former ones, the records of their machines, as the daemon will.
func rename(head inventory.Fleet, records map[string]inventory.Record, moves map[string]string) (inventory.Fleet, map[string]inventory.Record) {
	known := records
	if len(moves) > 0 {
		known = maps.Clone(records)
	}
	for former := range moves {
		delete(known, former)
	}
	for former, name := range moves {
		known[name] = records[former].Renamed(name)
	}
	strays := inventory.Strays(head.Hosts, records, moves)
	if len(strays) == 0 {
		return head, known
	}
	hosts, serials := maps.Clone(head.Hosts), inventory.Serials(strays)
	for name, d := range hosts {
		if known[name].Fresh() || known[name].OfAnother(d.Identity) {
			d.KnownAs = serials.Of(d)
			hosts[name] = d
		}
	}
	head.Hosts = hosts
	return head, known
}

// Blocked reports whether something in this change waits for a consent that head does not give, or for leave to write to other disks. Signatures are not part of a change: what lacks one is
// held too, but blocks nothing.
func (r Review) Blocked() bool {
	return slices.ContainsFunc(r.Hosts, func(h Host) bool { return h.Held && (h.Erases && h.Consent != "" || h.Reason == plan.OtherDisks) })
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
	return h.Pending != "" && h.Verdict == plan.Nothing && !h.Held && h.Was == ""
}

// add keeps a host, whose change after the merge is given too, unless the base already asked for exactly the same.
func (r *Review) add(h Host, before, after plan.Change) {
	if before.Verdict != "" && before.Verdict != plan.Nothing {
		h.Was = before.Verdict
	}
	was := host(inventory.Desired{}, before)
	same := before.Verdict != "" && len(h.Lifted) == 0 && before.Target == after.Target && was.Verdict == h.Verdict && was.Erases == h.Erases && was.Held == h.Held && was.Consent == h.Consent && was.Given == h.Given && was.Unsigned == h.Unsigned
	if same || (h.Verdict == plan.Nothing && h.Was == "" && !h.Held) {
		if h.Pending == "" {
			r.Unchanged++
			return
		}
		h = Host{Name: h.Name, File: h.File, Verdict: plan.Nothing, Ring: h.Ring, Pending: h.Pending} // that is all the news
	}
	r.Hosts = append(r.Hosts, h)
}

func host(d inventory.Desired, c plan.Change) Host {
	h := Host{Name: d.Name, File: d.File, Verdict: c.Verdict, Why: c.Why, Disk: c.Disk.Label(), Content: c.Summary, Erases: c.Erases, Reboots: c.Reboots, Given: c.Given, Ring: d.Ring, Pending: d.Pending, OtherDisks: c.OtherDisks}
	if d.Workload != nil {
		h.Workload = d.Workload.Name
	}
	if c.Hold != nil {
		h.Held, h.Hold, h.Reason, h.Consent, h.Unsigned = true, c.Hold.Message, c.Hold.Reason, c.Hold.Consent, c.Hold.Unsigned
	}
	return h
}

// Doubt says why nothing can be told of a host that may be known, under its own name or its former one; "" when that is not so.
func (k Known) Doubt(d inventory.Desired) string {
	if why := k.Unreadable[d.Name]; why != "" || d.Former == "" {
		return why
	}
	if !k.Records[d.Name].Fresh() {
		return "" // it is known under its own name
	}
	return k.Unreadable[d.Former]
}

// unknown is a host of which nothing can be said.
func unknown(d inventory.Desired, why string) Host {
	h := Host{Name: d.Name, File: d.File, Verdict: plan.Unknown, Ring: d.Ring, Unknown: why}
	if d.Workload != nil {
		h.Workload = d.Workload.Name
	}
	return h
}

func orphan(d inventory.Desired) Host {
	return Host{Name: d.Name, File: d.File, Verdict: plan.HandsOff, Orphaned: true, Why: []string{"its file is gone: orphaned, the machine is left as it is, power included"}}
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
	case h.Verdict != plan.HandsOff:
		return 4
	default:
		return 5
	}
}

func names(fleets ...inventory.Fleet) []string {
	seen := map[string]bool{}
	var all []string
	for _, fleet := range fleets {
		for name := range fleet.Hosts {
			if !seen[name] {
				seen[name] = true
				all = append(all, name)
			}
		}
	}
	sort.Strings(all)
	return all
}
