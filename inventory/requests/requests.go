// Package requests knows the requests of a Host's file, each of which is done once per machine: which stand in the
// file, and which are done. Call Open for those that are still to be done, and Done.With when one is done. Do not
// decide here whether a request may be done now: package plan does. Pure.
package requests

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/gitmetal/ingot/inventory/format"
	"github.com/gitmetal/ingot/schemas"
)

// Kind of a request: the name of the field in spec.requests.
type Kind string

// Kinds of requests.
const (
	Resume  Kind = "resume"
	Inspect Kind = "inspect"
	Reboot  Kind = "reboot"
	Rotate  Kind = "rotate"
)

// Request is one value of a Host's file.
type Request struct {
	Kind  Kind
	Value string
	Mode  string // of a reboot: schemas.RebootSoft or schemas.RebootHard
}

// String names the request for people: "reboot fw-bug-7 (Soft)".
func (r Request) String() string {
	if r.Mode != "" {
		return fmt.Sprintf("%s %s (%s)", r.Kind, r.Value, r.Mode)
	}
	return string(r.Kind) + " " + r.Value
}

// List gives the requests that stand in a file.
func List(asked schemas.Requests) []Request {
	var all []Request
	if asked.Resume != "" {
		all = append(all, Request{Kind: Resume, Value: asked.Resume})
	}
	if asked.Inspect != "" {
		all = append(all, Request{Kind: Inspect, Value: asked.Inspect})
	}
	if r := asked.Reboot; r != nil {
		all = append(all, Request{Kind: Reboot, Value: r.ID, Mode: cmp.Or(r.Mode, schemas.RebootSoft)})
	}
	if asked.Rotate != "" {
		all = append(all, Request{Kind: Rotate, Value: asked.Rotate})
	}
	return all
}

// Open gives the requests of a file that are not done. Without knowledge of what is done, none is open: what stands in
// the file counts as done.
func Open(asked schemas.Requests, done *Done) []Request {
	return slices.DeleteFunc(List(asked), done.Has)
}

// shortID is how many characters of an operation's id name the operation in a resume.
const shortID = 8

// ResumeValue is the value of spec.requests.resume that ends the hold of a step, by the step's id and the id of its
// operation.
func ResumeValue(step, operation string) string {
	return step + "/" + operation[:min(shortID, len(operation))]
}

// MaxDone is how many values of a kind are kept.
const MaxDone = 8

// Done are the requests that were done on a machine, newest last, at most MaxDone of a kind. Nil means that nothing is
// known of what was done.
type Done struct {
	Resume  []string `json:"resume,omitempty"`
	Inspect []string `json:"inspect,omitempty"`
	Reboot  []string `json:"reboot,omitempty"`
	Rotate  []string `json:"rotate,omitempty"`
	// Notes say by kind how the newest request ended that was not simply done. No decision rests on a note.
	Notes map[Kind]string `json:"notes,omitempty"`
	// Unknown holds a newer ingot's members, to write back.
	Unknown format.Unknown `json:"-"`
}

// Run is a request that a boot is made for.
type Run struct {
	Kind  Kind   `json:"kind"`
	Value string `json:"value"`
	Mode  string `json:"mode,omitempty"`
	// Sent is when the one command of a reboot was about to be sent: recorded before, so that no crash repeats it. Zero
	// before, and for an inspection.
	Sent  time.Time `json:"sent,omitzero"`
	Error string    `json:"error,omitempty"` // how the command failed
	// BootID is the kernel boot id in the installed system's last call before the command.
	BootID string `json:"bootID,omitempty"`
	// Unknown holds a newer ingot's members, to write back.
	Unknown format.Unknown `json:"-"`
}

// CheckValues names a value that this ingot does not know, such as a newer ingot's kind of request. Nil has none.
func (r *Run) CheckValues() error {
	if r != nil && r.Kind != Inspect && r.Kind != Reboot {
		return fmt.Errorf("boot.request.kind %q is not known", r.Kind)
	}
	return nil
}

// Request is the request that the boot is made for.
func (r Run) Request() Request { return Request{Kind: r.Kind, Value: r.Value, Mode: r.Mode} }

// list gives the values of a kind; nil for an unknown kind.
func (d *Done) list(kind Kind) *[]string {
	switch kind {
	case Resume:
		return &d.Resume
	case Inspect:
		return &d.Inspect
	case Reboot:
		return &d.Reboot
	case Rotate:
		return &d.Rotate
	default:
		return nil
	}
}

// Has reports whether a request is done. Everything is done where nothing is known.
func (d *Done) Has(r Request) bool {
	if d == nil {
		return true
	}
	values := d.list(r.Kind)
	return values != nil && slices.Contains(*values, r.Value)
}

// With is the list with one more request, and a note; "" for a request that was simply done. The list is not changed.
func (d *Done) With(r Request, note string) *Done {
	next := d.clone()
	values := next.list(r.Kind)
	if values == nil {
		return next
	}
	*values = append(slices.DeleteFunc(*values, func(value string) bool { return value == r.Value }), r.Value)
	*values = (*values)[max(0, len(*values)-MaxDone):]
	return next.Noted(r.Kind, note)
}

// Noted is the list with another note of a kind; "" for none. The list is not changed.
func (d *Done) Noted(kind Kind, note string) *Done {
	next := d.clone()
	if delete(next.Notes, kind); note != "" {
		if next.Notes == nil {
			next.Notes = map[Kind]string{}
		}
		next.Notes[kind] = note
	}
	if len(next.Notes) == 0 {
		next.Notes = nil
	}
	return next
}

func (d *Done) clone() *Done {
	if d == nil {
		return &Done{}
	}
	next := *d
	next.Resume, next.Inspect, next.Reboot = slices.Clone(d.Resume), slices.Clone(d.Inspect), slices.Clone(d.Reboot)
	next.Rotate = slices.Clone(d.Rotate)
	next.Notes = maps.Clone(d.Notes)
	return &next
}

// TakeAsDone is the list of a machine of which nothing is known: what stands in its file is taken as done.
func TakeAsDone(asked schemas.Requests) *Done {
	done := &Done{}
	for _, r := range List(asked) {
		done = done.With(r, fmt.Sprintf("%s is taken as done: it stood in the file when the host became known", r))
	}
	return done
}

// Merge is what either of two lists knows, with the values of the newer list last; nil only where both are nil.
func Merge(newer, older *Done) *Done {
	if newer == nil || older == nil {
		return cmp.Or(newer, older)
	}
	merged := older.clone()
	for _, kind := range []Kind{Resume, Inspect, Reboot, Rotate} {
		for _, value := range *newer.list(kind) {
			merged = merged.With(Request{Kind: kind, Value: value}, newer.Notes[kind])
		}
	}
	merged.Unknown = newer.Unknown
	return merged
}

// ForPage is the list as a status page has it: nil where nothing was done, as a page without a list says that the
// requests of the file are taken as done.
func (d *Done) ForPage() *Done {
	if d == nil || len(d.Resume)+len(d.Inspect)+len(d.Reboot)+len(d.Rotate) == 0 && d.Unknown == "" {
		return nil
	}
	return d
}
