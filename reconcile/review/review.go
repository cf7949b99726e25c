// Package review is the plan of a pull request: the meaning of a merge of head into base for every host, computed from
// the two fleets and the status documents alone. Call Compare, then Review.RenderText, RenderMarkdown or EncodeJSON.
// The package executes nothing, decrypts nothing and opens no connection. Do not decide here: packages standing,
// change and admit decide for the daemon and for the review. Pure.
package review

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/fleetdiff"
	"github.com/gitmetal/ingot/inventory/retirement"
	"github.com/gitmetal/ingot/inventory/rules"
	"github.com/gitmetal/ingot/inventory/runs"
	"github.com/gitmetal/ingot/reconcile/plan/change"
	"github.com/gitmetal/ingot/reconcile/plan/requested"
	"github.com/gitmetal/ingot/reconcile/review/claimed"
	"github.com/gitmetal/ingot/schemas"
)

// Schema names the JSON form of a Review; it changes when a field changes its meaning.
const Schema = "ingot.dev/review/v1alpha1"

// Review says what a change of the fleet would do. Hosts that need the most care come first: unknown hosts, erased
// hosts, held hosts, other changes of a machine, hosts that leave the fleet.
type Review struct {
	Schema    string `json:"schema"`
	Base      string `json:"base"`             // commit
	Head      string `json:"head"`             // commit, or "uncommitted"
	Status    string `json:"status,omitempty"` // commit of the status branch; "" without a status branch
	Hosts     []Host `json:"hosts"`
	Unchanged int    `json:"unchanged"` // hosts for which this change does nothing
	// Rules are changes of rings, limits and addresses.
	Rules []Rule `json:"rules,omitempty"`
	// Runs are changes of Workloads with spec.run.
	Runs []claimed.Change `json:"runs,omitempty"`
	// Unreadable says by host why the status page cannot be read, also for hosts outside this change.
	Unreadable map[inventory.MachineID]string `json:"unreadable,omitempty"`
	// Configs are changes of rendered Ignition configs, of hosts that have one in base and in head.
	Configs []ConfigChange `json:"configs,omitempty"`
	// Notes say what concerns no single host, like tags that no ring would run, and which hosts got a new name.
	Notes []string `json:"notes,omitempty"`
}

// Host is one host that this change affects.
type Host struct {
	Name     string              `json:"name"`
	ID       inventory.MachineID `json:"id,omitempty"` // machine id; "" when the name is the id
	File     string              `json:"file,omitempty"`
	Verdict  change.Verdict      `json:"verdict"`       // what the change means for the machine
	Was      change.Verdict      `json:"was,omitempty"` // what the base already asks for; "" for Nothing
	Why      []string            `json:"why,omitempty"`
	Workload string              `json:"workload,omitempty"`
	Disk     string              `json:"disk,omitempty"` // label of the disk to be written
	Content  string              `json:"content,omitempty"`
	Erases   bool                `json:"erases"`
	Reboots  bool                `json:"reboots"`
	Held     bool                `json:"held"`
	Hold     string              `json:"hold,omitempty"` // why the change must wait for a person
	Reason   change.Reason       `json:"reason,omitempty"`
	// spec.consent.erase that allows the erase: a text, or a list for several disks
	Consent schemas.EraseConsents `json:"consent,omitempty"`
	// what spec.consent.erase in head says of the disks: a text, or a list
	Given schemas.EraseConsents `json:"given,omitempty"`
	// flags of `ingot consent` for tags that are still to be made, with a space in front
	Tags string `json:"-"`
	// the tag that a second person must sign before the disk is erased
	Unsigned string   `json:"unsigned,omitempty"`
	Ring     string   `json:"ring,omitempty"`    // ring in which the change takes its turn
	Stopped  string   `json:"stopped,omitempty"` // what stops the begin for now: a pause, a window
	Lifted   []string `json:"lifted,omitempty"`  // obstacles of a due installation that the change removes
	// no record of a start by ingot: a running machine is held until spec.consent.takeover
	Unowned  bool   `json:"unowned,omitempty"`
	Pending  string `json:"pending,omitempty"` // what head's trunk asks for and the ring has not released
	Orphaned bool   `json:"orphaned"`          // head does not name the host: hands off
	Retires  bool   `json:"retires,omitempty"` // the machine is erased, powered off, and leaves the fleet
	// OtherDisks are further disks that the installed system writes to at its first start, and how.
	OtherDisks []inventory.OtherDisk `json:"otherDisks,omitempty"`
	// Others are the disks behind OtherDisks, as far as a look found them.
	Others []Disk `json:"others,omitempty"`
	// Steps are the steps of the installation in their order, where there are more than the install.
	Steps []Step `json:"steps,omitempty"`
	// Settings are the settings of the BMC that an installation sets, in their order.
	Settings []Setting `json:"settings,omitempty"`
	// Later are changes of steps that are no part of the inputs: they count from the next operation on.
	Later []string `json:"later,omitempty"`
	// Requests are what the change does to the machine beside the verdict: who keeps it off, and what is done once.
	Requests []string `json:"requests,omitempty"`
	// why the effect on the machine is unknown: the machine may be erased
	Unknown string `json:"unknown,omitempty"`
}

