package reconcile_test

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile"
	"github.com/gitmetal/ingot/reconcile/plan"
	"github.com/gitmetal/ingot/reconcile/plan/change"
	"github.com/gitmetal/ingot/reconcile/review"
	"github.com/gitmetal/ingot/schemas"
)

// edit is what a commit does to one host.
type edit string

const (
	leave     edit = "nothing"
	newer     edit = "newer inputs"
	consented edit = "newer inputs with their consent"
	foreign   edit = "newer inputs with a consent for another host"
	flip      edit = "newer inputs and update: Reinstall at once"
	label     edit = "labels only"
	none      edit = "no workload any more"
	protect   edit = "protect"
	unmanage  edit = "lifecycle: Unmanaged"
	remove    edit = "its file is deleted"
	rename    edit = "called otherwise, with the old name as its id"
	anew      edit = "called otherwise, without an id"
	given     edit = "its name and id are given to another machine"
	fresh     edit = "its name is given to another machine, with an id of its own"
)

var changes = []edit{leave, newer, consented, foreign, flip, label, none, protect, unmanage, remove, rename, anew, given, fresh}

// beginning is what a host is before the commit.
type beginning struct {
	idle, protected, reinstalls, allowed bool
	signatures                           *inventory.Signatures
}

func (b beginning) apply(d inventory.Desired) inventory.Desired {
	w := *d.Workload
	if b.reinstalls {
		w.Update = schemas.Reinstall
	}
	d.Workload, d.Protect, d.Reinstallable, d.Signatures = &w, b.protected, b.allowed, b.signatures
	if b.idle {
		d.Workload = nil
	}
	return d
}

// course is how a change comes about.
type course string

const (
	atOnce      course = "at once"
	whilePaused course = "while the fleet is paused, then that is taken back"
)

// TestThePlanOfAPullRequestAgreesWithTheDaemon has random fleets converge, plans a random commit from the records alone, has the daemon do it, and
// compares with what was done to the machines. Where the fleet is paused meanwhile nothing is done, and the commit that lifts the pause is what is planned.
func TestThePlanOfAPullRequestAgreesWithTheDaemon(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		hosts := rapid.IntRange(1, 5).Draw(rt, "hosts")
		var begins []beginning
		var does []edit
		for range hosts {
			signatures := rapid.SampledFrom([]*inventory.Signatures{nil, {Tag: "v1", Signer: "jo"}, {Tag: "v1", Signer: "jo", Second: "ann"}}).Draw(rt, "signatures")
			begins = append(begins, beginning{rapid.Bool().Draw(rt, "idle") && rapid.Bool().Draw(rt, "really"), rapid.Bool().Draw(rt, "protected") && rapid.Bool().Draw(rt, "so"), rapid.Bool().Draw(rt, "reinstalls"), rapid.Bool().Draw(rt, "allowed"), signatures})
			does = append(does, rapid.SampledFrom(changes).Draw(rt, "change"))
		}
		how := rapid.SampledFrom([]course{atOnce, whilePaused}).Draw(rt, "course")
		var wrong []string
		synctest.Test(t, func(t *testing.T) { wrong = planAndDo(t, begins, does, how) })
		if len(wrong) > 0 {
			rt.Fatalf("%v then %v %s:\n%s", begins, does, how, strings.Join(wrong, "\n"))
		}
	})
}

// planAndDo gives what the daemon did otherwise than it was planned.
func planAndDo(t *testing.T, begins []beginning, does []edit, how course) (wrong []string) {
	w := newWorld(len(begins))
	names := slices.Sorted(maps.Keys(w.fleet.Hosts))
	for i, name := range names {
		w.fleet.Hosts[name] = begins[i].apply(w.fleet.Hosts[name])
	}
	d := w.daemon(t, reconcile.Limits{Installs: 10})
	after(time.Hour)
	base, records := w.fleet, w.known()
	head := inventory.Fleet{Commit: strings.Repeat("2", 40), Hosts: map[inventory.MachineID]inventory.Desired{}}
	for i, name := range names {
		if h, there := does[i].apply(base.Hosts[name]); there {
			h.Commit, h.Release = head.Commit, head.Commit
			head.Hosts[h.ID] = h
		}
	}
	for _, name := range names { // the machines that some names are given to
		w.machines[name+"-new"] = &machine{serial: serial(name + "-new"), power: inventory.PoweredOff}
	}
	giveConsents(head, review.Compare(base, head, review.Known{Records: records}), names, does)
	defer d.end(t)
	if len(head.Hosts) == 0 { // a commit without hosts is refused
		return nil
	}
	if before := w.begin(); how == whilePaused {
		head.Settings.Paused = true
		w.merge(d, head)
		wrong = w.compare(names, before, review.Review{}) // nothing is done
		base, records = head, w.known()
		head.Settings.Paused, head.Commit = false, strings.Repeat("3", 40)
	}
	r, before := review.Compare(base, head, review.Known{Records: records}), w.begin()
	w.merge(d, head)
	wrong = append(wrong, w.compare(names, before, r)...)
	return append(wrong, unpermitted(names, records, head, r)...)
}

// known are the records as a clone has them.
func (w *world) known() map[inventory.MachineID]inventory.Record {
	w.mu.Lock()
	defer w.mu.Unlock()
	records := map[inventory.MachineID]inventory.Record{}
	for name, entry := range w.records {
		records[name] = entry.Record
	}
	return records
}

