package sim

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gitmetal/ingot/agent/hub"
	"github.com/gitmetal/ingot/agent/wire"
	"github.com/gitmetal/ingot/inventory"
	outcome "github.com/gitmetal/ingot/inventory/runs"
	"github.com/gitmetal/ingot/reconcile/act"
	"github.com/gitmetal/ingot/reconcile/plan"
)

// farm is a site whose machines run jobs in RAM, and install nothing. Its rules, by what really happened:
//
//   - every item of the batch succeeds once: the daemon counts a success only of a run whose agent ended well, and an item
//     that is counted has such a run;
//   - a run is handed out only on a machine that the accepted commit gives to runs: claimable, not protected, not kept off;
//   - an agent has one run at a time, and no run gets the script of another;
//   - no disk is written;
//   - in the end every machine is off, its medium out, its override away, and nothing starts any more.
type farm struct {
	items  int
	handed map[string]bool // runs that were handed out, by id
	well   map[int][]string
	ended  map[string]bool // runs whose agent ended well, by id
	pages  map[*disk]int   // of each disk, at the beginning
}

// farmFaults are the acts of a farm's story: what people do with installs has no place in it.
var farmFaults = []string{
	"person: protects a host", "person: ends the protection of a host", "person: pauses the fleet", "person: ends the pause",
	"person: keeps a machine off", "person: lets a machine go that was kept off", "person: presses the power button",
	"person: holds the power button", "power: a machine's power is cut for a second", "power: the whole rack goes off and comes back",
	"daemon: dies", "daemon: dies between two effects", "daemon: is away for hours", "agent: its process starts again",
	"clock: the wall clock jumps", "daemon: is stopped by a signal", "daemon: is stopped by a signal while it looks",
	"bmc: starts anew and forgets medium and override", "person: renames a host",
	"person: retries a host",
}

// newFarmStory makes the story of a farm.
func newFarmStory(seed uint64) story {
	d := newDice(seed, "farm")
	s := story{seed: seed, machines: 3 + d.below(3), chaos: d.between(2*time.Hour, 5*time.Hour), farm: 6 + d.below(15)}
	for range 3 + d.below(8) {
		spec := choose(d, windowSpecs)
		who := d.below(s.machines)
		if spec.daemon {
			who = -1
		}
		s.deeds = append(s.deeds, deed{at: d.between(0, s.chaos), kind: spec.kind, who: who,
			long: d.between(time.Minute, spec.long), size: spec.least + d.float()*(spec.most-spec.least)})
	}
	for range 4 + d.below(12) {
		s.deeds = append(s.deeds, deed{at: d.between(0, s.chaos), kind: choose(d, farmFaults), who: d.below(s.machines), size: d.float()})
	}
	slices.SortStableFunc(s.deeds, func(a, b deed) int { return cmp.Compare(a.at, b.at) })
	return s
}

// beginFarm commits the first fleet of a farm.
func (p *people) beginFarm(items int) {
	p.w.farm = &farm{items: items, handed: map[string]bool{}, well: map[int][]string{}, ended: map[string]bool{}, pages: map[*disk]int{}}
	p.now = fleetSpec{hosts: map[string]hostSpec{}, workloads: map[string]workloadSpec{}, farm: items}
	for i, m := range p.w.machines {
		id := fmt.Sprintf("m%d", i)
		p.w.farm.pages[m.root()] = len(m.root().pages)
		p.now.hosts[id] = hostSpec{id: id, name: id, slot: i, serial: m.serial, disk: m.root().serial, claimable: true}
	}
	p.commit("the first farm")
}

// farmFiles are the files of the farm's Workload.
func (f fleetSpec) farmFiles(files map[string][]byte) {
	if f.farm == 0 {
		return
	}
	files["jobs/pi.sh"] = []byte("#!/bin/bash\necho 3\n")
	files["workloads/pi.yaml"] = fmt.Appendf(nil, apiVersion+"kind: Workload\nmetadata: {name: pi}\nspec:\n  replicas: %d\n"+
		"  hosts: {when: 'name != \"\"'}\n  run: {script: jobs/pi.sh, items: {range: {from: 1, to: %d}}, deadline: 40m, retries: 50}\n",
		max(1, len(f.hosts)-1), f.farm)
}

// assignRun hands out the job of a run.
func (p *process) assignRun(ctx context.Context, record inventory.Record) act.Outcome {
	p.w().checks.runIsHandedOut(p, record)
	run := record.Run
	job := wire.Job{ID: run.ID, Attempt: 1, Kind: wire.JobRun, Epoch: record.Boot.Epoch, Steps: []wire.Step{{Name: "run",
		Timeout: 40 * time.Minute, Script: &wire.Script{Body: []byte("#!/bin/bash\n"), Run: &wire.Run{Attempts: 1}},
		Execution: &wire.Execution{RunExecution: wire.RunExecution{Run: run.ID, Workload: run.Workload, Batch: run.Batch, Item: run.Item}}}}}
	return assigned(p.hub.Assign(ctx, string(record.ID), hub.Assignment{Job: job}))
}

// withdrawRun takes the job of a run back.
func (p *process) withdrawRun(ctx context.Context, record inventory.Record, action act.Action) act.Outcome {
	err := p.hub.Withdraw(ctx, string(record.ID), hub.Withdrawal{Job: record.Run.ID, Attempt: 1, Why: action.Error})
	if errors.Is(err, hub.ErrBegun) {
		return act.Outcome{Result: act.Waits, After: time.Second, Why: err.Error()}
	}
	return outcomeOf(err)
}

