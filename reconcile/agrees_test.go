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
	"github.com/gitmetal/ingot/reconcile/act"
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

var changes = []edit{leave, newer, consented, foreign, flip, label, none, protect, unmanage, remove, rename, anew,
	given, fresh}

// beginning is what a host is before the commit.
type beginning struct {
	idle, protected, reinstalls, allowed bool
	signatures                           *inventory.Signatures
	ring                                 string
}

func (b beginning) apply(d inventory.Desired) inventory.Desired {
	w := *d.Workload
	if b.reinstalls {
		w.Update = schemas.Reinstall
	}
	d.Workload, d.Protect, d.Reinstallable, d.Signatures, d.Ring = &w, b.protected, b.allowed, b.signatures, b.ring
	if b.idle {
		d.Workload = nil
	}
	return d
}

// course is how a change comes about.
type course string

const (
	atOnce           course = "at once"
	whilePaused      course = "while the fleet is paused, then that is taken back"
	whileRingPaused  course = "while the first ring is paused, then that is taken back"
	beforeWindow     course = "before the rings' windows open, then they do"
	whileDistrusted  course = "while the rings' releases are not trusted, then they are"
	firstRing               = "first"
	lastRing                = "last"
	windowOpensAfter        = 4 * time.Hour
)

var courses = []course{atOnce, whilePaused, whileRingPaused, beforeWindow, whileDistrusted}

// stop has a fleet be stopped as the course says; goOn takes that back. A window opens by itself.
func (c course) stop(f *inventory.Fleet, now time.Time) {
	switch c {
	case atOnce:
	case whilePaused:
		f.Settings.Paused = true
	case whileRingPaused:
		inRings(f, func(r *inventory.Ring) { r.Spec.Paused = r.Name == firstRing })
	case beforeWindow:
		opens := now.UTC().Add(windowOpensAfter).Truncate(time.Minute)
		window := schemas.Window{Start: fmt.Sprintf("%d %d * * *", opens.Minute(), opens.Hour()), Duration: "12h"}
		inRings(f, func(r *inventory.Ring) { r.Spec.Windows = []schemas.Window{window} })
	case whileDistrusted:
		inRings(f, func(r *inventory.Ring) { r.Tag, r.Trouble = "v2", "tag v2 was moved" })
	default:
		panic("unknown course " + c)
	}
}

func (c course) goOn(f *inventory.Fleet) {
	f.Settings.Paused = false
	inRings(f, func(r *inventory.Ring) { r.Spec.Paused, r.Trouble = false, "" })
}

// inRings changes every ring.
func inRings(f *inventory.Fleet, change func(*inventory.Ring)) {
	f.Rings = maps.Clone(f.Rings)
	for name, ring := range f.Rings {
		change(&ring)
		f.Rings[name] = ring
	}
}

// withRings gives a fleet with the rings that its hosts are in, of which one comes after the other.
func withRings(f inventory.Fleet) inventory.Fleet {
	rings := map[string]inventory.Ring{firstRing: {Spec: schemas.RingSpec{}},
		lastRing: {Spec: schemas.RingSpec{After: []string{firstRing}}}}
	for name, ring := range rings {
		ring.Name, ring.Commit, ring.Spec.MaxUnavailable = name, f.Commit, "9"
		for _, id := range slices.Sorted(maps.Keys(f.Hosts)) {
			if f.Hosts[id].Ring == name {
				ring.Hosts = append(ring.Hosts, id)
			}
		}
		rings[name] = ring
	}
	f.Rings = rings
	return f
}

