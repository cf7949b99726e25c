package plan_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/act"
	"github.com/gitmetal/ingot/reconcile/plan"
	"github.com/gitmetal/ingot/reconcile/plan/change"
	"github.com/gitmetal/ingot/schemas"
)

const foundOnDisk = "content:9f3ac41be7705d12"

// Whatever breaks, at whatever point, and whatever the fleet asks for meanwhile: nothing is erased without leave, and once things work
// again and the fleet stays, the host ends where the fleet wants it or waits for a person, and nothing more is done to it.
func TestNothingIsErasedByAccident(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		m := newModel(
			rapid.SampledFrom([]string{inventory.ContentBlank, foundOnDisk}).Draw(t, "disk"),
			rapid.SampledFrom([]inventory.PowerState{inventory.PoweredOff, inventory.PoweredOff,
				inventory.PoweredOn}).Draw(t, "power"),
		)
		if rapid.Bool().Draw(t, "unseen consent") {
			m.commit(func(d *inventory.Desired) {
				d.Consent.Erase = []string{inventory.EraseConsent(hostName, rootDisk, inventory.ContentUnseen, d.Workload.Inputs)}
			})
		}
		for range rapid.IntRange(0, 150).Draw(t, "looks") {
			m.trouble(t)
			m.look(crash(rapid.SampledFrom([]int{0, 0, 0, 0, 0, 0, 1, 2}).Draw(t, "crash")))
			m.pass(time.Duration(rapid.SampledFrom([]int{5, 15, 30, 400}).Draw(t, "seconds")) * time.Second)
			m.ok(t)
		}
		m.noRamdisk = false
		m.unreachable, m.noBoot, m.jobFails, m.halfWritten, m.untaken, m.silent, m.mute = false, false, false, false,
			false, false, false
		m.settles(t)
	})
}

// trouble is one thing that happens between two looks, mostly nothing.
func (m *model) trouble(t *rapid.T) {
	switch rapid.IntRange(0, 75).Draw(t, "trouble") {
	case 1:
		m.unreachable = !m.unreachable
	case 2:
		m.noBoot = !m.noBoot
	case 30:
		m.noRamdisk = !m.noRamdisk
	case 3:
		m.jobFails = !m.jobFails
	case 4:
		m.halfWritten = !m.halfWritten
	case 5:
		m.stop()
	case 6: // power comes back
		m.start()
		m.foreign = m.record.Boot == nil && m.record.Installed == nil && len(m.armed) == 0
	case 7:
		m.commit(func(d *inventory.Desired) {
			update := rapid.SampledFrom([]string{schemas.OnConsent, schemas.Reinstall}).Draw(t, "update")
			d.Workload = workload(rapid.SampledFrom([]string{"aaaaaaaaaaaaaaaa", "bbbbbbbbbbbbbbbb"}).Draw(t, "inputs"),
				update)
		})
	case 8:
		m.commit(func(d *inventory.Desired) { d.Protect = !d.Protect })
	case 9:
		m.commit(func(d *inventory.Desired) { d.Consent.Erase = nil })
	case 10, 11, 12:
		if c := change.Decide(m.desired, inventory.Standing{}, m.record); c.Root.Needed != "" {
			m.commit(func(d *inventory.Desired) { d.Consent.Erase = []string{c.Root.Needed} })
		}
	case 13:
		m.commit(func(d *inventory.Desired) { d.Lifecycle = "" })
	case 14, 15:
		m.commit(func(d *inventory.Desired) { d.Lifecycle = schemas.Managed })
	case 16:
		m.commit(func(d *inventory.Desired) {
			d.Consent.Takeover = rapid.SampledFrom([]string{"SN1", m.record.TakeoverConsent(m.machine())}).Draw(t, "takeover")
		})
	case 17:
		m.commit(func(d *inventory.Desired) { d.Workload = nil })
	case 19: // somebody uses the disk
		if m.disk == inventory.ContentBlank && m.agent.Job.State != inventory.JobRunning {
			m.disk = foundOnDisk
		}
	case 18:
		m.desired.Reinstallable = !m.desired.Reinstallable // the daemon was started with another configuration
	case 24:
		m.silent = !m.silent
	case 25:
		m.untaken = !m.untaken
	case 26:
		m.retry = true
	case 27:
		m.mute = !m.mute
	case 28:
		m.commit(func(d *inventory.Desired) {
			if d.Workload != nil {
				w := *d.Workload
				w.PhoneHome = rapid.SampledFrom([]string{schemas.PhoneHomeRequired, schemas.PhoneHomeDisabled}).Draw(t,
					"phone home")
				d.Workload = &w
			}
		})
	case 29:
		m.commit(func(d *inventory.Desired) {
			d.Power = rapid.SampledFrom([]string{"", schemas.PowerOn, schemas.PowerOff}).Draw(t, "spec.power")
		})
	case 32:
		m.commit(func(d *inventory.Desired) {
			m.ids++
			d.Requests.Reboot = &schemas.RebootRequest{ID: fmt.Sprint("r", m.ids), Mode: rapid.SampledFrom([]string{"", schemas.RebootHard}).Draw(t, "mode")}
		})
	case 33:
		m.commit(func(d *inventory.Desired) {
			m.ids++
			d.Requests.Inspect = fmt.Sprint("i", m.ids)
		})
	case 34:
		m.stubborn = !m.stubborn
	case 31:
		m.commit(func(d *inventory.Desired) {
			d.OffBy = rapid.SampledFrom([][]string{nil, nil, {"ups"}, {"ups", "memtest"}}).Draw(t, "spec.offBy")
		})
	case 20:
		// the daemon wants two signers, or a countersignature was deleted
		m.desired.Signatures = &inventory.Signatures{Tag: "v1", Signer: "jo"}
	case 21, 22:
		m.desired.Signatures = &inventory.Signatures{Tag: "v1", Signer: "jo", Second: "ann"}
	case 23:
		m.desired.Signatures = rapid.SampledFrom([]*inventory.Signatures{nil, {}}).Draw(t, "no tag")
	}
}

