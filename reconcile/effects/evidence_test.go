package effects_test

import (
	"testing"
	"time"

	"github.com/gitmetal/ingot/internal/lab/bmc"
	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/plan"
)

// Off counts from the first of a row of looks that found the machine off. A look that found it on ends the row; one
// that found nothing out does not begin it anew.
func TestOffCountsFromTheFirstLookOfARow(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	first := r.observe().BMC
	earliest, latest := first.At.Add(30*time.Second), time.Now().Add(30*time.Second)
	if first.Power != inventory.PoweredOff || first.OffCounts.Before(earliest) || first.OffCounts.After(latest) {
		t.Fatalf("BMC = %+v, want it off, and that to count from %s to %s", first, earliest, latest)
	}
	if again := r.observe().BMC; !again.OffCounts.Equal(first.OffCounts) {
		t.Errorf("OffCounts = %s at the second look, want %s", again.OffCounts, first.OffCounts)
	}
	r.bmc.Inject(func(f *bmc.Faults) { f.DropConnections = 1 << 30 })
	if lost := r.observe().BMC; !lost.Reach.Failed() {
		t.Errorf("BMC = %+v, want it not reached", lost)
	}
	r.bmc.Inject(func(f *bmc.Faults) { f.DropConnections = 0 })
	if again := r.observe().BMC; !again.OffCounts.Equal(first.OffCounts) {
		t.Errorf("OffCounts = %s after a look in vain, want %s", again.OffCounts, first.OffCounts)
	}
	if got := r.do(plan.Action{Kind: plan.PowerOn}); got.Result != plan.Done || got.Found {
		t.Errorf("PowerOn = %+v, want it done, and the machine not found on", got)
	}
	if on := r.observe().BMC; !on.OffCounts.IsZero() {
		t.Errorf("OffCounts = %s of a machine that is on", on.OffCounts)
	}
	if got := r.do(plan.Action{Kind: plan.PowerOn}); got.Result != plan.Done || !got.Found {
		t.Errorf("PowerOn again = %+v, want it done, and the machine found on", got)
	}
	r.wantDone(plan.PowerOff)
	if off := r.observe().BMC; !off.OffCounts.After(first.OffCounts) {
		t.Errorf("OffCounts = %s, want another row than that of %s", off.OffCounts, first.OffCounts)
	}
}

// A job is taken back from the agent until it has begun to write; one that shall end as untaken, until it was taken up.
func TestAJobIsTakenBack(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.mirrored()
	r.wantDone(plan.FetchImage, plan.InsertMedia)
	if got := r.do(plan.Action{Kind: plan.AssignStep, Content: "blank"}); got.Result != plan.Done {
		t.Fatalf("AssignStep = %+v", got)
	}
	back := plan.Action{Kind: plan.WithdrawJob, Operation: r.record.Operation, Error: "spec.protect is true",
		Withdrawn: true}
	if got := r.do(back); got.Result != plan.Done {
		t.Errorf("WithdrawJob = %+v", got)
	}
	if job := r.observe().Agent.Job; job.State != inventory.JobWithdrawn || !job.Untouched || !job.Over ||
		job.Error != back.Error {
		t.Errorf("job = %+v, want it withdrawn, and untouched", job)
	}
	if got := r.do(back); got.Result != plan.Done {
		t.Errorf("WithdrawJob again = %+v", got)
	}
}
