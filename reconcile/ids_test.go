package reconcile_test

import (
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile"
	"github.com/gitmetal/ingot/reconcile/act"
	"github.com/gitmetal/ingot/reconcile/journal"
	"github.com/gitmetal/ingot/reconcile/plan"
	"github.com/gitmetal/ingot/reconcile/plan/change"
	"github.com/gitmetal/ingot/reconcile/status"
	"github.com/gitmetal/ingot/schemas"
)

// hosting has a loop run until its machines have what they shall, then accept these hosts with the next commit.
func (w *world) hosting(t *testing.T, hosts ...inventory.Desired) *daemon {
	t.Helper()
	d := w.daemon(t, reconcile.Limits{})
	after(30 * time.Minute)
	w.commit("2", hosts...)
	d.RefreshSource()
	after(2 * time.Hour)
	return d
}

// another is a host of a machine of its own, whatever it is called.
func (w *world) another(d inventory.Desired, serial string) inventory.Desired {
	w.mu.Lock()
	defer w.mu.Unlock()
	system := inventory.MachineID("another-" + serial)
	w.machines[system] = &machine{serial: serial, volume: "disk-" + serial, power: inventory.PoweredOff}
	d.BMC = &schemas.BMC{Address: "https://10.0.0.9/redfish/v1/Systems/" + string(system), Credentials: "bmc"}
	d.Identity, d.RootDisk = schemas.Identity{Serial: serial}, &schemas.DiskHints{Serial: "disk-" + serial}
	return d
}

// TestARenameIsALabel calls a host otherwise: the page goes on under its id with the new name, and nothing is done to the machine.
func TestARenameIsALabel(t *testing.T) {
	run(t, func(t *testing.T) {
		w := newWorld(1)
		d := w.daemon(t, reconcile.Limits{})
		after(30 * time.Minute)
		before, done := w.records["host-0000"].Record, len(w.machines["host-0000"].done)
		w.commit("2", called(desired("host-0000"), "web-03"))
		d.RefreshSource()
		after(time.Hour)
		w.wantOnly(t, d, "host-0000")
		id, known := d.FindHost("web-03")
		h, _ := d.ViewHost(id)
		if _, old := d.FindHost("host-0000"); !known || old || h.Plan.Phase != plan.Active || h.Document.Metadata.Name != "web-03" || h.Document.Metadata.ID != "host-0000" {
			t.Errorf("Find = %q, %t; the host is %s, %+v", id, known, h.Plan.Phase, h.Document.Metadata)
		}
		if by, known := d.FindHost("id:host-0000"); by != "host-0000" || !known {
			t.Errorf("Find by the id = %q, %t", by, known)
		}
		d.end(t)
		fleet, err := status.ParseFleet(w.branch[status.FleetPath])
		if err != nil || len(fleet.Named) != 1 || fleet.Named["web-03"] != "host-0000" {
			t.Errorf("fleet.yaml names %v, %v", fleet.Named, err)
		}
		if got := w.records["host-0000"].Record; got.Epoch != before.Epoch || len(w.machines["host-0000"].done) != done {
			t.Errorf("done %v, record %+v", w.machines["host-0000"].done[done:], got)
		}
	})
}

// TestARenameWhileAnInstallRuns merges a rename at every moment of an install: the same operation goes on, in the same epochs, and waits for nothing.
func TestARenameWhileAnInstallRuns(t *testing.T) {
	t.Parallel()
	for at := 1; ; at++ {
		ended := false
		t.Run(fmt.Sprintf("effect %d", at), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(1)
				effects := 0
				var running atomic.Pointer[daemon]
				w.watch = func() {
					if effects++; effects == at {
						w.asks(strings.Repeat("2", 40), called(desired("host-0000"), "web-03"))
						running.Load().RefreshSource()
					}
				}
				d := w.daemon(t, reconcile.Limits{})
				running.Store(d)
				after(30 * time.Minute)
				w.wantOnly(t, d, "host-0000")
				h, _ := d.ViewHost("host-0000")
				d.end(t)
				m, got := w.machines["host-0000"], w.records["host-0000"].Record
				if h.Plan.Phase != plan.Active || m.installs != 1 || m.boots != 1 || got.Epoch != 2 || got.Last.Attempt != 1 {
					t.Errorf("%s, %d installs, %d boots, record %+v", h.Plan.Phase, m.installs, m.boots, got)
				}
				ended = effects < at
			})
		})
		if ended {
			if at < 8 {
				t.Fatalf("only %d effects: nothing was proved", at)
			}
			break
		}
	}
}