// Disk is a disk besides the root disk that the change writes to.
type Disk struct {
	Disk    string   `json:"disk"`    // label
	Devices []string `json:"devices"` // the names by which the config writes to the disk
	Content string   `json:"content"` // on the disk now
	Erases  bool     `json:"erases"`
	Consent string   `json:"consent,omitempty"` // the consent that allows the erase, where it is missing
	Given   string   `json:"given,omitempty"`   // the consent for the disk in head
}

// Document is the output of `ingot plan -o json`: a Review with counts.
type Document struct {
	Review
	Counts     Counts     `json:"counts"`
	Signatures []Unsigned `json:"signatures,omitempty"` // tags without a second signature
}

// Known is the status branch's knowledge of hosts. A host in neither map was never seen.
type Known struct {
	Records    map[inventory.MachineID]inventory.Record
	Unreadable map[inventory.MachineID]string // why the page of a host cannot be read
	Runs       []runs.State                   // of Workloads with spec.run
	// Now is when the plan is made: it decides which windows are open.
	Now time.Time
	// PutBack are the Secrets of head, by name, that are as they were sealed, and that base has changed by hand.
	PutBack map[string]bool
}

// Compare reviews head against base, host by host by id. Of a host with an unreadable page the review says only so, if
// the change asks something of the host.
func Compare(base, head inventory.Fleet, is Known) Review {
	r := Review{Schema: Schema, Base: base.Commit, Head: head.Commit, Hosts: []Host{}, Unreadable: is.Unreadable}
	c := comparison{base: newSide(base, is), head: newSide(head, is), conditions: rules.NewCompiler(), putBack: is.PutBack}
	c.eased = compareSides(c.base, c.head)
	r.Rules, r.Runs = compareRules(c), claimed.Compare(base, head, claimed.Known{Records: is.Records, Unreadable: is.Unreadable, Runs: is.Runs})
	for _, id := range sortIDs(base, head) {
		before, had := c.base.Hosts[id]
		after, has := c.head.Hosts[id]
		if had && has && before.Name != after.Name {
			r.Notes = append(r.Notes, fmt.Sprintf("%s is called %s now: nothing is done to its machine for that.",
				before.Label(), after.Label()))
		}
		switch {
		case !has:
			r.Hosts = append(r.Hosts, orphanedHost(before, c.base.hostRecord(id), head.Unread[before.Name]))
		case had && len(c.eased[after.Ring]) == 0 && fleetdiff.AsksTheSame(before, after) &&
			c.base.hostStanding(id) == c.head.hostStanding(id):
			r.Unchanged++
		case is.Unreadable[id] != "":
			r.Hosts = append(r.Hosts, unknownHost(after, is.Unreadable[id]))
		default:
			r.compareHost(c, id)
		}
	}
	sort.SliceStable(r.Hosts, func(i, j int) bool { return r.Hosts[i].careRank() < r.Hosts[j].careRank() })
	return r
}

