// Package settings is the vocabulary of what a BMC sets on its machine: BIOS attributes that a fleet declares, the
// registry in which a BMC says which attributes and values it takes, the comparison of both, and the jobs of a BMC.
//
// How a BIOS attribute of the fleet gets into a machine, and where each piece lives:
//
//	schemas                spec.bmc of a Step: names and values of attributes, and when they are applied
//	inventory/load         the Steps of one host → Workload.Settings, with the host's vars; no part of the inputs
//	boot/redfish/bios      reads registry, attributes and settings object of one BMC; writes the settings object
//	inventory/settings     Compare: wanted × read → what differs, and what the BMC would refuse
//	reconcile/effects      puts Found into Observed.BMC.Settings; does the action WriteSettings
//	reconcile/plan         what is due: a hold, an install's boot, or a maintenance of a machine in service
//	reconcile/act          Work in the record: intended, written with the job's id, reset by a boot, ended
//	reconcile              performAction asks WhyNoPower before every change of power: no other place does
//	reconcile/review       what a pull request means for the settings, by the record alone
//
// Call Compare for a reading, and read State for what the daemon remembers. Do not decide here what is done next:
// package plan does. The package is pure.
package settings

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/gitmetal/ingot/inventory/format"
	"github.com/gitmetal/ingot/schemas"
)

// Step is a Step with spec.bmc in a host's list.
type Step struct {
	Name string // of the Step
	ID   string // "" where the name is the id
	// Bios are the wanted attributes: text, float64 or bool. A text from a var stands for a number or a truth value where
	// the registry says so.
	Bios map[string]any
	// InTurn is set where the settings are changed on a machine in service too, in the turn of the machine's ring.
	InTurn  bool
	Seconds int // timeout
	// From is the place of the entry in the file of the Workload or of the host.
	From schemas.Position
	Host bool // the host adds the step
}

// Key is the id of the step in the host's list.
func (s Step) Key() string { return cmp.Or(s.ID, s.Name) }

// WithoutPlace is the step without the place of its entry.
func (s Step) WithoutPlace() Step {
	s.From, s.Host = schemas.Position{}, false
	return s
}

// Wanted are the settings that one piece of work sees to.
type Wanted struct {
	Steps   []string // ids, in the order of the list
	Bios    map[string]any
	Seconds int // the timeouts of the steps together
}

// Empty reports whether nothing is wanted.
func (w Wanted) Empty() bool { return len(w.Bios) == 0 }

// Merge gives what steps want together. With inTurn only the steps count that are applied in turn.
func Merge(list []Step, inTurn bool) Wanted {
	w := Wanted{}
	for _, s := range list {
		if inTurn && !s.InTurn {
			continue
		}
		w.Steps = append(w.Steps, s.Key())
		w.Seconds += s.Seconds
		if w.Bios == nil {
			w.Bios = make(map[string]any, len(s.Bios))
		}
		maps.Copy(w.Bios, s.Bios)
	}
	return w
}

// Digest is 16 hex over the wanted attributes; "" where nothing is wanted. Names of steps and timeouts do not count.
func (w Wanted) Digest() string {
	if w.Empty() {
		return ""
	}
	text, err := json.Marshal(w.Bios) // sorted by name
	if err != nil {
		panic(err) // texts, numbers and truth values
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:8])
}

// Describe lists the wanted attributes for people: "ProcVirtualization=Enabled".
func (w Wanted) Describe() []string {
	var all []string
	for _, name := range slices.Sorted(maps.Keys(w.Bios)) {
		all = append(all, name+"="+Text(w.Bios[name]))
	}
	return all
}

// Text is a value for people, and for the comparison of texts: true, 4, Enabled.
func Text(value any) string {
	switch v := value.(type) {
	case nil:
		return "nothing"
	case string:
		return v
	case float64:
		return strings.TrimSuffix(fmt.Sprintf("%.6f", v), ".000000")
	default:
		return fmt.Sprint(v)
	}
}

// State is what the daemon remembers of a machine's settings.
type State struct {
	// Held is the digest of the settings that held at the last look that found them so; "" before the first.
	Held string `json:"held,omitempty"`
	// Failed is the last work that failed; nil after one that succeeded.
	Failed *Failure `json:"failed,omitempty"`
	// Work is the work under way. An ingot that does not know of the work could cut the power in a job of the BMC.
	Work *Work `json:"work,omitempty" minReader:"6"`
	// Reset is the epoch of the newest boot that was the reset of work, and Seconds the timeout of that work: a firmware
	// that changes settings starts several times before it starts anything else.
	Reset   uint64 `json:"reset,omitempty"`
	Seconds int    `json:"seconds,omitempty"`
	// Unknown holds a newer ingot's members, to write back.
	Unknown format.Unknown `json:"-"`
}

