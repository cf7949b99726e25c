package status

import (
	"slices"
	"strings"
	"time"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/act"
	"github.com/gitmetal/ingot/reconcile/plan"
	"github.com/gitmetal/ingot/reconcile/plan/change"
	"github.com/gitmetal/ingot/schemas"
)

// Result is the result of a look at a host. Desired, Observed and Plan are never nil; Summarize does not keep them.
type Result struct {
	At       time.Time // of the look
	Desired  *inventory.Desired
	Observed *inventory.Observed // with the record after what was done
	Plan     *plan.Plan
	Action   act.Kind // "" when nothing was due
	Outcome  act.Outcome
}

// Summarize writes the document of a look. The previous document gives the times of unchanged conditions and waits,
// and the unknown members of a newer ingot.
func Summarize(previous Document, r Result) Document {
	rec := &r.Observed.Record
	d := Document{
		APIVersion: schemas.APIVersion, Kind: KindHostStatus,
		Metadata: NewMetadata(r.Desired.Name, r.Desired.ID, r.Desired.Labels),
		Phase:    r.Plan.Phase, Commit: spokenOf(previous, r), File: r.Desired.File, Waits: r.Plan.Waits,
		Life: rec.Life, Revision: rec.Revision, Epoch: rec.Epoch, Installed: rec.Installed,
		Operation: rec.Operation, LastOperation: rec.Last, Boot: rec.Boot, Run: rec.Run, Ran: rec.Ran, LostRuns: rec.LostRuns, Settings: rec.Settings, Hardware: rec.Facts,
		Adopted: rec.Adopted, Stranger: rec.Stranger, Spent: rec.Spent, Erased: rec.Erased, Requests: r.Plan.Requests, Done: rec.Done.ForPage(),
		Recovered: rec.Recovered, Forgotten: rec.Forgotten,
		Pinned: rec.Pinned, Ring: r.Desired.Ring, Pending: r.Desired.Pending,
		Unknown: previous.Unknown.With(rec.Unknown),
	}
	d.Metadata.Unknown = previous.Metadata.Unknown
	if r.Desired.Workload != nil {
		d.Workload = r.Desired.Workload.Name
	}
	if h := r.Plan.Hold; h != nil {
		d.Hold = &Hold{Reason: h.Reason, Message: h.Message, Consent: h.Consents, Takeover: h.Takeover,
			Countersign: change.Countersign(h.Unsigned)}
	}
	if r.Outcome.Unsent {
		d.Waits = r.Outcome.Why
	}
	d.Due = describeDue(previous.Due, r.Plan.Due)
	d.Error = findError(previous, r)
	d.Conditions = newConditions(previous, r)
	d.Cause = findCause(r)
	return d
}

// sameDue is how far a deadline may move before the document says so: it moves a little with every look, as the time
// in which a machine cannot be heard does not count.
const sameDue = time.Minute

// describeDue gives the deadline of a wait; "" without a deadline.
func describeDue(previous string, due time.Time) string {
	if due.IsZero() {
		return ""
	}
	if was, err := time.Parse(time.RFC3339, previous); err == nil && due.Sub(was).Abs() < sameDue {
		return previous
	}
	return due.UTC().Format(time.RFC3339)
}

// spokenOf is the commit of the document. A commit without a change for the host does not rewrite the document.
func spokenOf(previous Document, r Result) string {
	if previous.Phase == r.Plan.Phase && previous.Phase != "" && previous.Commit != "" && r.Plan.Action == nil &&
		sameHold(previous.Hold, r.Plan.Hold) && sameInstall(previous, r) {
		return previous.Commit
	}
	return r.Desired.Commit
}

// sameInstall reports whether the document has the install of the record.
func sameInstall(previous Document, r Result) bool {
	a, b := previous.Installed, r.Observed.Record.Installed
	return (a == nil) == (b == nil) && (a == nil || a.ID == b.ID)
}

// sameHold reports whether two holds ask for the same.
func sameHold(a *Hold, b *change.Hold) bool {
	return (a == nil) == (b == nil) && (a == nil || (a.Reason == b.Reason && slices.Equal(a.Consent, b.Consents) && a.Takeover == b.Takeover))
}

// findError is the last error: of a failed effect, or of the operation's last attempt. An error in the message of the
// hold is not repeated.
func findError(previous Document, r Result) string {
	switch r.Outcome.Result {
	case act.Retry, act.Stalled:
		if h := r.Plan.Hold; h != nil && r.Outcome.Why != "" && strings.Contains(h.Message, r.Outcome.Why) {
			return ""
		}
		return string(r.Action) + ": " + r.Outcome.Why
	case act.Waits:
		return previous.Error
	default:
		if op := r.Observed.Record.Operation; op != nil {
			return op.Error
		}
		if last := r.Observed.Record.Last; last != nil && last.Outcome == inventory.Quarantined &&
			r.Observed.Record.Installed == nil {
			return last.Error
		}
		return ""
	}
}

// newConditions are the conditions after a look, with the time of the last change.
func newConditions(previous Document, r Result) []Condition {
	reach := Condition{Type: Reachable, Status: "Unknown"}
	switch r.Observed.BMC.Reach {
	case inventory.Reached:
		reach.Status = "True"
	case inventory.Unreachable, inventory.Unauthorized, inventory.SecretUnusable, inventory.Refused:
		reach.Status, reach.Reason = "False", string(r.Observed.BMC.Reach)
		if r.Observed.BMC.Reach == inventory.SecretUnusable { // the errors of a BMC differ from look to look
			reach.Message = r.Observed.BMC.Error
		}
	case inventory.NotAsked:
		if old, ok := previous.findCondition(Reachable); ok {
			reach.Status, reach.Reason, reach.Message = old.Status, old.Reason, old.Message
		}
	}
	installed := Condition{Type: Installed, Status: "False"}
	if rec, w := &r.Observed.Record, r.Desired.Workload; rec.Has(w) || w == nil && rec.Installed != nil {
		installed.Status = "True"
	}
	list, now := []Condition{installed, reach}, ""
	for i := range list {
		old, ok := previous.findCondition(list[i].Type)
		if ok && old.Status == list[i].Status {
			list[i].Since = old.Since
			continue
		}
		if now == "" {
			now = r.At.UTC().Format(time.RFC3339)
		}
		list[i].Since = now
	}
	return list
}

func (d Document) findCondition(kind string) (Condition, bool) {
	for _, c := range d.Conditions {
		if c.Type == kind {
			return c, true
		}
	}
	return Condition{}, false
}
