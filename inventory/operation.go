package inventory

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gitmetal/ingot/inventory/format"
	"github.com/gitmetal/ingot/schemas"
)

// OperationKind says what an operation is for.
type OperationKind string

// Install writes an operating system. It is the only kind of operation.
const Install OperationKind = "Install"

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
	Commit   string            `json:"commit"`
	Image    string            `json:"image"`
	Update   string            `json:"update"` // the workload's update policy at that time
	// Steps are what is done, in this order. None at stage Working: ingot 4176809 handed the whole list out as one job,
	// and the present attempt is that job.
	Steps []StepState `json:"steps,omitempty"`
	// Cursor is the index of the next step, the one that is being worked on included; after the last step it is their
	// number.
	Cursor int `json:"cursor,omitempty"`
	// Disks are those that may be written; the system goes to the first.
	Disks   []OperationDisk `json:"disks"`
	Attempt int             `json:"attempt"` // from 1
	// Withdrawn is how many attempts were taken back before they came to a write. They are no failures.
	Withdrawn int `json:"withdrawn,omitempty"`
	// Replaces is the system that was on the disk when the present attempt's first step that writes was handed out. It
	// is the machine's again when that attempt wrote nothing.
	Replaces *Installed `json:"replaces,omitempty"`
	// Starts is how often the machine was started from its disk to confirm the operation; after the first start a
	// system of ours may run.
	Starts  int       `json:"starts,omitempty"`
	Started time.Time `json:"started"`
	Ended   time.Time `json:"ended,omitzero"`
	Outcome string    `json:"outcome,omitempty"`
	Error   string    `json:"error,omitempty"` // of the last failed attempt
	// Unknown are members that a newer ingot wrote; they are written back.
	Unknown format.Unknown `json:"-"`
}

// OperationDisk is a disk that an operation may write, and the permission for it.
type OperationDisk struct {
	Disk    DiskID `json:"disk"`
	Content string `json:"content"` // what the consent is over: blank, install:<id>, content:<signature>, unseen
	Erases  bool   `json:"erases"`  // the disk was not blank
	Consent string `json:"consent,omitempty"`
	// Begun is the first attempt that may have written to the disk; 0: none has, what the consent is over must still be
	// there; BegunUnknown: one that nobody remembers may have.
	Begun int `json:"begun,omitempty"`
	// Mark is how an install of ours on this disk is recognised; "" while installs have no mark.
	Mark string `json:"mark,omitempty"`
	// Unknown are members that a newer ingot wrote; they are written back.
	Unknown format.Unknown `json:"-"`
}

// BegunUnknown is the value of OperationDisk.Begun after the loss of the journal: an agent speaks of the job, and
// whether another process of that agent wrote is not known. No agent's word takes it back.
const BegunUnknown = -1

// StepProgress is how far a step has come.
type StepProgress string

// States of a step.
const (
	StepWaiting StepProgress = "Waiting"
	StepWorking StepProgress = "Working" // its job was handed out
	StepDone    StepProgress = "Done"
	StepFailed  StepProgress = "Failed" // in the attempt that ended last
)

// NeedsAgent says that a step runs in the ramdisk: an agent must have enrolled for it.
const NeedsAgent = "Agent"

// StepState is a step of an operation.
type StepState struct {
	Name    string       `json:"name"`
	State   StepProgress `json:"state"`
	Needs   string       `json:"needs"`             // NeedsAgent
	Attempt int          `json:"attempt,omitempty"` // of the operation, when the step's last job was handed out
	// Unknown are members that a newer ingot wrote; they are written back.
	Unknown format.Unknown `json:"-"`
}

// Installs reports whether the step writes the system to the operation's first disk. All others are scripts of the
// fleet.
func (s StepState) Installs() bool { return s.Name == schemas.StepInstall }

// NewSteps are the steps of a workload before anything was done.
func NewSteps(w Workload) []StepState {
	if len(w.Steps) == 0 {
		return []StepState{{Name: schemas.StepInstall, State: StepWaiting, Needs: NeedsAgent}}
	}
	var steps []StepState
	for _, step := range w.Steps {
		steps = append(steps, StepState{Name: step.Name, State: StepWaiting, Needs: NeedsAgent})
	}
	return steps
}

