package recovery

import (
	"fmt"
	"slices"
	"time"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/requests"
	"github.com/gitmetal/ingot/reconcile/act"
)

// KnowsMore says by content which news a page has beyond the journal's record, as a clause for people; "" when the
// record is at least as new. WhyNewer asks only where lives and revisions say nothing. As a rule the record is newer: a
// page lags behind by a push. The first row that fits decides. "Further"
// compares attempt, stage, step (rankProgress), and whether the attempt may have written. An operation has ended for a
// record that names the operation as last, installed or dropped, or that has spent the operation's consent while the
// other record has not.
//
//	the page                                              the journal's record             knows more
//	a higher epoch                                        a lower one                      page
//	a lower epoch                                         a higher one                     record
//	an operation has ended                                has it under way                 page
//	has an operation under way                            it has ended                     record
//	has an operation under way                            has the same                     the one that is further
//	has an operation under way, which began after all     another one, or none             page
//	  that has ended for the record
//	none, its last ended after that of the record         has one under way                page
//	none                                                  has one under way                record
//	its last operation                                    an earlier one, or none          page
//	a system installed                                    an earlier one, or none          page
//	a consent spent                                       not                              page
//	the boot of the epoch is over, or further             under way, or less far           page
//	another boot of the epoch                             another one                      page
//	facts of a later boot, a takeover                     none, or earlier ones            page
//	anything else                                         anything else                    record
//
// Two daemons wrote the two records when KnowsMore answers for both orders.
func KnowsMore(page, record inventory.Record) string {
	switch {
	case page.Epoch > record.Epoch:
		return "a later boot of it is known"
	case page.Epoch < record.Epoch:
		return ""
	}
	for _, compare := range []func(page, record inventory.Record) (string, bool){compareUnderWay, compareLast} {
		if why, decided := compare(page, record); decided {
			return why
		}
	}
	_, spent := splitUnknownSpent(page, record)
	switch {
	case hasLaterSystem(page, record):
		return fmt.Sprintf("install %s runs", page.Installed.ID)
	case len(spent) > 0:
		return "consent " + spent[len(spent)-1] + " is spent"
	case page.Boot != nil && record.Boot != nil && page.Boot.ID != record.Boot.ID:
		return fmt.Sprintf("boot %s is under way", page.Boot.ID)
	case rankBoot(page.Boot) != rankBoot(record.Boot):
		if rankBoot(page.Boot) > rankBoot(record.Boot) {
			return "its boot is further"
		}
		return ""
	case page.Facts != nil && (record.Facts == nil || page.Facts.Epoch > record.Facts.Epoch):
		return "its hardware was looked at later"
	case page.Adopted != "" && record.Adopted == "":
		return "machine " + page.Adopted + " was taken over"
	default:
		return ""
	}
}

// compareUnderWay compares the operations under way. Undecided (false) are two records without an operation, or with
// the same operation equally far.
func compareUnderWay(page, record inventory.Record) (why string, decided bool) {
	p, r := page.Operation, record.Operation
	switch {
	case r != nil && hasEnded(page, record, *r):
		return fmt.Sprintf("operation %s has ended", r.ID), true
	case p != nil && hasEnded(record, page, *p):
		return "", true
	case p == nil && r == nil:
		return "", false
	case p == nil:
		if l := page.Last; l != nil && !record.Knows(l.ID) &&
			(l.Ended.After(r.Started) || isAfterLast(l.Ended, record.Last)) {
			return fmt.Sprintf("operation %s has ended", l.ID), true
		}
		return "", true
	case r == nil, p.ID != r.ID:
		if !isAfterLast(p.Started, record.Last) {
			return "", true
		}
		return fmt.Sprintf("operation %s is under way", p.ID), true
	default:
		order := slices.Compare(rankProgress(*p), rankProgress(*r))
		if order > 0 {
			return fmt.Sprintf("operation %s is further", p.ID), true
		}
		return "", order < 0
	}
}

// isAfterLast reports whether a time is after the end of the last operation. An unknown time, or a record without a
// last operation, counts as after.
func isAfterLast(t time.Time, last *inventory.Operation) bool {
	return t.IsZero() || last == nil || t.After(last.Ended)
}

// hasEnded reports whether, for record, an operation has ended that is under way for other.
func hasEnded(record, other inventory.Record, op inventory.Operation) bool {
	current := record.Operation != nil && record.Operation.ID == op.ID
	_, spent := splitUnknownSpent(record, other)
	used := func(given string) bool { return slices.Contains(spent, given) }
	return !current && (record.Knows(op.ID) || slices.Contains(record.Dropped, op.ID) ||
		slices.ContainsFunc(op.Consents(), used))
}

// rankProgress ranks how far an operation has come. The attempt goes first: a failed attempt returns to an earlier
// step.
func rankProgress(op inventory.Operation) []int {
	begun, handedOut := 0, 0
	if op.HasBegun() {
		begun = 1
	}
	if step, ok := op.Step(); ok && step.State == inventory.StepWorking {
		handedOut = 1
	}
	return []int{op.Attempt, slices.Index(stages, op.Stage), op.Starts, op.Cursor, handedOut, begun}
}

