package inventory

import (
	"time"

	"github.com/gitmetal/ingot/inventory/format"
	"github.com/gitmetal/ingot/inventory/requests"
	"github.com/gitmetal/ingot/inventory/runs"
	"github.com/gitmetal/ingot/inventory/settings"
	"github.com/gitmetal/ingot/schemas"
)

// Epoch is a host's counter of boots. Messages and tokens with a lower epoch are refused.
type Epoch = uint64

// Record is the daemon's memory of a host. The loop alone writes the record, before an effect (intent) and after the
// effect (outcome). The host's status document has every part of the record that matters without the daemon.
type Record struct {
	ID MachineID `json:"host"`
	// Life is the daemon's start that wrote the record last. Revision counts the writes of the record, over restarts
	// and recovery; Revision never decreases.
	Life      Life       `json:"life,omitzero"`
	Revision  uint64     `json:"revision,omitempty"`
	Epoch     Epoch      `json:"epoch"`
	Installed *Installed `json:"installed,omitempty"`
	Operation *Operation `json:"operation,omitempty"` // current
	Last      *Operation `json:"last,omitempty"`      // ended
	Boot      *Boot      `json:"boot,omitempty"`      // current attempt
	Facts     *Facts     `json:"facts,omitempty"`     // the newest facts that passed the identity check
	// Adopted is the takeover that was used last: ingot may power this machine off. A takeover of an earlier version is
	// the machine's serial.
	Adopted string `json:"adopted,omitempty"`
	// Stranger is the machine that an agent saw in place of the known machine; nil after a look that found the known one.
	Stranger *Stranger `json:"stranger,omitempty" minReader:"3"`
	// Spent are the consents of ended operations, newest last, at most MaxSpent.
	Spent []string `json:"spent,omitempty"`
	// Erased are the starts of the newest erases of disks with content, newest last, at most MaxErased.
	Erased []time.Time `json:"erased,omitempty"`
	// Dropped are the ids of operations that ended before a write, and that Last does not name because Last keeps a
	// failed operation; newest last, at most 8. A page with a dropped operation under way is older than the record.
	// Only the journal has Dropped.
	Dropped []string       `json:"dropped,omitempty"`
	Done    *requests.Done `json:"done,omitempty"` // nil while nothing is known of requests
	// Recovered is set when the record was read from a page on the status branch; nil when all knowledge is first-hand.
	Recovered *Recovered `json:"recovered,omitempty" minReader:"2"`
	// Forgotten is the epoch at which the knowledge of the machine was dropped, by a takeover of a machine or by `ingot
	// forget`; 0: never.
	Forgotten Epoch `json:"forgotten,omitempty" minReader:"2"`
	// Run is the run of a Workload that has claimed the machine; nil without one. LostRuns counts the runs in a row that
	// the machine lost.
	Run      *runs.UnderWay `json:"run,omitempty" minReader:"8"`
	LostRuns int            `json:"lostRuns,omitempty"`
	// Ran is the batch of the kernel of one's own that the machine was booted for after the newest look at its disks: what
	// Facts says of their content may not hold any more. "" after a look.
	Ran string `json:"ran,omitempty" minReader:"10"`
	// Settings is what is known of the machine's declared BIOS settings; nil before the first.
	Settings *settings.State `json:"settings,omitempty"`
	Pinned
	// Unreadable says why the journal's record, or without a record the page, cannot be read; "" for a readable record.
	// An unreadable record has only the readable parts of id, life, revision, epoch and spent consents, and is never
	// written.
	Unreadable string `json:"-"`
	// Unknown holds a newer ingot's members, to write back.
	Unknown format.Unknown `json:"-"`
}

// MaxSpent is how many spent consents a record keeps: more than one operation can use. Earlier versions kept 8.
const MaxSpent = 2 * schemas.MaxConsents

// MaxErased is how many starts of erases a record keeps.
const MaxErased = 8

