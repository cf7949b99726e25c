package plan

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/runs"
	"github.com/gitmetal/ingot/reconcile/act"
	"github.com/gitmetal/ingot/reconcile/plan/bootmethod"
	"github.com/gitmetal/ingot/reconcile/plan/change"
	"github.com/gitmetal/ingot/reconcile/plan/kernelboot"
)

// uploadTime is how long after the deadline of its script the agent may still upload results.
const uploadTime = 10 * time.Minute

// serveWorkloads answers for a machine that Workloads with runs may claim: it is inspected once, and begins the run that
// its Workload has for it. A run begins only on a machine that is certainly off and that nothing else uses.
func (h *host) serveWorkloads() (Plan, bool) {
	order, b := h.Observed.Order, h.Record.Boot
	if !h.Desired.Claimable || h.Desired.Workload != nil || h.Desired.BMC == nil || change.KeptOff(h.Desired) != "" {
		return Plan{}, false
	}
	if h.Observed.Retry && h.Record.LostRuns > 0 {
		return planAction(Unmanaged, act.Action{Kind: act.ForgiveRuns, Reason: "an operator says that it may be claimed again"}), true
	}
	unknown := order.Look || h.Record.Facts == nil && h.Record.Last == nil
	idle := Plan{Phase: Unmanaged, Waits: "a workload that claims it"}
	switch {
	case order.Workload != "":
		idle.Waits = fmt.Sprintf("workload %s, which has claimed it: %s", order.Workload, cmp.Or(order.Waits, "a run"))
	case order.Waits != "":
		idle.Waits = fmt.Sprintf("a workload that claims it: %s", order.Waits)
	}
	if !unknown && (order.Next == nil || b != nil) {
		return idle, b == nil // a boot of before is over first
	}
	if due, waits := kernelboot.Prepare(h.Observed, h.Record.Facts); waits != "" && b == nil {
		return Plan{Phase: Unmanaged, Action: due, Waits: waits, Again: time.Minute}, true
	}
	for _, question := range []func() (Plan, bool){h.checkBMC, h.checkIdentity, h.checkTokenAlarm, h.checkRamdisk,
		h.checkTakeover} {
		if p, answered := question(); answered {
			return p, true
		}
	}
	switch {
	case unknown:
		return h.inspectMachine(), true
	case !h.IsOff():
		idle.Waits = "the machine to be off before its run begins"
		return idle, true
	}
	run := order.Work.BeginRun(*order.Next, h.Desired.Commit)
	return planAction(Running, act.Action{Kind: act.OpenRun, Run: &run,
		Reason: fmt.Sprintf("item %d of workload %s is due", run.Item, run.Workload)}), true
}

// followRun sees a run to its end; false without a run. The first row that fits decides:
//
//	the run                                              due
//	has a job that ended                                 EndRun
//	is over                                              the machine off, its medium out, the override away: FreeRun
//	ends when its machine goes off, which happened       FinishRun
//	was not handed out, and is not wanted any more       EndRun: withdrawn
//	is to be taken back at once                          WithdrawRun
//	has a machine that went off, or a silent agent       WithdrawRun: lost; then EndRun
//	has a machine that does not boot                     EndRun: withdrawn, and lost for the machine
//	has no job                                           AssignRun
//	has a job for too long                               WithdrawRun: failed
func (h *host) followRun() (Plan, bool) {
	run := h.Record.Run
	if run == nil {
		return Plan{}, false
	}
	if end, over := h.FindRunEnd(); over {
		return h.endRun(end), true
	}
	if a := h.abandonRun(); a != nil && h.Observed.BMC.Reach.Failed() {
		return planAction(Running, *a), true
	}
	if p, answered := h.checkBMC(); answered {
		return showInPhase(p, Running), true
	}
	if p, answered := h.checkIdentity(); answered {
		return p, true
	}
	if run.IsOver() {
		return h.leaveRun(*run), true
	}
	order := h.Observed.Order
	takeBack := cmp.Or(order.TakeBack, change.KeptOff(h.Desired))
	switch {
	case takeBack != "" && !run.Handed:
		return h.endRun(run.Withdrawn(takeBack)), true
	case takeBack != "" && order.Now && h.RunJob().State != inventory.JobWithdrawn:
		return h.withdrawRun(runs.Withdrawn, takeBack), true
	}
	for _, question := range []func() (Plan, bool){h.checkTokenAlarm, h.checkTakeover} {
		if p, answered := question(); answered && (run.Booted == nil || !run.Handed) { // a kernel runs on without being watched
			return h.holdRun(*run, p), true
		}
	}
	return h.continueRun(*run), true
}