// TestThePlanOfAPullRequestAgreesWithTheDaemon has random fleets converge, plans a random commit from the records
// alone, has the daemon do it, and compares with what was done to the machines. Where something stops the change,
// that is in the plan, nothing is done, and what lets it go on is planned and done next. A ring does not begin before
// the one that it comes after is done. Two machines may see one disk.
func TestThePlanOfAPullRequestAgreesWithTheDaemon(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		c := changed{how: rapid.SampledFrom(courses).Draw(rt, "course"),
			shared: rapid.IntRange(0, 3).Draw(rt, "shared") == 0}
		for range rapid.IntRange(1, 5).Draw(rt, "hosts") {
			signatures := rapid.SampledFrom([]*inventory.Signatures{nil, {Tag: "v1", Signer: "jo"},
				{Tag: "v1", Signer: "jo", Second: "ann"}})
			c.begins = append(c.begins, beginning{
				idle:       rapid.IntRange(0, 3).Draw(rt, "idle") == 0,
				protected:  rapid.IntRange(0, 3).Draw(rt, "protected") == 0,
				reinstalls: rapid.Bool().Draw(rt, "reinstalls"),
				allowed:    rapid.Bool().Draw(rt, "allowed"),
				signatures: signatures.Draw(rt, "signatures"),
				ring:       rapid.SampledFrom([]string{"", firstRing, firstRing, lastRing}).Draw(rt, "ring"),
			})
			c.does = append(c.does, rapid.SampledFrom(changes).Draw(rt, "change"))
		}
		var wrong []string
		synctest.Test(t, func(t *testing.T) { wrong = c.planAndDo(t) })
		if len(wrong) > 0 {
			rt.Fatalf("%+v:\n%s", c, strings.Join(wrong, "\n"))
		}
	})
}

// changed is a fleet that converges and then changes.
type changed struct {
	begins []beginning
	does   []edit
	how    course
	shared bool // the first two machines see one disk
}

// planAndDo gives what the daemon did otherwise than it was planned.
func (c changed) planAndDo(t *testing.T) (wrong []string) {
	w := newWorld(len(c.begins))
	names := slices.Sorted(maps.Keys(w.fleet.Hosts))
	for i, name := range names {
		d := c.begins[i].apply(w.fleet.Hosts[name])
		if c.shared && i < 2 {
			w.machines[name].volume, d.RootDisk = "volume", &schemas.DiskHints{Serial: "volume"}
		}
		w.fleet.Hosts[name] = d
		w.machines[name+"-new"] = &machine{serial: serial(name + "-new"),
			power: inventory.PoweredOff} // some names are given to it
	}
	w.fleet = withRings(w.fleet)
	d := w.daemon(t, reconcile.Limits{Installs: 10})
	defer d.end(t)
	after(time.Hour)
	base := w.fleet
	head := inventory.Fleet{Commit: strings.Repeat("2", 40), Hosts: map[inventory.MachineID]inventory.Desired{}}
	for i, name := range names {
		if h, there := c.does[i].apply(base.Hosts[name]); there {
			h.Commit, h.Release = head.Commit, head.Commit
			head.Hosts[h.ID] = h
		}
	}
	head = withRings(head)
	giveConsents(head, review.Compare(base, head, review.Known{Records: w.known()}), names, c.does)
	if len(head.Hosts) == 0 { // a commit without hosts is refused
		return nil
	}
	c.how.stop(&head, time.Now())
	m := merged{names: names, head: head, plan: review.Compare(base, head, review.Known{Records: w.known()}),
		before: w.begin(), stopped: c.how != atOnce}
	records := w.known()
	w.merge(d, head)
	wrong = append(w.compare(m), unpermitted(names, records, head, m.plan)...)
	if m.stopped = false; c.how == atOnce {
		return wrong
	}
	if c.how == beforeWindow { // what was planned is done by now
		after(windowOpensAfter)
		return append(wrong, w.compare(m)...)
	}
	base, records, m.before = head, w.known(), w.begin()
	head.Commit = strings.Repeat("3", 40)
	c.how.goOn(&head)
	m.head, m.plan = head, review.Compare(base, head, review.Known{Records: records})
	w.merge(d, head)
	return append(append(wrong, w.compare(m)...), unpermitted(names, records, head, m.plan)...)
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
	d.RefreshSource()
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
		d.Identity.Serial, d.RootDisk = d.Identity.Serial+"-new", &schemas.DiskHints{Serial: "disk-" + string(systemOf(d))}
	default:
		panic("unknown change " + c)
	}
	return d, true
}

// giveConsents writes the consents that the plan asks for where the commit shall have them, and one host's to another
// where it shall not work.
func giveConsents(head inventory.Fleet, r review.Review, names []inventory.MachineID, does []edit) {
	for i, name := range names {
		h, there := head.Hosts[name]
		if !there {
			continue
		}
		for _, planned := range r.Hosts {
			switch {
			case len(planned.Consent) == 0:
			case does[i] == consented && idOf(planned) == name, does[i] == foreign && idOf(planned) != name:
				h.Consent.Erase = planned.Consent
			}
		}
		head.Hosts[name] = h
	}
}

