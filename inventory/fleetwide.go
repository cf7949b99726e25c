package inventory

import (
	"slices"
	"time"
)

// NoteErase gives the record after a change, with the start of an erase added where the change has an operation begin
// to write to a disk with content. An operation counts once, whatever the number of its disks and attempts.
func NoteErase(before, after Record, now time.Time) Record {
	op := after.Operation
	if op == nil {
		op = after.Last
	}
	if op == nil || !op.Erases() || !op.HasBegun() || before.hasBegun(op.ID) {
		return after
	}
	after.Erased = append(slices.Clone(after.Erased), now.UTC().Truncate(time.Second))
	after.Erased = after.Erased[max(0, len(after.Erased)-MaxErased):]
	return after
}

// hasBegun reports whether an operation, under way or ended, may have written to a disk.
func (r Record) hasBegun(operation string) bool {
	begun := func(op *Operation) bool { return op != nil && op.ID == operation && op.HasBegun() }
	return begun(r.Operation) || begun(r.Last)
}
