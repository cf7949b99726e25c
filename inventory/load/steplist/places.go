package steplist

import (
	"slices"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/steps"
)

// checkPlaces finds a step that would erase the system that the install wrote, and a step that works in that system and
// stands in front of the install.
func (r *Reader) checkPlaces(list []inventory.Step, entries []Entry) {
	report := func(step inventory.Step, field, hint, message string) {
		at := slices.IndexFunc(entries, func(e Entry) bool { return e.step.Key() == step.Key() })
		if at >= 0 {
			r.Report(entries[at].document.ErrorAt(entries[at].field+field, hint, "%s", message))
		}
	}
	if early, found := steps.FindEarlyFiles(list); found {
		report(early, ".step", "put the step behind install, or write-image", "there is no installed system yet where the step stands")
	}
	if erased, found := steps.FindErasedSystem(list); found {
		report(erased, ".args", "put the step in front of install", "the step erases the root disk behind the install")
	}
}