// holdRun answers for a machine that waits for a person while it has a run: another machine gets the item.
func (h *host) holdRun(run runs.UnderWay, p Plan) Plan {
	switch {
	case p.Hold == nil:
		return showInPhase(p, Running)
	case !run.Handed:
		next := h.endRun(run.Withdrawn(p.Hold.Message))
		next.Action.Lost = true
		return next
	}
	return h.loseRun(run, h.RunJob(), p.Hold.Message)
}

// abandonRun gives up a run whose machine may not be touched, or whose BMC does not answer: nothing is done to the
// machine, and another machine gets the item. Nil while the run may still end by itself.
func (h *host) abandonRun() *act.Action {
	run, b := h.Record.Run, h.Record.Boot
	if run == nil || run.IsOver() {
		return nil
	}
	if end, over := h.FindRunEnd(); over {
		return h.endRun(end).Action
	}
	agent := h.Observed.Agent
	unheard := agent.Seen.Before(h.Now.Add(-unheardTime)) && !agent.Quiet
	switch {
	case !run.Handed:
		return h.endRun(run.Withdrawn("nothing is done to the machine now")).Action
	case run.Booted != nil && !h.IsKernelSilent(unheardTime):
		return nil
	case run.Booted != nil:
		return h.loseRun(*run, h.RunJob(), "it ran longer than its deadline, and its BMC does not answer").Action
	case b == nil || agent.Boot != b.ID:
		return h.loseRun(*run, inventory.Job{}, "its boot is over").Action
	case !h.AgentAlive() || unheard:
		return h.loseRun(*run, h.RunJob(), "neither its agent nor its BMC says anything").Action
	default:
		return nil
	}
}

// unheardTime is how long an agent may say nothing, with a BMC that does not answer, before its run is lost. The time is
// not attended: what follows is that another machine does the work, and nothing is done to this one.
const unheardTime = 30 * time.Minute

// continueRun boots the ramdisk, hands the job out and waits for its end.
func (h *host) continueRun(run runs.UnderWay) Plan {
	p, ready := h.startRamdisk(Running)
	job := h.RunJob()
	age := h.Observed.Attended
	bootsAgain := p.Action != nil && p.Action.Kind == act.OpenBoot && h.Record.Boot != nil
	silent := !ready && h.Record.Boot != nil && h.Observed.Agent.Boot == h.Record.Boot.ID && !h.AgentAlive()
	unbootable := p.Hold != nil && p.Hold.Reason == change.BootFailed
	switch {
	case h.EndedWithOff(settle):
		return planAction(Running, act.Action{Kind: act.FinishRun, Reason: "the machine went off, which ends its run"})
	case run.Handed && (bootsAgain || silent || unbootable):
		why := "the agent has said nothing for " + h.Deadlines.Silence.String()
		if bootsAgain {
			why = p.Action.Reason
		}
		return h.loseRun(run, job, why)
	case unbootable:
		why, _, _ := strings.Cut(p.Hold.Message, seeConsole)
		next := h.endRun(run.Withdrawn(why))
		next.Action.Lost = true
		return next
	case p.Hold != nil && !run.Handed:
		return h.holdRun(run, p)
	case !ready:
		return p
	case run.Booted == nil && h.needsFacts():
		if p = h.recordFacts(Running); p.Hold != nil && !run.Handed {
			return h.holdRun(run, p)
		}
		return p
	case job.State == inventory.NoJob:
		return h.handOutRun(run)
	case job.State == inventory.JobWithdrawn:
		return Plan{Phase: Running, Waits: "the agent to end the run: " + job.Error, Again: bmcPause}
	case job.State == inventory.JobAssigned && h.Passed(age.Job, takeDeadline):
		return h.withdrawRun(runs.Lost, fmt.Sprintf("the agent did not take the run up within %s", takeDeadline))
	case run.Booted != nil && h.Passed(age.Job, run.Booted.Deadline):
		return h.withdrawRun(runs.Failed, fmt.Sprintf("the run took longer than %s", run.Booted.Deadline))
	case run.Booted == nil && h.Observed.Order.Work != nil && h.Passed(age.Job, h.Observed.Order.Work.Deadline+uploadTime):
		return h.withdrawRun(runs.Failed, fmt.Sprintf("the run took longer than %s", h.Observed.Order.Work.Deadline))
	default:
		return Plan{Phase: Running, Waits: "the end of " + run.Describe(), Again: bmcPause}
	}
}

