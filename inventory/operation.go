package inventory

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gitmetal/ingot/inventory/format"
	"github.com/gitmetal/ingot/schemas"
)

// OperationKind is the purpose of an operation.
type OperationKind string

// Kinds of operations.
const (
	Install OperationKind = "Install" // writes an operating system
	Erase   OperationKind = "Erase"   // erases the disks of a machine that leaves the fleet
)

// Word is the kind in a sentence: install, erase.
func (k OperationKind) Word() string { return strings.ToLower(string(k)) }

// IsKnown reports whether the kind is one of this version.
func (k OperationKind) IsKnown() bool { return k == Install || k == Erase }

// MinReader is the reader of an erase: an earlier one would start the machine from an erased disk.
func (k OperationKind) MinReader() int {
	if k == Erase {
		return 10
	}
	return 0
}

// Stage is how far an operation has come. Stages only move forward.
type Stage string

// Stages of an operation.
const (
	Intended   Stage = "Intended"   // in the journal
	Published  Stage = "Published"  // on the status branch; from here on the machine may be armed
	Working    Stage = "Working"    // the step at the cursor was handed out, or is due
	Confirming Stage = "Confirming" // all steps are done: the machine starts from its disk, and is to phone home
	Ended      Stage = "Ended"
)

// Outcomes of an ended operation.
const (
	Succeeded   = "Succeeded"
	Superseded  = "Superseded"
	Quarantined = "Quarantined" // failed too often
)

// Operation is an ordered list of steps on one machine under one permission, with its retries.
type Operation struct {
	ID       string            `json:"id"` // also the install id
	Kind     OperationKind     `json:"kind" minReader:"2"`
	Stage    Stage             `json:"stage"`
	Workload string            `json:"workload"`
	Inputs   string            `json:"inputs"`
	Parts    map[string]string `json:"parts,omitempty"`
	Config   string            `json:"config,omitempty"`  // Workload.Config
	Meaning  string            `json:"meaning,omitempty"` // Workload.Meaning
	Commit   string            `json:"commit"`
	Image    string            `json:"image"`
	Update   string            `json:"update"` // the workload's update policy at that time
	// Steps are the steps in the order of their execution. Stage Working without Steps: ingot 4176809 handed the whole
	// list out as one job, and the present attempt is this job.
	Steps []StepState `json:"steps,omitempty"`
	// Cursor is the index of the running step, or of the next step; len(Steps) after the last step.
	Cursor int `json:"cursor,omitempty"`
	// Reboot is the epoch in which a step was done that is followed by a boot: the next step needs a later one.
	Reboot Epoch `json:"reboot,omitempty" minReader:"5"`
	// Disks are the disks that the operation may write; the system goes to the first disk.
	Disks   []OperationDisk `json:"disks"`
	Attempt int             `json:"attempt"` // from 1
	// Withdrawn is the number of attempts that were taken back before a write. They do not count as failures.
	Withdrawn int `json:"withdrawn,omitempty"`
	// Leave is the last leave that was given; nil before the first.
	Leave *Leave `json:"leave,omitempty" minReader:"3"`
	// Replaces is the system that was on the disk when leave to write was given. When a later look finds the disk as it
	// was then, Replaces becomes the machine's Installed again.
	Replaces *Installed `json:"replaces,omitempty"`
	// Starts is the number of starts from the disk that should confirm the operation; after the first start the new
	// system may run.
	Starts  int       `json:"starts,omitempty"`
	Started time.Time `json:"started"`
	Ended   time.Time `json:"ended,omitzero"`
	Outcome string    `json:"outcome,omitempty"`
	Error   string    `json:"error,omitempty"` // of the last failed attempt
	// Looked is, in an ended operation, the epoch of the newest look at the disks before the end.
	Looked Epoch `json:"looked,omitempty"`
	// Unknown holds a newer ingot's members, to write back.
	Unknown format.Unknown `json:"-"`
}

// Leave is the daemon's yes to one process of the agent in one attempt.
type Leave struct {
	Attempt int       `json:"attempt"`
	Nonce   string    `json:"nonce"`
	Job     string    `json:"job,omitempty"` // that asked; "" in an operation of an earlier ingot
	Asked   time.Time `json:"asked"`         // arrival of the question
	// Unknown holds a newer ingot's members, to write back.
	Unknown format.Unknown `json:"-"`
}

// BegunUnknown is the value of OperationDisk.Begun after the loss of the journal: an agent speaks of the job, and the
// daemon cannot tell whether an earlier process of the agent wrote. No report of an agent changes the value back.
const BegunUnknown = -1

// StepProgress is how far a step has come.
type StepProgress string