// TestNamesAreSwappedInOneCommit: each machine keeps what is known of it.
func TestNamesAreSwappedInOneCommit(t *testing.T) {
	run(t, func(t *testing.T) {
		w := newWorld(2)
		d := w.hosting(t, called(desired("host-0000"), "host-0001"), called(desired("host-0001"), "host-0000"))
		w.wantOnly(t, d, "host-0000", "host-0001")
		if got := d.phases(); got[plan.Active] != 2 {
			t.Errorf("phases = %v, want both Active", got)
		}
		if id, _ := d.FindHost("host-0001"); id != "host-0000" {
			t.Errorf("host-0001 is %s, want host-0000", id)
		}
		d.end(t)
		w.wantInstalledOnce(t)
	})
}

// TestAReusedName gives the name of a machine, deleted or called otherwise, to another one: an id of its own makes it a new host; without one, and with serials
// or MACs that tell, the host is held, and nothing is done to either machine.
func TestAReusedName(t *testing.T) {
	for name, test := range map[string]struct {
		change func(d *inventory.Desired)
		phase  plan.Phase
		reason change.Reason
	}{
		"with an id":          {func(d *inventory.Desired) { d.ID = "fresh" }, plan.Active, ""},
		"with a serial":       {func(*inventory.Desired) {}, plan.Held, change.IdentityMismatch},
		"with MACs only":      {func(d *inventory.Desired) { d.Identity = schemas.Identity{MACs: []string{"00:16:3e:00:00:09"}} }, plan.Held, change.IdentityMismatch},
		"with nothing at all": {func(d *inventory.Desired) { d.Identity = schemas.Identity{} }, plan.Held, change.IdentityMismatch},
	} {
		t.Run(name, func(t *testing.T) {
			run(t, func(t *testing.T) {
				w := newWorld(2)
				w.machines["host-0000"].mac = "00:16:3e:00:00:01"
				d := w.daemon(t, reconcile.Limits{})
				after(30 * time.Minute)
				w.commit("2", desired("host-0001")) // it is deleted, its page stays
				d.RefreshSource()
				after(time.Hour)
				reused := w.another(desired("host-0000"), "SN-another")
				test.change(&reused)
				done := len(w.machines["host-0000"].done)
				w.commit("3", reused, desired("host-0001"))
				d.RefreshSource()
				after(2 * time.Hour)
				h, _ := d.ViewHost(reused.ID)
				d.end(t)
				m := w.machines["another-SN-another"]
				if h.Plan.Phase != test.phase || test.reason != "" && (h.Plan.Hold == nil || h.Plan.Hold.Reason != test.reason || len(m.done) > 0) {
					t.Errorf("%s, hold %+v, done %v", h.Plan.Phase, h.Plan.Hold, m.done)
				}
				if old := w.machines["host-0000"]; len(old.done) != done || old.installs != 1 {
					t.Errorf("the machine before it was touched: %v", old.done[done:])
				}
			})
		})
	}
}

// TestAKnownMachineUnderAnotherID brings a machine back under another id, by what the fleet declares or by what only a look shows: nothing is done to it before the
// host has its id.
func TestAKnownMachineUnderAnotherID(t *testing.T) {
	for name, test := range map[string]struct {
		change  func(d *inventory.Desired)
		deleted bool
	}{
		"by its serial":                     {func(*inventory.Desired) {}, true},
		"by its serial in another spelling": {func(d *inventory.Desired) { d.Identity.Serial = "  sn-HOST-0000 " }, true},
		"by its BMC's address":              {func(d *inventory.Desired) { d.Identity = schemas.Identity{} }, true},
		"by what its BMC shows": {func(d *inventory.Desired) {
			d.Identity, d.BMC.Address = schemas.Identity{}, "https://10.0.0.8/redfish/v1/Systems/host-0000"
		}, true},
		"while the fleet has the other too": {func(d *inventory.Desired) {
			d.Identity, d.BMC.Address = schemas.Identity{}, "https://10.0.0.8/redfish/v1/Systems/host-0000"
		}, false},
		"its id line was deleted in a commit": {func(d *inventory.Desired) { d.Name, d.ID = "www", "www" }, true},
	} {
		t.Run(name, func(t *testing.T) {
			run(t, func(t *testing.T) {
				w := newWorld(1)
				again := desired("host-0000")
				again.ID, again.Name = "again", "again"
				test.change(&again)
				hosts := []inventory.Desired{again}
				if !test.deleted {
					hosts = append(hosts, desired("host-0000"))
				}
				d := w.daemon(t, reconcile.Limits{})
				after(30 * time.Minute)
				m := w.machines["host-0000"]
				done := len(m.done)
				w.commit("2", hosts...)
				d.RefreshSource()
				after(2 * time.Hour)
				h, _ := d.ViewHost(again.ID)
				if hold := h.Plan.Hold; h.Plan.Phase != plan.Held || hold == nil || hold.Reason != change.KnownAs || !strings.Contains(hold.Message, "is known as host-0000: write id: host-0000") || len(m.done) != done {
					t.Errorf("%s, hold %+v, done %v", h.Plan.Phase, hold, m.done[done:])
				}
				d.awaitCause(t, "KnownAs", time.Second)
				if !test.deleted {
					d.end(t)
					return
				}
				w.commit("3", called(desired("host-0000"), again.Name))
				d.RefreshSource()
				after(2 * time.Hour)
				h, _ = d.ViewHost("host-0000")
				d.end(t)
				if h.Plan.Phase != plan.Active || h.Name != again.Name || m.installs != 1 || len(m.done) != done {
					t.Errorf("with its id: %s, %q, done %v", h.Plan.Phase, h.Name, m.done[done:])
				}
			})
		})
	}
}