// Installed is the system on the disk, with the time of the call home.
type Installed struct {
	ID       string            `json:"id"` // install id
	Workload string            `json:"workload"`
	Inputs   string            `json:"inputs"`
	Parts    map[string]string `json:"parts,omitempty"`
	Config   string            `json:"config,omitempty"`  // Workload.Config; "" for an install by an earlier ingot
	Meaning  string            `json:"meaning,omitempty"` // Workload.Meaning; the same
	Commit   string            `json:"commit"`
	Image    string            `json:"image"` // sha256
	Disk     DiskID            `json:"disk"`
	Others   []DiskID          `json:"others,omitempty"` // further disks that the install was let write to
	Update   string            `json:"update"`           // the workload's update policy at that time
	At       time.Time         `json:"at"`
	// PhoneHome is the time of the system's call home; zero when the workload disables the call.
	PhoneHome time.Time `json:"phoneHome,omitzero"`
	// Mark is the disk GUID by which the install is recognised on its disk; "" where the disk has no GPT, where the system
	// replaced the GUID, and for installs by ingot 4176809.
	Mark string `json:"mark,omitempty" minReader:"3"`
	// Partitions are those of the disk when the mark was set.
	Partitions []Partition `json:"partitions,omitempty"`
	// Filesystems are the UUIDs that the installed system reported, by the GUIDs of their partitions.
	Filesystems map[string]string `json:"filesystems,omitempty"`
	// Looked is the epoch of the newest look at the disk before the system was written.
	Looked Epoch `json:"looked,omitempty"`
	// Unknown holds a newer ingot's members, to write back.
	Unknown format.Unknown `json:"-"`
}

// BootStage is the progress of a boot attempt.
type BootStage string

// Stages of a boot.
const (
	Preparing BootStage = "Preparing" // power off, media and override being set
	Powering  BootStage = "Powering"  // intent to power on is recorded; the machine may be on
	Running   BootStage = "Running"   // power on was accepted
)

// Targets of a boot.
const (
	FromRamdisk = "ramdisk"
	FromDisk    = "disk"
)

// Boot is one boot attempt.
type Boot struct {
	ID      string    `json:"id"`
	Target  string    `json:"target"` // FromRamdisk or FromDisk
	Epoch   Epoch     `json:"epoch"`
	Stage   BootStage `json:"stage"`
	Attempt int       `json:"attempt"` // number of consecutive attempts without progress, from 1
	Opened  time.Time `json:"opened"`
	Started time.Time `json:"started,omitzero"` // power on accepted
	Commit  string    `json:"commit,omitempty"` // trunk at the opening; a later commit lifts the limit on attempts
	Ours    bool      `json:"ours,omitempty"`   // at the opening the machine was off, or ran because of ingot
	// WasOn is set when the machine was on at the power-off before the boot: without spec.power the machine is left on
	// again.
	WasOn bool `json:"wasOn,omitempty"`
	// Found is set when the machine was on already at the power-on. Then only a read of this boot's medium, or the
	// agent's enrolment, proves that the machine runs because of this boot.
	Found bool `json:"found,omitempty"`
	// Lost is set when the boot's agent was silent for long: the machine, if on, counts as found running until the agent
	// speaks or the machine is off.
	Lost bool `json:"lost,omitempty" minReader:"3"`
	// Restart is set when an operator asked for the boot: the boot shuts a running machine down.
	Restart bool `json:"restart,omitempty"`
	// Request is what the fleet asked the boot for, until the request ends.
	Request *requests.Run `json:"request,omitempty" minReader:"6"`
	// Agent is the key of the waiting agent of a discovery medium that became the agent of this boot, hex SHA-256 of the
	// public key: the machine ran already, and gets no medium. "" for a boot that the daemon powers on.
	Agent string `json:"agent,omitempty" minReader:"9"`
	// Before is why the attempt before this attempt got nowhere; "" at the first attempt. No decision rests on Before.
	Before string `json:"before,omitempty"`
	// Unknown holds a newer ingot's members, to write back.
	Unknown format.Unknown `json:"-"`
}

// Knows reports whether an install belongs to the machine: the installed system's, the current operation's, or the last
// operation's.
func (r Record) Knows(install string) bool {
	return r.Installed != nil && r.Installed.ID == install || r.Operation != nil && r.Operation.ID == install ||
		r.Last != nil && r.Last.ID == install
}

// UnderWay is the id of the current operation, or without an operation of the boot into the ramdisk; "" without both.
func (r Record) UnderWay() string {
	switch {
	case r.Operation != nil:
		return r.Operation.ID
	case r.Boot != nil && r.Boot.Target == FromRamdisk:
		return r.Boot.ID
	default:
		return ""
	}
}

// Fresh reports whether the record has no knowledge of a machine.
func (r Record) Fresh() bool {
	return r.Epoch == 0 && r.Installed == nil && r.Facts == nil && r.Operation == nil && r.Last == nil &&
		r.Boot == nil && r.Adopted == "" && r.Stranger == nil &&
		r.Run == nil && len(r.Spent) == 0 && r.Unreadable == "" && r.Unknown == ""
}

// CountCall is the record with an epoch that is at least the epoch of an installed system's call, so that the call is not
// newer than what comes after the record.
func (r Record) CountCall(call *PhoneHome) Record {
	if call != nil {
		r.Epoch = max(r.Epoch, call.Epoch)
	}
	return r
}