// States of a step.
const (
	StepWaiting StepProgress = "Waiting"
	StepWorking StepProgress = "Working" // the step's job was handed out
	StepDone    StepProgress = "Done"
	StepFailed  StepProgress = "Failed" // in the attempt that ended last
	// StepSkipped is a step whose condition did not hold.
	StepSkipped StepProgress = "Skipped"
)

// Decisions about the condition of a step. A decision stands for all attempts of the operation.
const (
	WhenHolds = "Holds"
	WhenFails = "Fails"
)

// NeedsAgent says that a step runs in the ramdisk: an agent must have enrolled for the step.
const NeedsAgent = "Agent"

// StepState is a step of an operation.
type StepState struct {
	Name    string       `json:"name"`
	ID      string       `json:"id,omitempty"` // "" where the name is the id
	State   StepProgress `json:"state"`
	Needs   string       `json:"needs"`             // NeedsAgent
	Attempt int          `json:"attempt,omitempty"` // of the operation, when the step's last job was handed out
	// Once is set where the operation waits for a person instead of running the step again: the Step says so, or its
	// script failed for good.
	Once    bool `json:"once,omitempty" minReader:"4"`
	Reboots bool `json:"reboots,omitempty" minReader:"5"` // one boot into the ramdisk follows
	// Writes are the names of the disks that the step may write to.
	Writes []string `json:"writes,omitempty" minReader:"5"`
	// When is the decision about the step's condition, by the facts of the boot in which the step was due first; ""
	// before the decision, and for a step without a condition. WhyNot says why the condition fails.
	When   string `json:"when,omitempty" minReader:"5"`
	WhyNot string `json:"whyNot,omitempty"`
	// Described is what the plug-ins said of themselves when the step was done. A plug-in that says another version later
	// in the operation is not run.
	Described []Described `json:"described,omitempty" minReader:"6"`
	// Erased are the receipts of the disks that the step erased and read back, in all attempts, the oldest first.
	Erased []Erased `json:"erased,omitempty"`
	// Unknown holds a newer ingot's members, to write back.
	Unknown format.Unknown `json:"-"`
}

// Key is the id of the step in the list of the workload.
func (s StepState) Key() string { return cmp.Or(s.ID, s.Name) }

// Installs reports whether the step writes the system to the operation's first disk. Every other step may write
// to the disks of its names.
func (s StepState) Installs() bool { return schemas.InstallsSystem(s.Name) }

// MinReader is the reader of an operation that writes its system without coreos-installer: to an earlier one that step
// writes nothing.
func (s StepState) MinReader() int {
	if s.Name == schemas.StepWriteImage {
		return 7
	}
	return 0
}

// NewSteps are the steps of a workload before the first hand-out.
func NewSteps(w Workload) []StepState {
	if len(w.Steps) == 0 {
		return []StepState{{Name: schemas.StepInstall, State: StepWaiting, Needs: NeedsAgent}}
	}
	var list []StepState
	for _, step := range w.Steps {
		list = append(list, StepState{Name: step.Name, ID: step.ID, State: StepWaiting, Needs: NeedsAgent, Once: step.Once,
			Reboots: step.Reboots, Writes: step.Writes})
	}
	return list
}

// HasBegun reports whether an attempt may have written to a disk.
func (o Operation) HasBegun() bool {
	return slices.ContainsFunc(o.Disks, func(d OperationDisk) bool { return d.Begun != 0 })
}

// BeganWithLeave reports whether leave to write was given to the present job, and a disk may have been written to.
func (o Operation) BeganWithLeave() bool {
	return o.Leave != nil && o.Leave.Attempt == o.Attempt && (o.Leave.Job == "" || o.Leave.Job == o.JobID()) && o.HasBegun()
}

// Erases reports whether a disk was not blank.
func (o Operation) Erases() bool {
	return slices.ContainsFunc(o.Disks, func(d OperationDisk) bool { return d.Erases })
}

// Consents are the operation's consents, without "".
func (o Operation) Consents() (given []string) {
	for _, d := range o.Disks {
		if d.Consent != "" {
			given = append(given, d.Consent)
		}
	}
	return given
}

// Unwritten reports whether an operation was published and no attempt may have written to a disk. Such an operation may
// be armed, and may end as if the operation had never existed.
func (o Operation) Unwritten() bool {
	return o.Stage == Published || o.Stage == Working && !o.HasBegun()
}

// Verified reports whether an agent reported that the system is written and verified: the install step is done. The
// operation does not write such a system again.
func (o Operation) Verified() bool {
	done := func(s StepState) bool { return s.Installs() && s.State == StepDone }
	return o.Stage == Confirming || slices.ContainsFunc(o.Steps, done)
}

