package recovery

import (
	"fmt"
	"slices"
	"time"

	"github.com/gitmetal/ingot/inventory"
)

// KnowsMore says what a page knows of a host that the journal's record does not know yet, as a clause for people; "" when the record is at least as new, as it
// is as a rule: a page lags behind by a push. The first row that fits decides; "further" is compared by attempt, then stage, then whether that attempt may have
// written. An operation has ended for a record that has it as its last, as installed or as dropped, or that has its consent among the spent ones which the
// other record lacks.
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
// Where each knows something that the other does not, each knows more: two daemons wrote them.
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

// compareUnderWay compares by the operations under way; false when neither record has one, or both have the same and are as far.
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
		if l := page.Last; l != nil && !record.Knows(l.ID) && (l.Ended.After(r.Started) || isAfterLast(l.Ended, record.Last)) {
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

// isAfterLast reports whether a time is later than the end of the operation that ended last, if there is one; a time that is not known is.
func isAfterLast(t time.Time, last *inventory.Operation) bool {
	return t.IsZero() || last == nil || t.After(last.Ended)
}

// hasEnded reports whether an operation that other has under way has ended as a record knows.
func hasEnded(record, other inventory.Record, op inventory.Operation) bool {
	current := record.Operation != nil && record.Operation.ID == op.ID
	_, spent := splitUnknownSpent(record, other)
	used := func(given string) bool { return slices.Contains(spent, given) }
	return !current && (record.Knows(op.ID) || slices.Contains(record.Dropped, op.ID) || slices.ContainsFunc(op.Consents(), used))
}

// rankProgress is how far an operation has come, the attempt first: a failed one leads back to an earlier step.
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

// mayHaveWritten reports whether an operation may have written to its disk.
func mayHaveWritten(op inventory.Operation) bool {
	return op.HasBegun() || op.Stage != inventory.Intended && op.Stage != inventory.Published
}

// compareLast compares by the operations that ended last; false when that is the same one, or none.
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

// hasLaterSystem reports whether a page has a system that the record does not know, and no later one.
func hasLaterSystem(page, record inventory.Record) bool {
	p, r := page.Installed, record.Installed
	return p != nil && record.Operation == nil && (r == nil || r.ID != p.ID && p.At.After(r.At))
}

// rankBoot is how far the boot of an epoch is: it is over where none is known, as each boot begins with an epoch of its own.
func rankBoot(b *inventory.Boot) int {
	if b == nil {
		return 9
	}
	return slices.Index([]inventory.BootStage{inventory.Preparing, inventory.Powering, inventory.Running}, b.Stage)
}

// splitUnknownSpent are the consents that one record has spent and the other does not know: those from before what the other knows, which it dropped for later
// ones, and those from after.
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

// fullSpent is how many spent consents make a record drop the oldest.
const fullSpent = 8

// mergeRecords is what a page and a record know: the one that knows more, with what must not be lost of the other: no spent consent; a system that called home,
// where the operation that installed it does not write any more; and a write that has begun and that the page knows nothing later than.
func mergeRecords(page, record inventory.Record) inventory.Record {
	more, less := record, page
	if KnowsMore(page, record) != "" && !isAhead(record.Operation, page.Operation) {
		more, less = page, record
		if len(more.Dropped) == 0 { // a page has none
			more.Dropped = record.Dropped
		}
		if op := record.Operation; op != nil && more.Operation == nil && mayHaveWritten(*op) && !hasEnded(page, record, *op) && !knowsLater(page, op.Started) {
			more.Operation, more.Installed = op, record.Installed
		}
	}
	more.Revision, more.Forgotten = max(more.Revision, less.Revision), max(more.Forgotten, less.Forgotten)
	before, after := splitUnknownSpent(less, more)
	if len(more.Spent) >= fullSpent {
		before = nil
	}
	if len(before)+len(after) > 0 {
		more.Spent = slices.Concat(before, more.Spent, after)
	}
	if op := more.Operation; op != nil && less.Installed != nil && less.Installed.ID == op.ID && op.Stage == inventory.Confirming {
		more.Operation, more.Installed = nil, less.Installed
		if less.Last != nil && less.Last.ID == op.ID {
			more.Last = less.Last
		}
	}
	return more
}

// isAhead reports whether, of two operations that two daemons have under way, the first one may have written while the other has not, or is the later one.
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

// knowsLater reports whether a record knows of something that ended after a time.
func knowsLater(record inventory.Record, than time.Time) bool {
	return record.Last != nil && record.Last.Ended.After(than) || record.Installed != nil && record.Installed.At.After(than)
}
