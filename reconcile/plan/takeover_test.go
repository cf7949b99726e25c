package plan_test

import (
	"slices"
	"testing"
	"time"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/act"
	"github.com/gitmetal/ingot/reconcile/plan"
	"github.com/gitmetal/ingot/reconcile/plan/change"
	"github.com/gitmetal/ingot/schemas"
)

// newWaiting is a machine that a person started from a discovery medium, with its proved agent.
func newWaiting(disk string) *model {
	m := newModel(disk, inventory.PoweredOn)
	m.system, m.waiting = "ramdisk", "key-of-the-agent"
	return m
}

// TestAProvedAgentIsTakenOver: the machine is installed by the agent that waits in it. The first command to the BMC comes
// behind the install, and the machine is never started from another ramdisk.
func TestAProvedAgentIsTakenOver(t *testing.T) {
	t.Parallel()
	m := newWaiting(inventory.ContentBlank)
	p := m.settles(t)
	installs, first := slices.Index(m.done, act.RecordStep), slices.IndexFunc(m.done, act.Kind.AtBMC)
	if p.Phase != plan.Active || m.boots != 0 || installs < 0 || first < installs {
		t.Errorf("ended %+v with %d boots from a medium after %v", p, m.boots, m.done)
	}
}

// TestTakesOver: when a waiting agent becomes the agent of the host's first boot.
func TestTakesOver(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change func(*model, *inventory.Observed)
		want   act.Kind
		hold   change.Reason
	}{
		"the machine waits":       {func(*model, *inventory.Observed) {}, act.OpenBoot, ""},
		"the agent is not proved": {func(_ *model, o *inventory.Observed) { o.Waiting = "" }, "", change.FoundRunning},
		"a boot was tried before": {func(_ *model, o *inventory.Observed) { o.Record.Epoch = 1 }, "", change.FoundRunning},
		"another machine is there": {func(_ *model, o *inventory.Observed) {
			o.BMC.System.Serial = "SN9"
		}, "", change.IdentityMismatch},
		"the BMC does not answer": {func(_ *model, o *inventory.Observed) {
			o.BMC = inventory.BMCState{Reach: inventory.Unreachable, Error: "no answer"}
		}, "", change.BMCUnreachable},
		"the image is not there":  {func(_ *model, o *inventory.Observed) { o.Image.State = inventory.ImageMissing }, act.FetchImage, ""},
		"the host is protected":   {func(m *model, _ *inventory.Observed) { m.desired.Protect = true }, "", ""},
		"the host is not ours":    {func(m *model, _ *inventory.Observed) { m.desired.Lifecycle = schemas.Unmanaged }, "", ""},
		"there is nothing to run": {func(m *model, _ *inventory.Observed) { m.desired.Workload = nil }, "", ""},
		"an operation was before": {func(_ *model, o *inventory.Observed) {
			o.Record.Last = &inventory.Operation{ID: "o1", Stage: inventory.Ended, Outcome: inventory.Superseded}
		}, "", change.FoundRunning},
	} {
		m := newWaiting(inventory.ContentBlank)
		m.image = inventory.ImageReady
		for m.record.BMC == nil { // the identity is pinned first
			m.look(nowhere)
		}
		o := m.observe()
		test.change(m, &o)
		p := nextAt(m.desired, o, m.now)
		switch {
		case test.want != "" && (p.Action == nil || p.Action.Kind != test.want):
			t.Errorf("%s: plan %+v, want %s", name, p, test.want)
		case test.want == "" && p.Action != nil:
			t.Errorf("%s: plan %+v, want no action", name, p.Action)
		case test.hold != "" && (p.Hold == nil || p.Hold.Reason != test.hold):
			t.Errorf("%s: plan %+v, want it held as %s", name, p, test.hold)
		}
	}
}

// TestAProvedAgentThatDoesNotCome: the boot that was opened for the agent is closed; the machine counts as found running, is
// not touched, and is not tried so again.
func TestAProvedAgentThatDoesNotCome(t *testing.T) {
	t.Parallel()
	m := newWaiting(inventory.ContentBlank)
	m.system = "disk" // a person started it from its disk meanwhile
	p := m.settles(t)
	opened := slices.Index(m.done, act.OpenBoot)
	if p.Hold == nil || p.Hold.Reason != change.FoundRunning || m.power != inventory.PoweredOn || !m.foreign {
		t.Fatalf("ended %+v after %v", p, m.done)
	}
	if opened < 0 || slices.Contains(m.done[opened+1:], act.OpenBoot) || slices.ContainsFunc(m.done, act.Kind.AtBMC) {
		t.Errorf("done was %v", m.done)
	}
}

// TestATakenOverMachineThatGoesOff: the machine is started from its own medium, and installed.
func TestATakenOverMachineThatGoesOff(t *testing.T) {
	t.Parallel()
	for _, enrolled := range []bool{false, true} {
		m := newWaiting(inventory.ContentBlank)
		for m.record.Boot == nil || enrolled && m.agent.Boot != m.record.Boot.ID {
			m.look(nowhere)
			if enrolled {
				m.pass(5 * time.Second)
			}
		}
		m.stop()
		if p := m.settles(t); p.Phase != plan.Active || m.boots != 1 {
			t.Errorf("enrolled %t: ended %+v with %d boots after %v", enrolled, p, m.boots, m.done)
		}
	}
}

// TestAnAgentThatPowersOffIsLookedAtSoon: a machine whose unproved agent was told to power it off is held as ever, and looked
// at again within seconds.
func TestAnAgentThatPowersOffIsLookedAtSoon(t *testing.T) {
	t.Parallel()
	for powersOff, want := range map[bool]time.Duration{true: 5 * time.Second, false: 0} {
		m := newWaiting(inventory.ContentBlank)
		m.image = inventory.ImageReady
		for m.record.BMC == nil { // the identity is pinned first
			m.look(nowhere)
		}
		o := m.observe()
		o.Waiting, o.PowersOff = "", powersOff
		p := nextAt(m.desired, o, m.now)
		if p.Hold == nil || p.Hold.Reason != change.FoundRunning || p.Action != nil || p.Again != want {
			t.Errorf("powers off %v: %+v, again in %s", powersOff, p.Hold, p.Again)
		}
	}
}