// merged is a commit that was merged, and what was planned before.
type merged struct {
	names   []inventory.MachineID
	head    inventory.Fleet
	plan    review.Review
	before  map[inventory.MachineID]machine
	stopped bool // what the plan says to stop a host does, still
}

// compare says what differs between the plan and what was done to the machines.
func (w *world) compare(c merged) (wrong []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	planned := map[inventory.MachineID]review.Host{}
	for _, h := range c.plan.Hosts {
		planned[idOf(h)] = h
	}
	waits := w.unfinished(c.head)
	for _, name := range c.names {
		h := planned[name]
		if renamed, there := planned[name+"-new"]; there {
			h = renamed
		}
		installs, did := 0, []act.Kind{} // the host is of the machine that it was of, or of another one
		for _, system := range []inventory.MachineID{name, name + "-new"} {
			m, was := w.machines[system], c.before[system]
			installs, did = installs+m.installs-was.installs, append(did, m.done[len(was.done):]...)
		}
		goes := !h.Held && (h.Verdict == change.Install || h.Verdict == change.Reinstall)
		stands := c.stopped && h.Stopped != "" || h.Ring == lastRing && waits != ""
		goes = goes && !stands
		switch {
		case goes && installs != 1, !goes && installs != 0:
			wrong = append(wrong,
				fmt.Sprintf("%s was installed %d times, the plan says %+v; the first ring waits for %q", name, installs,
					h, waits))
		case h.Verdict == change.HandsOff && len(did) > 0:
			wrong = append(wrong, fmt.Sprintf("%s: hands off was planned, done was %v", name, did))
		}
	}
	return wrong
}

// unfinished names a host of the first ring that does not run what is asked of it, though something may be done to
// it; "" for none.
func (w *world) unfinished(f inventory.Fleet) inventory.MachineID {
	for _, id := range f.Rings[firstRing].Hosts {
		d, installed := f.Hosts[id], w.records[id].Record.Installed
		counts := d.Workload != nil && !d.Protect && d.Lifecycle == schemas.Managed
		if counts && (installed == nil || installed.Inputs != d.Workload.Inputs) {
			return id
		}
	}
	return ""
}

// idOf is the id of a reviewed host.
func idOf(h review.Host) inventory.MachineID { return cmp.Or(h.ID, inventory.MachineID(h.Name)) }

// unpermitted says which hosts the plan erases though it must not, worked out here from what is known: without the
// consent that names this host, its disk, the system on it and what replaces it, or a workload that reinstalled
// already when its system was installed, where the daemon allows that; under a tag that one person signed, or that is
// not trusted; a disk that another machine sees.
func unpermitted(names []inventory.MachineID, records map[inventory.MachineID]inventory.Record, head inventory.Fleet,
	r review.Review) (wrong []string) {
	for _, name := range names {
		for _, h := range r.Hosts {
			installed := records[name].Installed
			if (idOf(h) != name && idOf(h) != name+"-new") || !h.Erases || h.Held {
				continue
			}
			d := head.Hosts[idOf(h)]
			if ring := head.Rings[d.Ring]; ring.Trouble != "" {
				wrong = append(wrong,
					fmt.Sprintf("%s is erased, and its ring's release is not trusted: %+v", h.Name, h))
			}
			for other, rec := range records {
				if other != name && rec.Facts.Sees(installed.Disk) {
					wrong = append(wrong, fmt.Sprintf("%s is erased, and %s sees its disk: %+v", h.Name, other, h))
				}
			}
			if s := d.Signatures; s != nil && s.Second == "" {
				wrong = append(wrong, fmt.Sprintf("%s is erased, and one person signed it: %+v", h.Name, h))
			}
			named := inventory.EraseConsent(idOf(h), installed.Disk, "install:"+installed.ID, d.Workload.Inputs)
			if !slices.Contains(d.Consent.Erase, named) && (installed.Update != schemas.Reinstall || !d.Reinstallable) {
				wrong = append(wrong,
					fmt.Sprintf("%s is erased with the consent %q, want %q: %+v", h.Name, d.Consent.Erase, named, h))
			}
		}
	}
	return wrong
}
