package plan

import (
	"fmt"
	"slices"
	"time"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/act"
	"github.com/gitmetal/ingot/reconcile/plan/change"
)

// An agent that is about to write has its disks open, and asks for leave. The question is part of what is observed. A
// no takes the job back: the attempt does not count, nothing is spent, and the machine goes back to what it ran. A yes
// is the action GiveLeave: begun goes into the journal, and then the answer to the agent.

// answerQuestion answers the agent's question for leave. The first row that fits decides:
//
//	the question                                              due
//	none                                                      the other questions of continueStep
//	shows a disk otherwise than the record has it             RecordFacts: a question is a look at the disks
//	comes from another process than leave was given to        WithdrawJob: the attempt failed
//	the fleet does not want or allow the operation            WithdrawJob: the attempt does not count
//	a disk is not as the operation was allowed                WithdrawJob: the attempt does not count
//	came after the last look at the fleet began               wait for the next look
//	the fleet cannot be looked at, for longer than maxStale   wait
//	any other                                                 GiveLeave
func (h *host) answerQuestion(op inventory.Operation, job inventory.Job) (Plan, bool) {
	q := job.Question
	if q == nil || job.State != inventory.JobRunning || !op.Writes() {
		return Plan{}, false
	}
	if a := h.recordLook(op, *q); a != nil {
		return planAction(Installing, *a), true
	}
	another := op.BeganWithLeave() && op.Leave.Nonce != q.Nonce
	if another {
		why := "the agent began anew after it had leave to write"
		return planAction(Installing, act.Action{Kind: act.WithdrawJob, Operation: &op, Error: why, Lost: true, Reason: why}), true
	}
	why := h.whyNoLeave(op, *q)
	if why != "" { // guard: leave
		return h.withdrawJob(op, why), true
	}
	if waits := whyUndecided(h.Observed.Fleet, q.At, h.Now); waits != "" {
		return Plan{Phase: Installing, Waits: waits, NeedsFleet: true, Again: leavePause}, true
	}
	p := planAction(Installing, act.Action{Kind: act.GiveLeave, Operation: &op, Question: q,
		Reason: "the fleet allows the write, and the open disks are as allowed"})
	no := h.withdrawJob(op, "")
	p.Otherwise = &no
	return p, true
}

// leavePause is the time until the next look while a question for leave waits.
const leavePause = 2 * time.Second

// recordLook is the action that records what a question shows of the disks: another content than the record has, or a
// disk that is as it was when leave was given. Nil when the record has it all.
func (h *host) recordLook(op inventory.Operation, q inventory.Question) *act.Action {
	if h.Record.Facts == nil {
		return nil
	}
	facts, differs := act.WithSeen(*h.Record.Facts, q)
	looked := h.Record.Facts.IdentifyLook(q.Disks)
	asSeen := slices.ContainsFunc(op.Disks, func(d inventory.OperationDisk) bool { return act.IsAsSeen(d, looked) })
	if !differs && !asSeen {
		return nil
	}
	return &act.Action{Kind: act.RecordFacts, Facts: &facts, Reason: "the agent looked at the open disks"}
}

// whyNoLeave says why the agent may not write, or "".
func (h *host) whyNoLeave(op inventory.Operation, q inventory.Question) string {
	if why := h.whyRefused(op); why != "" {
		return why
	}
	_, why := change.CompareDisks(op, h.Record,
		change.Compared{Indexes: op.StepDisks(), Seen: h.Record.Facts.IdentifyLook(q.Disks)})
	return why
}

// whyUndecided says what a question for leave waits for, or "": a look at the fleet that began after the question, or,
// where that look failed, a good look that is not too old.
func whyUndecided(fleet inventory.FleetState, asked, now time.Time) string {
	switch {
	case !fleet.StartedAt.After(asked):
		return "a look at the fleet before anything is written"
	case fleet.Error == "":
		return ""
	case fleet.LookedAt.IsZero() || now.Sub(fleet.LookedAt) > fleet.MaxStale:
		return fmt.Sprintf("a look at the fleet before anything is written: %s", fleet.Error)
	default:
		return ""
	}
}

// RefuseLeave is a plan that would give leave, changed into one that takes the job back for a reason of other machines.
func RefuseLeave(p Plan, why string) Plan {
	no := *p.Otherwise.Action
	no.Error, no.Reason = why, why
	p.Action, p.Otherwise = &no, nil
	return p
}