// handOutRun hands the job of a run to the agent of the boot; the same job again changes nothing.
func (h *host) handOutRun(run runs.UnderWay) Plan {
	work := h.Observed.Order.Work
	if work != nil && work.Batch == run.Batch {
		return planAction(Running, act.Action{Kind: act.AssignRun, Execution: work, Reason: "the ramdisk is up"})
	}
	if !run.Handed {
		return h.endRun(run.Withdrawn("the fleet asks for other runs"))
	}
	return h.loseRun(run, inventory.Job{}, "its job is not known any more, and the fleet asks for other runs")
}

// loseRun ends a run that was lost with its machine. A job that the hub has is taken back before, so that no later result
// counts.
func (h *host) loseRun(run runs.UnderWay, job inventory.Job, why string) Plan {
	if job.State == inventory.JobAssigned || job.State == inventory.JobRunning {
		return h.withdrawRun(runs.Lost, why)
	}
	run.Outcome, run.Why = runs.Lost, why
	return h.endRun(run)
}

// withdrawRun takes the job of a run back; the outcome is recorded when the job has ended.
func (h *host) withdrawRun(outcome runs.Outcome, why string) Plan {
	return planAction(Running, act.Action{Kind: act.WithdrawRun, Error: act.WithdrawalReason(outcome, why), Reason: why})
}

// endRun records the end of a run.
func (h *host) endRun(end runs.UnderWay) Plan {
	reason := fmt.Sprintf("run %s %s: %s", end.ID, strings.ToLower(string(end.Outcome)), cmp.Or(end.Why, end.Error, "its job ended"))
	return planAction(Running, act.Action{Kind: act.EndRun, Run: &end, Reason: reason})
}

// leaveRun frees the machine of a run that is over: off, the medium out, the boot override away from the medium. A machine
// whose agent is silent is asked to shut down, and is not free before it was seen off.
func (h *host) leaveRun(run runs.UnderWay) Plan {
	const why = "the run is over"
	b := h.Record.Boot
	if (b != nil || run.Handed) && !h.IsOff() {
		return h.powerRunOff(b)
	}
	if b != nil {
		if a := h.leaveRamdisk(0, why); a != nil && a.Kind != act.CloseBoot {
			return h.followLeave(Running, *a)
		}
		if bootmethod.StartsFromMedia(h.Observed.BMC.Override) {
			return planAction(Running, act.Action{Kind: act.BootFromDisk, Boot: b, Reason: why})
		}
	}
	if !h.Observed.Order.Counted {
		return Plan{Phase: Running, Waits: "the batch of workload " + run.Workload + " to count the run", Again: bmcPause}
	}
	return planAction(Running, act.Action{Kind: act.FreeRun, Reason: "the run is counted, and the machine is off"})
}

// powerRunOff powers the machine of a run off that is over.
func (h *host) powerRunOff(b *inventory.Boot) Plan {
	const why = "the run is over"
	if b != nil && h.Observed.Agent.Boot == b.ID && !h.AgentAlive() && !b.Lost {
		return h.leaveSilent(Running, *b)
	}
	if p, answered := h.checkTakeover(); answered {
		return p
	}
	deaf := b == nil || b.Stage == inventory.Preparing || h.Observed.Agent.Alarm != "" // no agent of this boot takes a job
	if a := h.leaveRamdisk(0, why); a != nil && !deaf {
		return h.followLeave(Running, *a)
	}
	if h.StartedByUs() && h.IsOn() {
		return planAction(Running, *h.PowerOff(why))
	}
	return Plan{Phase: Running, Waits: "the machine to go off", Again: bmcPause}
}

// addRunEnd adds to a plan that leaves the machine alone the end of its run in the journal.
func (h *host) addRunEnd(p Plan) Plan {
	if p.Action == nil && h.Record.Unreadable == "" {
		p.Action = h.abandonRun()
	}
	return p
}