// runIsHandedOut checks that the accepted commit gives the machine to runs, the first time that a run is handed out.
func (c *checks) runIsHandedOut(p *process, record inventory.Record) {
	f := c.w.farm
	if f.handed[record.Run.ID] {
		return // again, after the daemon or the hub forgot
	}
	f.handed[record.Run.ID] = true
	commit, _ := p.loop.AcceptedCommit()
	h, there := c.w.people.commits[commit].hosts[string(record.ID)]
	if !there || !h.claimable || h.protect || h.offBy != "" || h.workload != "" || h.lifecycle != "" {
		c.breaks("a run on a free machine", "run %s is handed out to %s, which is not free: %+v", record.Run.ID, record.ID, h)
	}
}

// runScript is the agent at a run: it works for a while, tells of it, and ends when the daemon has taken the run back.
func (a *agent) runScript(job wire.Job, step wire.Step) wire.Result {
	run := step.Execution.RunExecution
	end := func(exit int, words string) wire.Result {
		return wire.Result{OK: exit == 0, Error: words, Step: step.Name, Executed: &wire.Executed{Run: run.Run, Exit: exit}}
	}
	for range 1 + a.dice.below(8) {
		a.work(a.dice.between(10*time.Second, 5*time.Minute))
		switch status, _ := a.post(fmt.Sprintf(wire.PathProgress, job.ID), wire.Progress{Attempt: job.Attempt, Step: step.Name}); status {
		case 410:
			return end(-1, "taken back")
		case 401:
			a.enrol()
		}
		if a.m.w.meets(scriptFails, a.m.index) {
			return end(1, "exit status 1")
		}
	}
	f := a.m.w.farm
	f.ended[run.Run], f.well[run.Item] = true, append(f.well[run.Item], run.Run)
	return end(0, "")
}

// whyNotWell says why a farm has not done its work, or "".
func (f *farm) whyNotWell(w *world, id string) string {
	view, known := w.people.view(id)
	s := w.rack[w.people.now.hosts[id].slot]
	at := w.operator()
	switch {
	case at == nil || !known:
		return "no daemon knows it"
	case view.Plan.Phase != plan.Unmanaged || view.Observed.Record.Run != nil, view.Observed.Record.Boot != nil:
		why := string(view.Plan.Phase) + ": " + view.Plan.Waits + " " + view.Outcome.Why
		if view.Plan.Hold != nil {
			why += " [" + string(view.Plan.Hold.Reason) + "] " + view.Plan.Hold.Message
		}
		return why
	case s.machine != nil && s.machine.isOn() && view.Observed.Record.Facts != nil && view.Observed.Record.Epoch > 0 && s.machine.runs == inRamdisk:
		return "its machine is still in the ramdisk"
	}
	for _, p := range at.loop.ViewRuns() {
		if p.Tally.Succeeded != f.items {
			return fmt.Sprintf("the batch has %+v: %s", p.Tally, p.Why)
		}
	}
	return ""
}

// check checks the counts of a farm that is done.
func (f *farm) check(w *world) {
	for _, p := range w.operator().loop.ViewRuns() {
		for i, item := range p.State.Batch.Items {
			if item.Outcome != outcome.Succeeded || len(f.well[i]) == 0 {
				w.checks.breaks("an item succeeds by a run", "item %d is %q, and its runs that ended well are %v", i, item.Outcome, f.well[i])
			}
			if last := item.Counted[len(item.Counted)-1]; !f.ended[last] {
				w.checks.breaks("an item succeeds by a run", "item %d was counted by run %s, whose script did not end well", i, last)
			}
		}
	}
	for _, m := range w.machines {
		if len(m.root().pages) != f.pages[m.root()] {
			w.checks.breaks("no disk is written", "%s: %d pages, %d at the beginning", m, len(m.root().pages), f.pages[m.root()])
		}
	}
	changes := w.changes
	w.pass(quietTime)
	if w.changes != changes {
		w.checks.breaks("L1 quiet", "BMCs were asked for %d changes within %s after the batch", w.changes-changes, quietTime)
	}
}

// retryRuns lets machines be claimed again that lost several runs in a row, and switches off what a BMC had called off.
func (p *people) retryRuns(at *process) {
	if p.w.farm == nil {
		return
	}
	for _, id := range p.now.ids() {
		view, known := p.view(id)
		if known && view.Observed.Record.LostRuns >= 3 {
			p.retry(at, id)
		}
		m := p.w.rack[p.now.hosts[id].slot].machine
		if known && view.Observed.Record.Run == nil && m != nil && m.runs == inRamdisk { // its BMC had said that it is off
			m.cut("a person, who finds it on")
		}
	}
}

// TestRuns runs farms: whatever fails, no rule breaks, and in the end every item has succeeded once.
func TestRuns(t *testing.T) {
	t.Parallel()
	seeds := *runsFlag
	reached := map[string]int{}
	for seed := range seeds {
		s := newFarmStory(uint64(seed) + 1)
		r := run(s, nil)
		for kind, n := range r.reached {
			reached[kind] += n
		}
		if r.rule != "" {
			var tell strings.Builder
			run(s, &tell)
			lines := strings.Split(tell.String(), "\n")
			t.Fatalf("%s\n%s\n%s: %s", s, strings.Join(lines[max(0, len(lines)-120):], "\n"), r.rule, r.broke)
		}
	}
	body, _ := json.MarshalIndent(reached, "", " ")
	t.Logf("%d farms, faults that were met: %s", seeds, body)
}