var stages = []inventory.Stage{
	inventory.Intended, inventory.Published, inventory.Working, inventory.Confirming, inventory.Ended,
}

// mayHaveWritten reports whether an operation may have written to a disk.
func mayHaveWritten(op inventory.Operation) bool {
	return op.HasBegun() || op.Stage != inventory.Intended && op.Stage != inventory.Published
}

// compareLast compares the last ended operations. Undecided (false) are equal last operations, or a missing one on
// both sides.
func compareLast(page, record inventory.Record) (why string, decided bool) {
	p, r := page.Last, record.Last
	switch {
	case p == nil:
		return "", r != nil
	case r != nil && p.ID == r.ID:
		return "", false
	case record.Knows(p.ID):
		return "", true
	case r == nil, page.Knows(r.ID), !r.Ended.After(p.Ended):
		return fmt.Sprintf("operation %s has ended", p.ID), true
	default:
		return "", true
	}
}

// hasLaterSystem reports whether a page has a later installed system than the record.
func hasLaterSystem(page, record inventory.Record) bool {
	p, r := page.Installed, record.Installed
	return p != nil && record.Operation == nil && (r == nil || r.ID != p.ID && p.At.After(r.At))
}

// rankBoot ranks how far the boot of an epoch has come. No boot means an ended boot, since each boot begins with its
// own epoch.
func rankBoot(b *inventory.Boot) int {
	if b == nil {
		return 9
	}
	return slices.Index([]inventory.BootStage{inventory.Preparing, inventory.Powering, inventory.Running}, b.Stage)
}

// splitUnknownSpent gives the spent consents of record that other does not know: before are older consents, which
// other dropped for later ones; after are newer consents.
func splitUnknownSpent(record, other inventory.Record) (before, after []string) {
	common := -1
	for i, consent := range record.Spent {
		if slices.Contains(other.Spent, consent) {
			common = i
		}
	}
	for i, consent := range record.Spent {
		switch known := slices.Contains(other.Spent, consent); {
		case known:
		case i < common || common < 0 && len(other.Spent) >= fullSpent:
			before = append(before, consent)
		default:
			after = append(after, consent)
		}
	}
	return before, after
}

// fullSpent is the number of spent consents after which a record drops the oldest consent.
const fullSpent = inventory.MaxSpent

// mergeRecords gives the newer of two records, completed from the older record by every spent consent, by the higher
// epoch, by a system that called home while the newer record still confirms the system, and by a begun write when the
// page knows no later event. Knowledge that the other record has forgotten is dropped first.
func mergeRecords(page, record inventory.Record) inventory.Record {
	page, record = dropForgotten(page, record), dropForgotten(record, page)
	more, less := record, page
	if WhyNewer(page, record) != "" && !isAhead(record.Operation, page.Operation) { // guard: lives
		more, less = page, record
		if len(more.Dropped) == 0 { // pages have no list of dropped operations
			more.Dropped = record.Dropped
		}
		if op := record.Operation; op != nil && more.Operation == nil && mayHaveWritten(*op) &&
			!hasEnded(page, record, *op) && !knowsLater(page, op.Started) {
			more.Operation, more.Installed = op, record.Installed
		}
	}
	more.Epoch = max(more.Epoch, less.Epoch)
	if more.Life.Number == less.Life.Number {
		more.Revision = max(more.Revision, less.Revision)
	}
	more.Done = requests.Merge(more.Done, less.Done)
	more.Forgotten = max(more.Forgotten, less.Forgotten)
	before, after := splitUnknownSpent(less, more)
	if len(more.Spent) >= fullSpent {
		before = nil
	}
	if len(before)+len(after) > 0 {
		more.Spent = slices.Concat(before, more.Spent, after)
	}
	if op := more.Operation; op != nil && less.Installed != nil && less.Installed.ID == op.ID &&
		op.Stage == inventory.Confirming {
		more.Operation, more.Installed = nil, less.Installed
		if less.Last != nil && less.Last.ID == op.ID {
			more.Last = less.Last
		}
	}
	return more
}

// dropForgotten gives a record without the knowledge that another record of the same machine has forgotten since.
func dropForgotten(record, other inventory.Record) inventory.Record {
	if other.Forgotten <= record.Epoch {
		return record
	}
	dropped := act.Forget(record)
	dropped.Epoch, dropped.Forgotten = record.Epoch, record.Forgotten
	return dropped
}

// isAhead reports whether op, of two operations that two daemons have under way, may have written while the other
// operation has not, or else started later.
func isAhead(op, other *inventory.Operation) bool {
	switch {
	case op == nil, other == nil, op.ID == other.ID:
		return false
	case mayHaveWritten(*op) != mayHaveWritten(*other):
		return mayHaveWritten(*op)
	default:
		return op.Started.After(other.Started)
	}
}

// knowsLater reports whether a record knows an operation or an install after a time.
func knowsLater(record inventory.Record, than time.Time) bool {
	return record.Last != nil && record.Last.Ended.After(than) || record.Installed != nil &&
		record.Installed.At.After(than)
}