// TestAPageUnderTheOldNameOfARename takes over from an earlier version that was stopped before it deleted the old page of a renamed host, with the journal and
// without it: the host is the machine, the old name is nobody's, and nothing is done.
func TestAPageUnderTheOldNameOfARename(t *testing.T) {
	for name, lost := range map[string]bool{"with the journal": false, "without it": true} {
		t.Run(name, func(t *testing.T) {
			run(t, func(t *testing.T) {
				m := momentFrom(t, written+"/others/formerly.txtar")
				record, err := journal.Decode("web-03", m.files[recordFile])
				if err != nil {
					t.Fatal(err)
				}
				old, err := status.Parse(m.files[pageFile])
				if err != nil {
					t.Fatal(err)
				}
				old.Metadata.Name, old.Unknown = "host-0000", ""
				w := newWorld(1)
				w.branch[status.Path("web-03")], w.branch[status.Path("host-0000")] = m.files[pageFile], old.Encode()
				if !lost {
					w.records["web-03"], w.revision = journal.Entry{Record: record, Revision: 1}, 1
				}
				*w.machines["host-0000"] = machine{serial: serial("host-0000"), power: inventory.PoweredOn, disk: record.Installed.ID}
				renamed := called(desired("host-0000"), "web-03") // formerly: host-0000 means nothing
				renamed.ID = "web-03"
				w.commit("2", renamed)
				d := w.daemon(t, reconcile.Limits{})
				after(2 * time.Hour)
				h, _ := d.ViewHost("web-03")
				ghost, _ := d.ViewHost("host-0000")
				d.end(t)
				if h.Plan.Phase != plan.Active || ghost.Plan.Phase != plan.Orphaned || len(w.machines["host-0000"].done) > 0 {
					t.Errorf("web-03 is %s %+v, host-0000 %s, done %v", h.Plan.Phase, h.Plan.Hold, ghost.Plan.Phase, w.machines["host-0000"].done)
				}
			})
		})
	}
}

// TestARenameThatAnEarlierVersionHadNotDone: the host is held until its id is written, and the install that is under way goes on then.
func TestARenameThatAnEarlierVersionHadNotDone(t *testing.T) {
	run(t, func(t *testing.T) {
		w := newWorld(1)
		m := w.machines["host-0000"]
		w.watch = func() {
			if m.power == inventory.PoweredOn && m.boots == 1 {
				w.die()
			}
		}
		d := w.daemon(t, reconcile.Limits{})
		after(time.Hour)
		_ = d.stop()
		w.watch = nil
		op := w.records["host-0000"].Record.Boot
		renamed := called(desired("host-0000"), "web-03")
		renamed.ID = "web-03"
		w.commit("2", renamed)
		done := len(m.done)
		d = w.daemon(t, reconcile.Limits{})
		after(time.Hour)
		h, _ := d.ViewHost("web-03")
		if op == nil || h.Plan.Hold == nil || h.Plan.Hold.Reason != change.KnownAs || len(m.done) != done {
			t.Errorf("boot %+v, hold %+v, done %v", op, h.Plan.Hold, m.done[done:])
		}
		w.commit("3", called(desired("host-0000"), "web-03"))
		d.RefreshSource()
		after(2 * time.Hour)
		h, _ = d.ViewHost("host-0000")
		d.end(t)
		if h.Plan.Phase != plan.Active || m.installs != 1 || slices.Contains(m.done[done:], act.InsertMedia) {
			t.Errorf("%s, %d installs, done %v", h.Plan.Phase, m.installs, m.done[done:])
		}
	})
}