// clone copies a State with its Work; nil gives an empty State.
func (s *State) clone() *State {
	if s == nil {
		return &State{}
	}
	next := *s
	if s.Work != nil {
		work := *s.Work
		next.Work = &work
	}
	return &next
}

// Begin gives the State with work that is intended.
func (s *State) Begin(work Work, now time.Time) *State {
	next := s.clone()
	work.Stage, work.Started = Intended, now
	next.Work = &work
	return next
}

// Write gives the State after the settings object was written.
func (s *State) Write(job string) *State {
	next := s.clone()
	if next.Work != nil && next.Work.Stage == Intended {
		next.Work.Stage, next.Work.Job = Written, job
	}
	return next
}

// Boot gives the State after a boot was opened: it is the reset of work that wants one.
func (s *State) Boot(epoch uint64) *State {
	if s == nil || s.Work == nil || s.Work.Stage != Written {
		return s
	}
	next := s.clone()
	next.Work.Stage, next.Work.Reset = Resetting, epoch
	next.Reset, next.Seconds = epoch, next.Work.Seconds
	return next
}

// End gives the State without work. With an error the work has failed; else held, unless "", are the settings that
// hold.
func (s *State) End(held, failure string, now time.Time) *State {
	next := s.clone()
	switch {
	case failure != "" && next.Work != nil:
		next.Failed = &Failure{Digest: next.Work.Digest, Commit: next.Work.Commit, Error: failure, At: now}
	case held != "":
		next.Held, next.Failed = held, nil
	}
	next.Work = nil
	return next
}

// Drop gives the State without the work of an operation that is over.
func (s *State) Drop(operation string) *State {
	if s == nil || s.Work == nil || s.Work.Operation != operation {
		return s
	}
	return s.End("", "", time.Time{})
}

// IsMaintained reports whether a maintenance is under way.
func (s *State) IsMaintained() bool { return s != nil && s.Work.IsMaintenance() }

// Failure is work that ended without the wanted settings.
type Failure struct {
	Digest string    `json:"digest"` // of the wanted settings
	Commit string    `json:"commit,omitempty"`
	Error  string    `json:"error"`
	At     time.Time `json:"at"`
	// Unknown holds a newer ingot's members, to write back.
	Unknown format.Unknown `json:"-"`
}

// Stage is how far the work on settings has come. Stages only move forward.
type Stage string

// Stages of work.
const (
	Intended  Stage = "Intended"  // in the journal; the BMC may have been asked
	Written   Stage = "Written"   // the BMC's settings object has the values; a reset is due
	Resetting Stage = "Resetting" // the boot of Work.Reset is the reset
)

// CheckValues names a value that this ingot does not know, such as a newer ingot's stage.
func (s *State) CheckValues() error {
	if s.IsUnderWay() && !slices.Contains([]Stage{Intended, Written, Resetting}, s.Work.Stage) {
		return fmt.Errorf("settings.work.stage %q is not known", s.Work.Stage)
	}
	return nil
}

// Work changes settings of one machine.
type Work struct {
	ID    string `json:"id"`
	Stage Stage  `json:"stage"`
	// Operation is the id of the install that the work belongs to; "" for a maintenance, which is an operation of its own.
	Operation string `json:"operation,omitempty"`
	// Steps are the ids of the steps.
	Steps   []string       `json:"steps"`
	Bios    map[string]any `json:"bios"`
	Digest  string         `json:"digest"`
	Commit  string         `json:"commit,omitempty"`
	Seconds int            `json:"seconds,omitempty"` // timeout
	// Job is the path of the BMC's job; "" where the BMC named none.
	Job string `json:"job,omitempty"`
	// Reset is the epoch of the boot that is the reset; 0 before it.
	Reset   uint64    `json:"reset,omitempty"`
	Started time.Time `json:"started"`
	// Unknown holds a newer ingot's members, to write back.
	Unknown format.Unknown `json:"-"`
}

// IsMaintenance reports whether the work is an operation of its own on a machine in service.
func (w *Work) IsMaintenance() bool { return w != nil && w.Operation == "" }

// Describe is the work for people: "BIOS settings (web-bios)".
func (w *Work) Describe() string { return "BIOS settings (" + strings.Join(w.Steps, ", ") + ")" }

// IsUnderWay reports whether work is under way.
func (s *State) IsUnderWay() bool { return s != nil && s.Work != nil }

// IsReset reports whether the reset of the work has begun.
func (s *State) IsReset() bool { return s.IsUnderWay() && s.Work.Reset != 0 }

// IsOfAnother reports whether the work under way is not of an operation.
func (s *State) IsOfAnother(operation string) bool {
	return s.IsUnderWay() && s.Work.Operation != operation
}

// Timeout is that of the work under way.
func (s *State) Timeout() time.Duration { return time.Duration(s.Work.Seconds) * time.Second }
