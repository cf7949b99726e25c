// Package batches knows which Workload with spec.run has which machine, what is done of each batch, and which run a machine
// gets next. It holds all machines and all batches, and changes nothing outside.
//
// Call SetFleet after each accepted commit and SetMachine after each change of a machine; Order then says what is wanted of
// the machine. Unsaved gives what the journal must keep: a run counts, and its machine is free, only once the journal has
// it (Settle). Do not decide here what is done to a machine: package plan does, on what this machine shows. Pure.
package batches

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/runs"
	"github.com/gitmetal/ingot/inventory/standing/claims"
)

// View is the state of all runs. Not safe for concurrent use.
type View struct {
	fleet    Fleet
	states   map[string]runs.State
	machines map[string]claims.Machine // that are claimable, or have a run
	runs     map[string]*runs.UnderWay // of the machines that have one
	selector *claims.Selector
	choices  map[string]claims.Choice // by Workload; nil: to be made anew
	holder   map[string]string        // Workload by claimed machine
	reserved map[string]runs.Run      // a run that is being written into its machine's record
	told     map[string]runs.Run      // the next run by idle machine, as the last Order said
	saved    map[string]runs.State    // as the journal has them
	quiet    bool                     // nothing changed since Idle found nothing
}

// Fleet is what holds for all machines together.
type Fleet struct {
	Accepted bool // Works are those of an accepted commit
	Works    map[string]runs.Work
	// Boots is how many machines may boot for a run at a time.
	Boots int
	// Stopped says why nothing begins in the whole fleet; "" otherwise.
	Stopped string
}

// New makes a View without machines.
func New() *View {
	return &View{states: map[string]runs.State{}, machines: map[string]claims.Machine{}, runs: map[string]*runs.UnderWay{}, selector: claims.NewSelector(),
		reserved: map[string]runs.Run{}, told: map[string]runs.Run{}, saved: map[string]runs.State{}, holder: map[string]string{}}
}

// noteChange has claims and next runs worked out anew.
func (v *View) noteChange() { v.choices, v.quiet = nil, false }

// Restore gives the View what the journal, or the status branch, has of a Workload.
func (v *View) Restore(s runs.State, saved bool) {
	v.states[s.Workload] = s
	if saved {
		v.saved[s.Workload] = s
	}
	v.noteChange()
}

// SetFleet takes what the accepted commit asks for. A Workload that the fleet does not have any more starts nothing, and
// its runs end by themselves.
func (v *View) SetFleet(f Fleet, now time.Time) {
	v.fleet = f
	v.noteChange()
	for name, w := range f.Works {
		s := v.states[name]
		s.Workload = name
		v.states[name] = s.Follow(w, now)
	}
	for _, run := range v.runs { // a run of a batch that is known now counts
		v.count(run)
	}
}

// SetMachine takes what is known of a machine after a change.
func (v *View) SetMachine(id inventory.MachineID, m claims.Machine) {
	key := string(id)
	before, known := v.machines[key]
	if _, reserved := v.reserved[key]; reserved || before.Record.Run != m.Record.Run {
		v.quiet = false
	}
	delete(v.reserved, key)
	if delete(v.runs, key); m.Record.Run != nil {
		v.runs[key] = m.Record.Run
	}
	if !m.Desired.Claimable && m.Record.Run == nil {
		if known {
			delete(v.machines, key)
			v.noteChange()
		}
		return
	}
	v.machines[key] = m
	if !known || hasChanged(before, m) {
		v.noteChange()
	}
	v.count(m.Record.Run)
}

// hasChanged reports whether the claims may be others after a change of a machine.
func hasChanged(before, m claims.Machine) bool {
	workload := func(m claims.Machine) string {
		if m.Record.Run == nil {
			return ""
		}
		return m.Record.Run.Workload
	}
	return workload(before) != workload(m) || before.Record.Facts != m.Record.Facts || before.Unready != m.Unready ||
		before.Record.LostRuns != m.Record.LostRuns || claims.WhyNotFree(before) != claims.WhyNotFree(m) ||
		!maps.Equal(before.Desired.Labels, m.Desired.Labels) || !maps.Equal(before.Desired.Vars, m.Desired.Vars)
}

// count counts the run of a machine that is over.
func (v *View) count(run *runs.UnderWay) {
	if !run.IsOver() {
		return
	}
	s, known := v.states[run.Workload]
	if !known || s.Unreadable != "" || s.HasCounted(run.End()) {
		return
	}
	v.states[run.Workload] = s.Count(run.End())
}

