package inventory

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// CheckValues names a value of the record that this ingot does not know, such as a newer ingot's stage: nothing can be
// decided from an unknown value. Every reader of a record calls CheckValues, from any source; the planner takes only
// checked records.
func (r Record) CheckValues() error {
	underWay := []Stage{Intended, Published, Working, Confirming}
	if op := r.Operation; op != nil {
		if !slices.Contains(underWay, op.Stage) {
			return fmt.Errorf("operation.stage %q is not one of an operation under way", op.Stage)
		}
		if err := op.checkOperationValues(); err != nil {
			return err
		}
	}
	switch last, b := r.Last, r.Boot; {
	case last != nil && !last.Kind.IsKnown():
		return fmt.Errorf("kind %q of the last operation is not known", last.Kind)
	case last != nil && last.Stage != Ended:
		return fmt.Errorf("stage %q of the last operation is not %s", last.Stage, Ended)
	case last != nil && !slices.Contains([]string{Succeeded, Superseded, Quarantined}, last.Outcome):
		return fmt.Errorf("outcome %q of the last operation is not known", last.Outcome)
	case b != nil && !slices.Contains([]string{FromRamdisk, FromDisk}, b.Target):
		return fmt.Errorf("boot.target %q is not known", b.Target)
	case b != nil && !slices.Contains([]BootStage{Preparing, Powering, Running}, b.Stage):
		return fmt.Errorf("boot.stage %q is not known", b.Stage)
	case b != nil && b.Request.CheckValues() != nil:
		return b.Request.CheckValues()
	case r.Run.CheckValues() != nil:
		return r.Run.CheckValues()
	}
	return r.Settings.CheckValues()
}

// checkOperationValues names an unknown or impossible value of an operation under way.
func (o Operation) checkOperationValues() error {
	switch {
	case !o.Kind.IsKnown():
		return fmt.Errorf("operation.kind %q is not known", o.Kind)
	case len(o.Disks) == 0:
		return fmt.Errorf("operation.disks are none, an operation of kind %s has at least one", o.Kind)
	case o.Cursor < 0 || o.Cursor > len(o.Steps):
		return fmt.Errorf("operation.cursor %d is beyond its %d steps", o.Cursor, len(o.Steps))
	}
	for _, d := range o.Disks {
		if !isKnownContent(d.Content) {
			return fmt.Errorf("operation.content %q is not known", d.Content)
		}
		if d.Mark != "" && !markGrammar.MatchString(d.Mark) {
			return fmt.Errorf("operation.mark %q is not known", d.Mark)
		}
	}
	for _, step := range o.Steps {
		if !slices.Contains([]StepProgress{StepWaiting, StepWorking, StepDone, StepFailed, StepSkipped}, step.State) {
			return fmt.Errorf("state %q of step %s is not known", step.State, step.Name)
		}
		if !slices.Contains([]string{"", WhenHolds, WhenFails}, step.When) {
			return fmt.Errorf("decision %q about step %s is not known", step.When, step.Name)
		}
		if step.Needs != NeedsAgent {
			return fmt.Errorf("step %s needs %q, which is not known", step.Name, step.Needs)
		}
	}
	return nil
}

// isKnownContent reports whether a consent may have named the content.
func isKnownContent(content string) bool {
	return content == ContentBlank || content == ContentUnseen ||
		slices.ContainsFunc([]string{contentInstall, contentUnmarked, contentOther, contentFailed},
			func(kind string) bool { return strings.HasPrefix(content, kind) })
}

// markGrammar matches a GUID in the spelling of marks.
var markGrammar = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)