func (m *model) ok(t interface{ Fatalf(string, ...any) }) {
	if len(m.broken) > 0 {
		t.Fatalf("%v\nafter %v\nrecord %+v", m.broken, m.done, m.record)
	}
}

// settles lets the daemon work on in peace until it does nothing for two hours, and looks at what it ended with.
func (m *model) settles(t interface{ Fatalf(string, ...any) }) plan.Plan {
	var p plan.Plan
	idle := 0
	for range 4000 {
		before := len(m.done)
		p = m.look(nowhere)
		m.pass(20 * time.Second)
		m.ok(t)
		if idle++; len(m.done) > before {
			idle = 0
		}
		if idle > 360 {
			break
		}
	}
	if idle <= 360 {
		t.Fatalf("no end of actions: %v\nplan %+v", m.done[max(0, len(m.done)-30):], p)
	}
	switch p.Phase {
	case plan.Active:
		want := m.desired.Workload
		wanted := m.desired.WantedPower()
		mayBeOff := wanted == schemas.PowerOff || wanted == schemas.PowerUnmanaged
		// a system that hangs after its call is not watched
		on := m.power == inventory.PoweredOn && m.system != "ramdisk" || mayBeOff && m.power == inventory.PoweredOff
		if i := m.record.Installed; want != nil && (!m.record.Has(want) || m.disk != "install:"+i.ID ||
			!on) {
			t.Fatalf("said to be Active, but runs %q from disk %q, record %+v", m.system, m.disk, m.record)
		}
	case plan.Held, plan.Failed:
		if p.Hold == nil || p.Hold.Message == "" {
			t.Fatalf("%s for no reason a person could act on: %+v", p.Phase, p)
		}
	case plan.Retired:
		if m.power != inventory.PoweredOff || m.disk != inventory.ContentBlank {
			t.Fatalf("said to be retired, with power %s and disk %s", m.power, m.disk)
		}
	case plan.Protected, plan.Orphaned, plan.Unmanaged:
	case plan.Waiting, plan.Starting:
		if len(m.desired.OffBy) > 0 && strings.Contains(p.Waits, change.KeptOff(m.desired)) {
			break
		}
		fallthrough
	default:
		t.Fatalf("ended %+v\nafter %v\nrecord %+v boot %+v operation %+v", p, m.done, m.record, m.record.Boot,
			m.record.Operation)
	}
	return p
}