// comparison holds what the review of one host needs.
type comparison struct {
	base, head side
	eased      easedReasons
	conditions *rules.Compiler
	putBack    map[string]bool // Secrets, see Known
}

// compareHost reviews one host of head.
func (r *Review) compareHost(c comparison, id inventory.MachineID) {
	before, had := c.base.Hosts[id]
	after, record := c.head.Hosts[id], c.head.hostRecord(id)
	asked, was := c.head.decideHost(id), change.Change{}
	h := newHost(after, asked)
	if len(h.Steps) > 0 {
		ForecastSteps(h.Steps, after, record.Facts, c.conditions)
	}
	begins := asked.Reboots && asked.Hold == nil
	if begins {
		h.Stopped, h.Unowned = cmp.Or(whyKeptOff(after), c.head.whyStopped(after)), isUnowned(after, record)
	}
	if had {
		if !after.Retires {
			h.Why = explainParts(h.Why, before, after, record)
		}
		was = c.base.decideHost(id)
		h.judgePower(before, after, was, record)
		if before.Pending == after.Pending {
			h.Pending = "" // the base has the same pending release
		}
		if begins {
			h.Lifted = c.eased.listLifted(before, after)
		}
		h.Later = listLater(before.Workload, after.Workload)
		h.noteKeptOff(before, after)
		h.Requests = append(h.Requests, requested.Foresee(c.base.foresee(id), c.head.foresee(id), record)...)
	}
	h.noteSettings(before, after, record)
	r.addHost(h, was, asked)
}

// PlanTags says that the review is of tags that are still to be made, given as revisions by name: the commands that the
// review names have to name the tags too.
func (r Review) PlanTags(made map[string]string) {
	flags := ""
	for _, name := range slices.Sorted(maps.Keys(made)) {
		flags += " --tag " + name + "=" + made[name]
	}
	for i := range r.Hosts {
		r.Hosts[i].Tags = flags
	}
}

// IsBlocked reports whether the change waits for a consent that head does not give, or for permission to write to
// further disks. Signatures are not part of a change: a host without a second signature is held, and blocks nothing.
func (r Review) IsBlocked() bool {
	return slices.ContainsFunc(r.Hosts,
		func(h Host) bool { return h.Held && (h.Erases && len(h.Consent) > 0 || h.Reason == change.OtherDisks) })
}

// IsIncomplete reports whether the review is unknown for a host: then do not merge by this plan.
func (r Review) IsIncomplete() bool {
	return slices.ContainsFunc(r.Hosts, func(h Host) bool { return h.Unknown != "" })
}

// TouchesMachine reports whether a machine is touched, now or after a consent.
func (r Review) TouchesMachine() bool {
	return len(r.Runs) > 0 || slices.ContainsFunc(r.Hosts, func(h Host) bool { return !h.isPending() && !h.isLater() })
}

// isPending reports whether the only news of a host is that its ring has not released the trunk's change.
func (h Host) isPending() bool {
	return h.Pending != "" && h.Verdict == change.Nothing && !h.Held && h.Was == "" && len(h.Requests) == 0
}

// addHost adds a host's review, unless the base already asks for exactly the same. after is the change that head asks
// for.
func (r *Review) addHost(h Host, before, after change.Change) {
	if before.Verdict != "" && before.Verdict != change.Nothing {
		h.Was = before.Verdict
	}
	was := newHost(inventory.Desired{}, before)
	same := before.Verdict != "" && len(h.Lifted) == 0 && len(h.Requests) == 0 && before.Target == after.Target && was.Verdict == h.Verdict &&
		was.Erases == h.Erases && was.Held == h.Held && slices.Equal(was.Consent, h.Consent) &&
		slices.Equal(was.Given, h.Given) && slices.EqualFunc(was.Others, h.Others, Disk.isSame) && was.Unsigned == h.Unsigned
	if same || (h.Verdict == change.Nothing && h.Was == "" && !h.Held && len(h.Requests) == 0) {
		if h.Pending == "" && len(h.Later) == 0 {
			r.Unchanged++
			return
		}
		// the pending release, or steps for later, are the only news
		h = Host{Name: h.Name, ID: h.ID, File: h.File, Verdict: change.Nothing, Ring: h.Ring, Pending: h.Pending,
			Later: h.Later}
	}
	r.Hosts = append(r.Hosts, h)
}

