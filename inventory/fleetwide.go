package inventory

import (
	"slices"
	"strings"
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

// SharedInputs names what all hosts of a workload install alike: the inputs without a host's vars and root disk. Failures
// of one workload are counted by this name.
func SharedInputs(workload string, parts map[string]string) string {
	var room [16]string // every look asks
	names, size := room[:0], len(workload)
	for name, value := range parts {
		if name != "vars" && name != "rootDisk" {
			names, size = append(names, name), size+len(name)+len(value)+2
		}
	}
	slices.Sort(names)
	var shared strings.Builder
	shared.Grow(size)
	shared.WriteString(workload)
	for _, name := range names {
		shared.WriteString(" ")
		shared.WriteString(name)
		shared.WriteString("=")
		shared.WriteString(parts[name])
	}
	return shared.String()
}
