package sim

import (
	"fmt"
	"io"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/gitmetal/ingot/reconcile/plan"
	"github.com/gitmetal/ingot/reconcile/plan/change"
)

// TestMemoryIsLostInARollout removes the state directory, and puts copies of any age back, at random moments of a
// rollout of 100 machines. No rule may break, and everything that can speak goes on without a person.
func TestMemoryIsLostInARollout(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Log("a rollout of 30 machines")
	}
	for seed := uint64(1); seed <= 2; seed++ {
		s := story{seed: seed, machines: 100, chaos: 10 * time.Hour}
		if testing.Short() {
			s.machines = 30
		}
		d := newDice(seed, "memory")
		for range 6 {
			kind := "state: the directory is removed"
			if d.chance(0.5) {
				kind = "state: an older directory is put back"
			}
			s.deeds = append(s.deeds, deed{at: d.between(5*time.Minute, 3*time.Hour), kind: kind, size: d.float()})
		}
		var tell io.Writer
		if *tellFlag {
			tell = os.Stdout
		}
		w := newWorld(s, tell)
		w.budget, w.room = 1_000_000, 20
		w.runUntil(s.chaos)
		if w.checks.broken() {
			t.Errorf("seed %d: %s: %s", seed, w.checks.rule, w.checks.broke)
		}
		waiting := map[string]int{}
		for _, id := range w.people.now.ids() {
			m := w.rack[w.people.now.hosts[id].slot].machine
			speaks := m.agent != nil || m.runs == serving
			if view, _ := w.people.view(id); view.Plan.Phase != plan.Active && speaks {
				why := fmt.Sprint(view.Plan.Phase)
				if view.Plan.Hold != nil {
					why += " " + string(view.Plan.Hold.Reason) + ": " + view.Plan.Hold.Message
				}
				waiting[why]++
			}
		}
		if len(waiting) > 0 {
			t.Errorf("seed %d: after %d steps some machines wait for a person: %v", seed, w.steps, waiting)
		}
		asks := 0 // hosts that ask for a person with all memory, too: nobody answers here
		for _, id := range w.people.now.ids() {
			if view, _ := w.people.view(id); view.Plan.Hold != nil && w.asksAnyway(id, view.Plan.Hold.Reason) {
				asks++
			}
		}
		if least := (s.machines - asks) * 9 / 10; w.countServing() < least {
			t.Errorf("seed %d: %d of %d serve, want at least %d", seed, w.countServing(), s.machines, least)
		}
		t.Logf("seed %d: %d steps, %d installs of %d machines", seed, w.steps, w.checks.installs, s.machines)
		w.end()
	}
}

// asksAnyway reports whether a hold is for the machine as it came: its hint fits two disks, or a disk that a step writes
// to holds another system.
func (w *world) asksAnyway(id string, hold change.Reason) bool {
	m := w.rack[w.people.now.hosts[id].slot].machine
	foreign := slices.ContainsFunc(m.disks, func(d *disk) bool { return d.data && d.holds == aForeign })
	return hold == change.SeveralDisks || hold == change.NeedsConsent && foreign
}