func newHost(d inventory.Desired, c change.Change) Host {
	h := nameHost(d)
	h.Verdict, h.Why, h.Disk, h.Content, h.Erases, h.Reboots = c.Verdict, c.Why, c.Root.ID.Label(), c.Root.Summary,
		c.Erases, c.Reboots
	h.Ring, h.Pending, h.OtherDisks, h.Retires = d.Ring, d.Pending, c.OtherDisks, d.Retires && c.Verdict != change.HandsOff
	h.addDisks(c)
	if d.Workload != nil {
		h.Workload = d.Workload.Name
	}
	if c.Verdict == change.Install || c.Verdict == change.Reinstall {
		h.Steps = listScripts(d.Workload)
	}
	if c.Hold != nil {
		h.Held, h.Hold, h.Reason, h.Consent, h.Unsigned = true, c.Hold.Message, c.Hold.Reason, c.Hold.Consents,
			c.Hold.Unsigned
	}
	return h
}

// addDisks adds what a change says of the disks and their consents.
func (h *Host) addDisks(c change.Change) {
	for i, disk := range c.Disks() {
		if disk.Given != "" {
			h.Given = append(h.Given, disk.Given)
		}
		if i == 0 {
			continue
		}
		other := Disk{Disk: disk.ID.Label(), Devices: disk.Devices, Content: disk.Summary, Erases: disk.Erases,
			Given: disk.Given}
		if disk.Missing {
			other.Consent = disk.Needed
		}
		h.Others = append(h.Others, other)
	}
}

// isSame reports whether a change says the same of two disks.
func (d Disk) isSame(o Disk) bool {
	return d.Disk == o.Disk && d.Content == o.Content && d.Erases == o.Erases && d.Consent == o.Consent &&
		d.Given == o.Given && slices.Equal(d.Devices, o.Devices)
}

// nameHost makes a host without a verdict.
func nameHost(d inventory.Desired) Host {
	h := Host{Name: d.Name, File: d.File}
	if d.Name != string(d.ID) {
		h.ID = d.ID
	}
	return h
}

// displayName gives the name, with the id where the id differs.
func (h Host) displayName() string { return inventory.Label(h.Name, h.ID) }

// unknownHost makes a host with an unreadable page.
func unknownHost(d inventory.Desired, why string) Host {
	h := nameHost(d)
	h.Verdict, h.Ring, h.Unknown = change.Unknown, d.Ring, why
	if d.Workload != nil {
		h.Workload = d.Workload.Name
	}
	return h
}

// orphanedHost makes a host without a file; unread says where the host stands all the same and is not read, or "".
func orphanedHost(d inventory.Desired, rec inventory.Record, unread string) Host {
	h := nameHost(d)
	h.Verdict, h.Orphaned, h.Why = change.HandsOff, true,
		[]string{"its file is gone: orphaned, the machine is left as it is, power included"}
	if unread != "" {
		h.Why = []string{unread, "it is orphaned: the machine is left as it is, power included"}
	}
	if d.Retires && !retirement.Done(d, rec) {
		h.Why = append(h.Why, "its retirement has not ended: NOT ERASED "+strings.Join(retirement.ListDisks(rec), ", "))
	}
	return h
}

// careRank ranks hosts: a lower rank needs more care.
func (h Host) careRank() int {
	switch {
	case h.Unknown != "":
		return 0
	case h.Erases && !h.Held:
		return 1
	case h.Erases:
		return 2
	case h.Held:
		return 3
	case h.isPending(), h.isLater():
		return 6
	case h.Verdict != change.HandsOff:
		return 4
	default:
		return 5
	}
}

// sortIDs gives the ids of all hosts, sorted.
func sortIDs(fleets ...inventory.Fleet) []inventory.MachineID {
	seen := map[inventory.MachineID]bool{}
	for _, fleet := range fleets {
		for id := range fleet.Hosts {
			seen[id] = true
		}
	}
	return slices.Sorted(maps.Keys(seen))
}