// Root is the disk that the system goes to.
func (o Operation) Root() OperationDisk {
	if len(o.Disks) == 0 {
		return OperationDisk{}
	}
	return o.Disks[0]
}

// HasBegun reports whether an attempt may have written to a disk.
func (o Operation) HasBegun() bool {
	return slices.ContainsFunc(o.Disks, func(d OperationDisk) bool { return d.Begun != 0 })
}

// Erases reports whether a disk was not blank.
func (o Operation) Erases() bool {
	return slices.ContainsFunc(o.Disks, func(d OperationDisk) bool { return d.Erases })
}

// Consents are those that the operation has, without "".
func (o Operation) Consents() (given []string) {
	for _, d := range o.Disks {
		if d.Consent != "" {
			given = append(given, d.Consent)
		}
	}
	return given
}

// Unwritten reports whether an operation was published, and no attempt of it may have written to a disk: it may be
// armed, and ended as if it had never been.
func (o Operation) Unwritten() bool {
	return o.Stage == Published || o.Stage == Working && !o.HasBegun()
}

// Verified reports whether an agent said that the system is written and verified: the step that installs is done. Such
// a system is not written again by this operation.
func (o Operation) Verified() bool {
	done := func(s StepState) bool { return s.Installs() && s.State == StepDone }
	return o.Stage == Confirming || slices.ContainsFunc(o.Steps, done)
}

// Step is the step at the cursor; false when all are done, and where the present attempt is one job for the whole list.
func (o Operation) Step() (StepState, bool) {
	if o.Cursor < 0 || o.Cursor >= len(o.Steps) {
		return StepState{}, false
	}
	return o.Steps[o.Cursor], true
}

// IsWholeList reports whether the present attempt is one job for all steps, as ingot 4176809 handed them out.
func (o Operation) IsWholeList() bool { return o.Stage == Working && len(o.Steps) == 0 }

// Writes reports whether the job that is due, or is being worked on, may write to a disk.
func (o Operation) Writes() bool {
	step, _ := o.Step()
	return o.IsWholeList() || step.Installs()
}

// AttemptBegan reports whether a step was handed out in the present attempt.
func (o Operation) AttemptBegan() bool {
	return slices.ContainsFunc(o.Steps, func(s StepState) bool { return s.Attempt == o.Attempt })
}

// JobID is the id of the job for the step at the cursor in the present attempt: <operation>.<step from 1>.<attempt>. An
// agent takes each as a job of its own. The job for a whole list has the operation's id.
func (o Operation) JobID() string {
	if len(o.Steps) == 0 {
		return o.ID
	}
	return fmt.Sprintf("%s.%d.%d", o.ID, o.Cursor+1, o.Attempt)
}

// StepOfJob gives the cursor and the attempt of a step's job by its id; false for the jobs of other operations, and for
// one that is for a whole list.
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

// Describe says for people which step is due: "step 2 of 3 `install`"; "" when no step is.
func (o Operation) Describe() string {
	step, due := o.Step()
	if !due || o.Stage != Working {
		return ""
	}
	return fmt.Sprintf("step %d of %d `%s`", o.Cursor+1, len(o.Steps), step.Name)
}

// Clone copies an operation with its lists: a change of the copy does not change the operation.
func (o Operation) Clone() *Operation {
	o.Steps, o.Disks = slices.Clone(o.Steps), slices.Clone(o.Disks)
	return &o
}

// ReadOlder reads the form of ingot 4176809: one disk in fields of the operation, and stages that mean an install.
//
//	stage then                       stage     cursor  starts
//	Intended, Published, Ended       the same  0       0
//	Armed                            Working   0       0       one job for the whole list
//	Written                          Confirming  0     0
//	Starting                         Confirming  0     1
//
// The steps are not known: the workload has them, and the next attempt takes them from there.
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

// OperationID is the id of the operation that is under way; "" without one.
func (r Record) OperationID() string {
	if r.Operation == nil {
		return ""
	}
	return r.Operation.ID
}
