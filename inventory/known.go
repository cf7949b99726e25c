package inventory

import (
	"fmt"
	"slices"
	"strings"
)

// CheckValues names a value of the record that this ingot does not know, as a stage that a newer one has: nothing can be decided from such a record. Who reads
// a record checks it, whatever it was read from; the planner takes only records that passed.
func (r Record) CheckValues() error {
	underWay := []Stage{Intended, Published, Armed, Written, Starting}
	switch op, last, b := r.Operation, r.Last, r.Boot; {
	case op != nil && !slices.Contains(underWay, op.Stage):
		return fmt.Errorf("operation.stage %q is not one of an operation under way", op.Stage)
	case op != nil && !knownContent(op.Content):
		return fmt.Errorf("operation.content %q is not known", op.Content)
	case last != nil && last.Stage != Ended:
		return fmt.Errorf("stage %q of the last operation is not %s", last.Stage, Ended)
	case last != nil && !slices.Contains([]string{Succeeded, Superseded, Quarantined}, last.Outcome):
		return fmt.Errorf("outcome %q of the last operation is not known", last.Outcome)
	case b != nil && !slices.Contains([]string{FromRamdisk, FromDisk}, b.Target):
		return fmt.Errorf("boot.target %q is not known", b.Target)
	case b != nil && !slices.Contains([]BootStage{Preparing, Powering, Running}, b.Stage):
		return fmt.Errorf("boot.stage %q is not known", b.Stage)
	}
	return nil
}

// knownContent reports whether a consent may have named this.
func knownContent(content string) bool {
	return content == ContentBlank || content == ContentUnseen ||
		slices.ContainsFunc([]string{contentInstall, contentOther, contentFailed}, func(kind string) bool { return strings.HasPrefix(content, kind) })
}
