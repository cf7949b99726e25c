package requested

import (
	"fmt"
	"strings"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/requests"
	"github.com/gitmetal/ingot/inventory/rotation"
	"github.com/gitmetal/ingot/reconcile/plan/change"
	"github.com/gitmetal/ingot/schemas"
)

// Outlook is what a fleet says of a host's requests.
type Outlook struct {
	Desired inventory.Desired
	Turn    string // what keeps a reboot or an inspection from its turn (package admit), or ""
	Behind  string // what keeps the steps behind a hold from theirs, or ""
	Refused string // why another password of the BMC's account is refused (package rotation), or ""
}

// Foresee says what a change of a Host's file asks to be done once, and what each request waits for. A value that the file
// had before, or that the status page has as done, is no news, unless the change ends what the value waits for. A host
// without a file before takes the values of its file as done: do not ask about such a host.
func Foresee(before, after Outlook, record inventory.Record) (lines []string) {
	known := &requests.Done{}
	for _, r := range requests.List(before.Desired.Requests) {
		known = known.With(r, "")
	}
	for _, r := range requests.List(after.Desired.Requests) {
		waits := whyWaits(r, after, record)
		isLetGo := record.Done != nil && waits == "" && whyWaits(r, before, record) != ""
		switch {
		case record.Done != nil && record.Done.Has(r), known.Has(r) && !isLetGo:
		case waits == "" && r.Kind == requests.Rotate && after.Refused != "":
			lines = append(lines, fmt.Sprintf("changes no password, and %s counts as done: %s", r, after.Refused))
		case waits == "":
			lines = append(lines, describe(r, record))
		case r.Kind == requests.Resume:
			lines = append(lines, describe(r, record)+"; what is behind the hold waits: "+waits)
		default:
			lines = append(lines, describe(r, record)+"; it waits: "+waits)
		}
	}
	return lines
}

// whyWaits says why a request is not done after the merge, as far as the files and the status page tell; "" where it
// is done in its turn. Answer decides about the machine itself.
func whyWaits(r requests.Request, is Outlook, record inventory.Record) string {
	d := is.Desired
	off, keptOff, byFile := d.Power == schemas.PowerOff, change.KeptOff(d), rotation.WhyWaits(d)
	switch {
	case r.Kind == requests.Resume && !resumes(r, record):
		return ""
	case r.Kind == requests.Resume:
		return is.Behind
	case byFile != "", r.Kind == requests.Rotate: // no power command belongs to a rotation
		return byFile
	case keptOff != "":
		return "the machine is " + keptOff
	case r.Kind == requests.Reboot && record.Installed == nil:
		return "ingot has installed no system there"
	case r.Kind == requests.Reboot && off:
		return "spec.power is Off"
	case r.Kind == requests.Inspect && record.Installed != nil && !off:
		return "the machine is in service; with spec.power: Off it is inspected"
	default:
		return is.Turn
	}
}

// resumes reports whether a resume names the operation under way.
func resumes(r requests.Request, record inventory.Record) bool {
	_, operation, _ := strings.Cut(r.Value, "/")
	return operation != "" && strings.HasPrefix(record.OperationID(), operation)
}

// describe says what is done once for a request.
func describe(r requests.Request, record inventory.Record) string {
	switch r.Kind {
	case requests.Resume:
		step, operation, _ := strings.Cut(r.Value, "/")
		if !resumes(r, record) {
			return fmt.Sprintf("resumes nothing: operation %s is not under way", operation)
		}
		return fmt.Sprintf("resumes hold %s of operation %s", step, operation)
	case requests.Inspect:
		return fmt.Sprintf("is inspected, once: %s", r.Value)
	case requests.Reboot:
		return fmt.Sprintf("reboots (%s), once: %s", r.Mode, r.Value)
	case requests.Rotate:
		return fmt.Sprintf("has the password of its BMC account changed, once: %s; the new Secret becomes a proposal", r.Value)
	default:
		panic("requested: unknown request " + string(r.Kind))
	}
}