// choose makes the claims anew after a change.
func (v *View) choose(now time.Time) {
	if v.choices != nil {
		return
	}
	v.forgetGone()
	var wishes []claims.Wish
	for name, w := range v.fleet.Works {
		s := v.states[name]
		wish := claims.Wish{Work: w, Claims: s.Claims, Blocked: v.whyClaimsNothing(w, s)}
		wish.Work.Replicas = s.Replicas(w)
		wishes = append(wishes, wish)
	}
	v.choices = claims.Choose(wishes, claims.Fleet{Machines: v.machines, Matches: v.selector.Matches, Now: now})
	clear(v.holder)
	for name, s := range v.states {
		choice, wanted := v.choices[name]
		if s.Unreadable == "" {
			s.Claims = choice.Claims
			v.states[name] = s
		}
		if wanted {
			for _, claim := range choice.Claims {
				v.holder[claim.Machine] = name
			}
		}
	}
}

// whyClaimsNothing says why a Workload takes no more machines, or "".
func (v *View) whyClaimsNothing(w runs.Work, s runs.State) string {
	switch {
	case s.Unreadable != "":
		return "its batch cannot be read: " + s.Unreadable
	case v.fleet.Stopped != "":
		return v.fleet.Stopped
	case w.Paused:
		return "spec.paused is true"
	default:
		return ""
	}
}

// order says what the Workloads want of a machine.
func (v *View) order(key string, now time.Time) runs.Order {
	v.choose(now)
	m, known := v.machines[key]
	if !known {
		return runs.Order{}
	}
	if m.Record.Run != nil {
		return v.orderRunning(key, *m.Record.Run)
	}
	return v.orderIdle(key, m)
}

// orderRunning says what is wanted of a machine with a run.
func (v *View) orderRunning(key string, run runs.UnderWay) runs.Order {
	o := runs.Order{Workload: run.Workload}
	s, known := v.states[run.Workload]
	work, wanted := v.fleet.Works[run.Workload]
	if wanted {
		o.Work = &work
	}
	saved, kept := v.saved[run.Workload]
	o.Counted = !known || kept && saved.HasCounted(run.End()) || run.Outcome == runs.Withdrawn
	switch {
	case s.Unreadable != "":
		o.Counted = run.Outcome == runs.Withdrawn
	case !wanted:
		o.TakeBack = "the fleet has no workload " + run.Workload + " any more"
	case v.fleet.Stopped != "":
		o.TakeBack = v.fleet.Stopped
	case work.Paused:
		o.TakeBack = "spec.paused is true"
	case run.Batch != work.Batch:
		o.TakeBack = "the fleet asks for another batch"
	case s.Batch != nil && s.Batch.Stopped != "":
		o.TakeBack = "the batch starts no more: " + s.Batch.Stopped
	case v.leaving(key, run.Workload) != "":
		o.TakeBack = v.leaving(key, run.Workload)
	}
	if s.Now && s.Cancelled == run.Batch {
		o.TakeBack, o.Now = "the batch was cancelled", true
	}
	return o
}

// leaving says why a machine gets no more runs of a Workload, or "".
func (v *View) leaving(key, workload string) string {
	for _, claim := range v.choices[workload].Claims {
		if claim.Machine == key {
			return claim.Leaving
		}
	}
	return "the workload has given the machine back"
}

// orderIdle says what is wanted of a machine without a run: nothing before the journal has its claim.
func (v *View) orderIdle(key string, m claims.Machine) runs.Order {
	name, claimed := v.holder[key]
	if !claimed {
		return runs.Order{Waits: claims.WhyNotFree(m)}
	}
	s, work := v.states[name], v.fleet.Works[name]
	o := runs.Order{Workload: name, Work: &work}
	saved := v.saved[name]
	at := slices.IndexFunc(saved.Claims, func(c runs.Claim) bool { return c.Machine == key })
	held := at >= 0
	switch {
	case s.Unreadable != "" || v.fleet.Stopped != "" || work.Paused:
		o.Waits = v.whyClaimsNothing(work, s)
	case v.leaving(key, name) != "":
		o.Waits = v.leaving(key, name)
	case !held || saved.Batch == nil || saved.Batch.ID != work.Batch:
		o.Waits = "the journal to keep the claim"
	case s.Batch.Stopped != "":
		o.Waits = "another batch: " + s.Batch.Stopped
	case !s.Batch.Ended.IsZero():
		o.Waits = "another batch: this one is done"
	case claims.NeedsLook(work, saved.Claims[at], m.Record):
		o.Look, o.Waits = true, "a look at its disks, to which the kernel may write"
	case m.Unready != "":
		o.Waits = m.Unready
	case v.booting() >= v.fleet.Boots:
		o.Waits = fmt.Sprintf("its turn to boot: %d machines boot for runs (limits.boots)", v.booting())
	default:
		item, due := s.Batch.NextItem(key, s.Machines(), v.running(name, s.Batch.ID))
		if !due {
			o.Waits = "an item: every one is done or under way"
			break
		}
		o.Next = &runs.Run{Workload: name, Batch: s.Batch.ID, Item: item, Attempt: s.Batch.Attempt(item), Machine: key}
	}
	return o
}