// Same values, same plan, and the values are left alone.
func TestSameValuesSamePlan(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		m := newModel(inventory.ContentBlank, inventory.PoweredOff)
		for range rapid.IntRange(0, 60).Draw(t, "looks") {
			m.trouble(t)
			first := nextAt(m.desired, m.observe(), m.now)
			record := cmp.Diff(inventory.Record{}, m.record)
			second := nextAt(m.desired, m.observe(), m.now)
			if diff := cmp.Diff(first, second); diff != "" {
				t.Fatalf("the second plan differs: %s", diff)
			}
			if first.Action != nil {
				act.Begin(m.record, m.identified(*first.Action), m.now)
			}
			if cmp.Diff(inventory.Record{}, m.record) != record {
				t.Fatalf("planning changed the record it was given")
			}
			m.look(nowhere)
			m.pass(20 * time.Second)
		}
	})
}

// With nothing in the way an install takes one boot of the ramdisk and one job, from a blank disk and from one that was consented to.
func TestOneBootOneJob(t *testing.T) {
	t.Parallel()
	for _, disk := range []string{inventory.ContentBlank, foundOnDisk} {
		m := newModel(disk, inventory.PoweredOff)
		m.desired.Consent.Erase = []string{inventory.EraseConsent(hostName, rootDisk, inventory.ContentUnseen,
			m.desired.Workload.Inputs)}
		if p := m.settles(t); p.Phase != plan.Active {
			t.Errorf("%s: ended %+v after %v", disk, p, m.done)
		}
		jobs := 0
		for _, kind := range m.done {
			if kind == act.AssignStep {
				jobs++
			}
		}
		if m.boots != 1 || jobs != 1 {
			t.Errorf("%s: %d boots and %d jobs: %v", disk, m.boots, jobs, m.done)
		}
	}
}

// A machine that runs, and that nobody handed over, is not touched; handed over, it is installed.
func TestFoundRunning(t *testing.T) {
	t.Parallel()
	m := newModel(inventory.ContentBlank, inventory.PoweredOn)
	p := m.settles(t)
	if p.Phase != plan.Held || p.Hold.Reason != change.FoundRunning || m.power != inventory.PoweredOn || !m.foreign {
		t.Fatalf("ended %+v after %v", p, m.done)
	}
	m.takeOver(t)
	if p := m.settles(t); p.Phase != plan.Active || !slices.Contains(m.done, act.RecordTakeover) {
		t.Errorf("after the takeover: %+v after %v", p, m.done)
	}
}

// An operation that never reached the machine does not make a machine that a person starts later ours.
func TestSupersededDoesNotMakeOurs(t *testing.T) {
	t.Parallel()
	m := newModel(inventory.ContentBlank, inventory.PoweredOff)
	m.record.Last = &inventory.Operation{ID: "o1", Kind: inventory.Install, Stage: inventory.Ended,
		Outcome: inventory.Superseded, Disks: []inventory.OperationDisk{{Disk: rootDisk}}}
	m.start()
	m.foreign = true
	if p := m.settles(t); p.Hold == nil || p.Hold.Reason != change.FoundRunning {
		t.Errorf("ended %+v after %v", p, m.done)
	}
}

// What comes onto the disk between the last look at it and the write is not erased by a retry: an attempt that wrote nothing, or was never handed out, leaves
// the operation with what it was allowed to erase.
func TestNothingNewIsErasedByARetry(t *testing.T) {
	t.Parallel()
	for name, arms := range map[string]func(*model){
		"the agent refused":                    func(m *model) { m.disk = foundOnDisk; m.look(nowhere) },
		"the daemon died before it handed out": func(m *model) { m.look(beforeEffect); m.disk = foundOnDisk },
		"and the machine was power cycled":     func(m *model) { m.look(beforeEffect); m.disk = foundOnDisk; m.stop() },
	} {
		m := newModel(inventory.ContentBlank, inventory.PoweredOff)
		for m.record.Operation == nil || m.record.Operation.Stage != inventory.Published || m.record.Facts == nil ||
			m.record.Boot == nil || m.record.Facts.Epoch != m.record.Boot.Epoch {
			m.look(nowhere)
			m.pass(5 * time.Second)
		}
		arms(m)
		if op := m.record.Operation; op == nil || op.Stage != inventory.Working {
			t.Fatalf("%s: the operation is %+v, want it armed", name, op)
		}
		if p := m.settles(t); m.disk != foundOnDisk && m.disk != "failed:"+m.newest || p.Hold == nil {
			t.Errorf("%s: ended %+v with %s on the disk", name, p, m.disk)
		}
		if i := m.record.Installed; i != nil {
			t.Errorf("%s: installed %+v over what was found", name, i)
		}
	}
}