// Step is the step at the cursor; false when all steps are done, and where the present attempt is one job for the whole
// list.
func (o Operation) Step() (StepState, bool) {
	if o.Cursor < 0 || o.Cursor >= len(o.Steps) {
		return StepState{}, false
	}
	return o.Steps[o.Cursor], true
}

// FindUnrepeatable gives a step that is due again, began in an earlier attempt, and may run only once.
func (o Operation) FindUnrepeatable() (StepState, bool) {
	for _, step := range o.Steps[min(o.Cursor, len(o.Steps)):] {
		if step.Once && step.Attempt != 0 && step.Attempt < o.Attempt {
			return step, true
		}
	}
	return StepState{}, false
}

// IsWholeList reports whether the present attempt is one job for all steps, in the way of ingot 4176809.
func (o Operation) IsWholeList() bool { return o.Stage == Working && len(o.Steps) == 0 }

// Writes reports whether the running or due job may write to a disk.
func (o Operation) Writes() bool {
	step, _ := o.Step()
	return o.IsWholeList() || step.Installs() || len(step.Writes) > 0
}

// IsCalledBy reports whether a call of an installed system is the call of this operation's install: the call's attempt is
// the attempt that installed. A system of ingot 4176809 does not say its attempt, and counts.
func (o Operation) IsCalledBy(call *PhoneHome) bool {
	if call == nil || call.Install != o.ID {
		return false
	}
	installed := o.Attempt
	for _, step := range o.Steps {
		if step.Installs() && step.State == StepDone {
			installed = step.Attempt
		}
	}
	return call.Attempt == 0 || call.Attempt == installed
}

// AttemptBegan reports whether a step was handed out in the present attempt.
func (o Operation) AttemptBegan() bool {
	return slices.ContainsFunc(o.Steps, func(s StepState) bool { return s.Attempt == o.Attempt })
}

// JobID is the id of the job for the step at the cursor in the present attempt: <operation>.<step from 1>.<attempt>. To
// an agent each id is a separate job. The job for a whole list has the operation's id.
func (o Operation) JobID() string {
	if len(o.Steps) == 0 {
		return o.ID
	}
	return fmt.Sprintf("%s.%d.%d", o.ID, o.Cursor+1, o.Attempt)
}

// StepOfJob gives the cursor and the attempt behind the id of a step's job; false for the job of a different operation,
// and for the job of a whole list.
func (o Operation) StepOfJob(id string) (cursor, attempt int, ok bool) {
	rest, ours := strings.CutPrefix(id, o.ID+".")
	first, second, both := strings.Cut(rest, ".")
	step, err := strconv.Atoi(first)
	attempt, bad := strconv.Atoi(second)
	if !ours || !both || err != nil || bad != nil || step < 1 || step > len(o.Steps) || attempt < 1 {
		return 0, 0, false
	}
	return step - 1, attempt, true
}

// Describe names the due step for people: "step 2 of 3 `install`"; "" without a due step.
func (o Operation) Describe() string {
	step, due := o.Step()
	if !due || o.Stage != Working {
		return ""
	}
	return fmt.Sprintf("step %d of %d `%s`", o.Cursor+1, len(o.Steps), step.Key())
}

// Clone copies an operation with the lists: a change of the copy does not change the operation. What Leave and Seen
// point to is replaced, and never changed.
func (o Operation) Clone() *Operation {
	o.Steps, o.Disks = slices.Clone(o.Steps), slices.Clone(o.Disks)
	return &o
}

// ReadOlder reads the form of ingot 4176809: one disk in fields of the operation, and stages of an install.
//
//	stage then                       stage       cursor  starts
//	Intended, Published, Ended       the same    0       0
//	Armed                            Working     0       0       one job for the whole list
//	Written                          Confirming  0       0
//	Starting                         Confirming  0       1
//
// The older form has no steps: the next attempt takes the steps from the workload.
func (o *Operation) ReadOlder(unknown format.Unknown) (format.Unknown, error) {
	if o.Kind != "" {
		return unknown, nil
	}
	var disk OperationDisk
	rest, err := unknown.TakeInto(&disk)
	if err != nil {
		return unknown, fmt.Errorf("operation %s: %w", o.ID, err)
	}
	o.Kind, o.Disks = Install, []OperationDisk{disk}
	switch o.Stage {
	case "Armed":
		o.Stage = Working
	case "Written":
		o.Stage = Confirming
	case "Starting":
		o.Stage, o.Starts = Confirming, 1
	}
	return rest, nil
}

// OperationID is the id of the operation under way, or of the boot of a request; "" without both.
func (r Record) OperationID() string {
	if r.Operation != nil {
		return r.Operation.ID
	} else if r.Boot != nil && r.Boot.Request != nil {
		return r.Boot.ID
	}
	return ""
}
