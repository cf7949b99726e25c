package review

import (
	"fmt"
	"strings"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/requests"
	"github.com/gitmetal/ingot/reconcile/plan/change"
)

// whyKeptOff says that nothing begins on a machine that somebody keeps off, or "".
func whyKeptOff(d inventory.Desired) string {
	if why := change.KeptOff(d); why != "" {
		return "it is " + why + ": nothing begins before"
	}
	return ""
}

// noteKeptOff adds that another key keeps the machine off, or none any more, where the verdict does not say it
// (judgePower).
func (h *Host) noteKeptOff(before, after inventory.Desired) {
	was, is := change.KeptOff(before), change.KeptOff(after)
	told := h.Verdict == change.TurnOff || h.Verdict == change.TurnOn || h.Verdict == change.HandsOff
	switch {
	case told, was == is:
	case is != "":
		h.Requests = append(h.Requests, is)
	default:
		h.Requests = append(h.Requests, "nobody keeps it off any more (spec.offBy)")
	}
}

// noteRequests adds what the change asks to be done once. A value that the base has, or that the status page has as
// done, is no news, and a host that the base does not have takes the values of its file as done.
func (h *Host) noteRequests(before, after inventory.Desired, record inventory.Record) {
	if h.Verdict == change.HandsOff {
		return
	}
	known := &requests.Done{}
	for _, r := range requests.List(before.Requests) {
		known = known.With(r, "")
	}
	for _, r := range requests.Open(after.Requests, known) {
		if record.Done == nil || !record.Done.Has(r) {
			h.Requests = append(h.Requests, describeRequest(r, record))
		}
	}
}

// describeRequest says what is done once for a request.
func describeRequest(r requests.Request, record inventory.Record) string {
	switch r.Kind {
	case requests.Resume:
		step, operation, _ := strings.Cut(r.Value, "/")
		if !strings.HasPrefix(record.OperationID(), operation) {
			return fmt.Sprintf("resumes nothing: operation %s is not under way", operation)
		}
		return fmt.Sprintf("resumes hold %s of operation %s", step, operation)
	case requests.Inspect:
		return fmt.Sprintf("is inspected, once, when it is free or off: %s", r.Value)
	case requests.Reboot:
		return fmt.Sprintf("reboots (%s), once: %s", r.Mode, r.Value)
	case requests.Rotate:
		return fmt.Sprintf("has the password of its BMC account changed, once: %s; the new Secret becomes a proposal", r.Value)
	default:
		panic("review: unknown request " + string(r.Kind))
	}
}
