package status

import (
	"time"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/cause"
	"github.com/gitmetal/ingot/reconcile/plan"
	"github.com/gitmetal/ingot/reconcile/plan/change"
)

// findCause is the cause that the page keeps; nil where nothing stops the machine.
func findCause(r Result) *cause.Answer {
	c := cause.Case{Desired: r.Desired, Observed: r.Observed, Plan: r.Plan, Action: r.Action, Outcome: r.Outcome}
	if !c.IsKept() {
		return nil
	}
	answer := cause.Find(c)
	return &answer
}

// Explain gives the cause of a page: the cause that the page keeps, or what the rest of the page says, as for a page of
// an earlier ingot. The evidence is what the page has; a daemon knows more.
func (d Document) Explain() (cause.Answer, []cause.Evidence) {
	c := d.makeCase()
	evidence := append(cause.Collect(c), d.conditionEvidence()...)
	if d.Cause != nil {
		return *d.Cause, evidence
	}
	answer := cause.Find(c)
	if d.Hold != nil {
		answer.Why = d.Hold.Message // the fields of the sentence are not on the page
	}
	return answer, evidence
}

// makeCase is the page as a case.
func (d Document) makeCase() cause.Case {
	c := cause.Case{
		Desired: &inventory.Desired{ID: d.Metadata.Host(), Name: d.Metadata.Name, File: d.File, Ring: d.Ring,
			Pending: d.Pending, Lifecycle: "unknown"},
		Observed: &inventory.Observed{Record: d.Record()},
		Plan:     &plan.Plan{Phase: d.Phase, Waits: d.Waits},
		Error:    d.Error,
	}
	if d.Phase == plan.Orphaned {
		c.Desired.Lifecycle = ""
	}
	if d.Workload != "" {
		c.Desired.Workload = &inventory.Workload{Name: d.Workload}
	}
	if d.Hold != nil {
		c.Plan.Hold = &change.Hold{Reason: d.Hold.Reason, Message: d.Hold.Message, Consents: d.Hold.Consent}
	}
	if trouble := d.SecretTrouble(); trouble != "" {
		c.Observed.BMC = inventory.BMCState{Reach: inventory.SecretUnusable, Error: trouble}
	}
	if due, err := time.Parse(time.RFC3339, d.Due); err == nil {
		c.Plan.Due = due
	}
	return c
}

// conditionEvidence is whether the BMC was reached, and since when.
func (d Document) conditionEvidence() []cause.Evidence {
	reach, known := d.findCondition(Reachable)
	since, err := time.Parse(time.RFC3339, reach.Since)
	if !known || err != nil {
		return nil
	}
	text := "the BMC answers since then"
	switch reach.Status {
	case "False":
		text = "the BMC is not reached since then (" + reach.Reason + ")"
	case "Unknown":
		text = "the BMC was not asked since then"
	}
	return []cause.Evidence{{Of: cause.OfPower, At: since, Text: text}}
}