// booting counts the machines that boot for a run.
func (v *View) booting() int {
	count := len(v.reserved)
	for id, run := range v.runs {
		if _, twice := v.reserved[id]; !twice && run.Stage == runs.Booting {
			count++
		}
	}
	return count
}

// running are the items of a batch that a machine works on. A run that is over holds its item until the journal has
// counted it.
func (v *View) running(workload, batch string) map[int]bool {
	items := map[int]bool{}
	for _, run := range v.reserved {
		if run.Workload == workload && run.Batch == batch {
			items[run.Item] = true
		}
	}
	for _, run := range v.runs {
		if run.Workload != workload || run.Batch != batch {
			continue
		}
		if saved := v.saved[workload]; !run.IsOver() || !saved.HasCounted(run.End()) {
			items[run.Item] = true
		}
	}
	return items
}

// Reserve gives a machine its run while the run is being written into the machine's record; false when the run is not the
// machine's next one any more. SetMachine ends the reservation.
func (v *View) Reserve(id inventory.MachineID, run runs.Run, now time.Time) bool {
	o := v.order(string(id), now)
	if o.Next == nil || o.Next.Batch != run.Batch || o.Next.Item != run.Item || o.Next.Workload != run.Workload {
		return false
	}
	v.reserved[string(id)], v.quiet = run, false
	return true
}

// Cancel starts no more runs of the present batch of a Workload; with all, those under way are taken back too.
func (v *View) Cancel(workload string, all bool) error {
	s, known := v.states[workload]
	switch {
	case !known || s.Batch == nil:
		return fmt.Errorf("there is no batch of a workload %s: `ingot status` lists them", workload)
	case s.Unreadable != "":
		return fmt.Errorf("the batch of workload %s cannot be read: %s", workload, s.Unreadable)
	case !s.Batch.Ended.IsZero():
		return fmt.Errorf("the batch of workload %s is done: there is nothing to cancel", workload)
	}
	v.states[workload] = s.Cancel(all)
	v.noteChange()
	return nil
}

// Unsaved gives the states that the journal does not have as they are, sorted by name.
func (v *View) Unsaved(now time.Time) (states []runs.State) {
	v.choose(now)
	for _, name := range slices.Sorted(maps.Keys(v.states)) {
		s := v.states[name]
		if saved, kept := v.saved[name]; s.Unreadable == "" && (!kept || !isSame(saved, s)) {
			states = append(states, s)
		}
	}
	return append(states, v.forgotten()...)
}

// isSame reports whether two states are the same: a changed batch is another value.
func isSame(a, b runs.State) bool {
	return a.Batch == b.Batch && a.Before == b.Before && a.Cancelled == b.Cancelled && a.Now == b.Now &&
		slices.Equal(a.Claims, b.Claims) && slices.Equal(a.Done, b.Done)
}

// Settle records that the journal has a state, and gives the machines that waited for it.
func (v *View) Settle(s runs.State) (waiting []inventory.MachineID) {
	before := v.saved[s.Workload]
	if v.saved[s.Workload] = s; s.Batch == nil {
		delete(v.saved, s.Workload)
	}
	v.noteChange()
	had := map[string]bool{} // had its claim, for the same batch
	if before.Batch != nil && s.Batch != nil && before.Batch.ID == s.Batch.ID {
		for _, claim := range before.Claims {
			had[claim.Machine] = true
		}
	}
	for _, claim := range s.Claims {
		if _, known := v.machines[claim.Machine]; known && v.runs[claim.Machine] == nil && !had[claim.Machine] {
			waiting = append(waiting, inventory.MachineID(claim.Machine))
		}
	}
	for id, run := range v.runs {
		if run.IsOver() && run.Workload == s.Workload {
			waiting = append(waiting, inventory.MachineID(id))
		}
	}
	slices.Sort(waiting)
	return waiting
}