// begin gives what was done to the machines so far.
func (w *world) begin() map[inventory.MachineID]machine {
	w.mu.Lock()
	defer w.mu.Unlock()
	done := map[inventory.MachineID]machine{}
	for name, m := range w.machines {
		done[name] = machine{installs: m.installs, done: slices.Clone(m.done)}
	}
	return done
}

// merge has the daemon accept a commit and do what it asks for.
func (w *world) merge(d *daemon, head inventory.Fleet) {
	w.mu.Lock()
	w.fleet, w.sources.Trunk.Commit = head, head.Commit
	w.mu.Unlock()
	d.Refresh()
	after(2 * time.Hour)
}

// apply gives the host as the commit writes it, and false when it does not any more.
func (c edit) apply(d inventory.Desired) (inventory.Desired, bool) {
	w := inventory.Workload{}
	if d.Workload != nil {
		w = *d.Workload
	}
	renew := func() {
		if d.Workload != nil {
			w.Inputs, w.Parts = "ffffffffffffffff", map[string]string{"image": "cd"}
			d.Workload = &w
		}
	}
	switch c {
	case leave:
	case newer, consented, foreign:
		renew()
	case flip:
		w.Update = schemas.Reinstall
		renew()
	case label:
		d.Labels = map[string]string{"rack": "r2"}
	case none:
		d.Workload = nil
	case protect:
		d.Protect = true
	case unmanage:
		d.Lifecycle = schemas.Unmanaged
	case remove:
		return d, false
	case rename, anew:
		if d.Name += "-new"; c == anew {
			d.ID = inventory.MachineID(d.Name)
		}
	case given, fresh:
		if c == fresh {
			d.ID += "-new"
		}
		d.BMC = &schemas.BMC{Address: d.BMC.Address + "-new", Credentials: "bmc"}
		d.Identity.Serial, d.RootDisk = d.Identity.Serial+"-new", &schemas.DiskHints{Serial: d.RootDisk.Serial + "-new"}
	default:
		panic("unknown change " + c)
	}
	return d, true
}

// giveConsents writes the consents that the plan asks for where the commit shall have them, and one host's to another where it shall not work.
func giveConsents(head inventory.Fleet, r review.Review, names []inventory.MachineID, does []edit) {
	for i, name := range names {
		h, there := head.Hosts[name]
		if !there {
			continue
		}
		for _, planned := range r.Hosts {
			switch {
			case planned.Consent == "":
			case does[i] == consented && idOf(planned) == name, does[i] == foreign && idOf(planned) != name:
				h.Consent.Erase = planned.Consent
			}
		}
		head.Hosts[name] = h
	}
}

// compare says what differs between the plan and what was done to the machines.
func (w *world) compare(names []inventory.MachineID, before map[inventory.MachineID]machine, r review.Review) (wrong []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	planned := map[inventory.MachineID]review.Host{}
	for _, h := range r.Hosts {
		planned[idOf(h)] = h
	}
	for _, name := range names {
		h := planned[name]
		if renamed, there := planned[name+"-new"]; there {
			h = renamed
		}
		installs, did := 0, []plan.Kind{} // the host is of the machine that it was of, or of another one
		for _, system := range []inventory.MachineID{name, name + "-new"} {
			m, was := w.machines[system], before[system]
			installs, did = installs+m.installs-was.installs, append(did, m.done[len(was.done):]...)
		}
		goes := !h.Held && (h.Verdict == change.Install || h.Verdict == change.Reinstall)
		switch {
		case goes && installs != 1, !goes && installs != 0:
			wrong = append(wrong, fmt.Sprintf("%s was installed %d times, the plan says %+v", name, installs, h))
		case h.Verdict == change.HandsOff && len(did) > 0:
			wrong = append(wrong, fmt.Sprintf("%s: hands off was planned, done was %v", name, did))
		}
	}
	return wrong
}

// idOf is the id of a reviewed host.
func idOf(h review.Host) inventory.MachineID { return cmp.Or(h.ID, inventory.MachineID(h.Name)) }

// unpermitted says which hosts the plan erases without the consent that names this host, its disk, the system on it and what replaces it, worked out here
// from what is known, under a tag that one person signed, and without a workload that reinstalled already when its system was installed, where the daemon allows that.
func unpermitted(names []inventory.MachineID, records map[inventory.MachineID]inventory.Record, head inventory.Fleet, r review.Review) (wrong []string) {
	for _, name := range names {
		for _, h := range r.Hosts {
			installed := records[name].Installed
			if (idOf(h) != name && idOf(h) != name+"-new") || !h.Erases || h.Held {
				continue
			}
			d := head.Hosts[idOf(h)]
			if s := d.Signatures; s != nil && s.Second == "" {
				wrong = append(wrong, fmt.Sprintf("%s is erased, and one person signed it: %+v", h.Name, h))
			}
			named := inventory.EraseConsent(idOf(h), installed.Disk, "install:"+installed.ID, d.Workload.Inputs)
			if d.Consent.Erase != named && (installed.Update != schemas.Reinstall || !d.Reinstallable) {
				wrong = append(wrong, fmt.Sprintf("%s is erased with the consent %q, want %q: %+v", h.Name, d.Consent.Erase, named, h))
			}
		}
	}
	return wrong
}
