package inventory

import (
	"time"

	"github.com/gitmetal/ingot/inventory/format"
)

// Epoch is a host's counter of boots. Whatever carries a lower one is refused.
type Epoch = uint64

// Record is what the daemon must not forget about a host. The loop alone writes it, before an effect (intent) and after
// it (outcome); all of it that matters without the daemon is also in the host's status document.
type Record struct {
	ID MachineID `json:"host"`
	// Life is the daemon's start that wrote the record last. Revision counts the writes of the record, over restarts
	// and recovery; it never goes back.
	Life      Life       `json:"life,omitzero"`
	Revision  uint64     `json:"revision,omitempty"`
	Epoch     Epoch      `json:"epoch"`
	Installed *Installed `json:"installed,omitempty"`
	Operation *Operation `json:"operation,omitempty"` // current
	Last      *Operation `json:"last,omitempty"`      // ended
	Boot      *Boot      `json:"boot,omitempty"`      // current attempt
	Facts     *Facts     `json:"facts,omitempty"`     // the newest that passed the identity check
	// Adopted is the serial for which a takeover was given: this machine may be powered off by us.
	Adopted string `json:"adopted,omitempty"`
	// Spent are the consents of ended operations, newest last, at most 8.
	Spent []string `json:"spent,omitempty"`
	// Dropped are the ids of operations that ended before they wrote, and that Last does not name because it keeps a
	// failed one; newest last, at most 8. A page that still has such a one under way is older than this. The journal
	// alone has them.
	Dropped []string `json:"dropped,omitempty"`
	// Recovered says that the record was read from its page on the status branch; nil when all that is known is
	// first-hand.
	Recovered *Recovered `json:"recovered,omitempty" minReader:"2"`
	// Forgotten is the epoch at which what was known of the machine was dropped, by a takeover of another machine or
	// by `ingot forget`; 0: never.
	Forgotten Epoch `json:"forgotten,omitempty" minReader:"2"`
	Pinned
	// Unreadable says why the journal's record, or without one the page, cannot be read; "" when the record is known.
	// Such a record has what could be read of id, life, revision, epoch and spent consents, and is never written.
	Unreadable string `json:"-"`
	// Unknown are members that a newer ingot wrote; they are written back.
	Unknown format.Unknown `json:"-"`
}

// Installed is the system on the disk, and that it came up.
type Installed struct {
	ID       string            `json:"id"` // install id
	Workload string            `json:"workload"`
	Inputs   string            `json:"inputs"`
	Parts    map[string]string `json:"parts,omitempty"`
	Commit   string            `json:"commit"`
	Image    string            `json:"image"` // sha256
	Disk     DiskID            `json:"disk"`
	Update   string            `json:"update"` // the workload's update policy at that time
	At       time.Time         `json:"at"`
	// PhoneHome is when the system said that it is up; zero when its workload has that disabled.
	PhoneHome time.Time `json:"phoneHome,omitzero"`
	// Unknown are members that a newer ingot wrote; they are written back.
	Unknown format.Unknown `json:"-"`
}

// BootStage is how far a boot attempt has come.
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
	Attempt int       `json:"attempt"` // consecutive attempts that did not get anywhere, from 1
	Opened  time.Time `json:"opened"`
	Started time.Time `json:"started,omitzero"` // power on accepted
	Commit  string    `json:"commit,omitempty"` // of the trunk when it was opened: a later one lifts the limit on attempts
	Ours    bool      `json:"ours,omitempty"`   // when it was opened the machine ran, if it ran, because of us
	// WasOn is set when the machine was on when it was taken down: it is left on again where the fleet says nothing
	// about its power.
	WasOn bool `json:"wasOn,omitempty"`
	// Found is set when the machine was on already at the power-on: that it runs because of this boot is not known
	// before it reads this boot's medium, or its agent enrols.
	Found bool `json:"found,omitempty"`
	// Restart is set when an operator asked for the boot: a machine that is on is shut down for it.
	Restart bool `json:"restart,omitempty"`
	// Unknown are members that a newer ingot wrote; they are written back.
	Unknown format.Unknown `json:"-"`
}

// Knows reports whether an install is the machine's: the one on its disk, or of an operation that is under way or was
// the last.
func (r Record) Knows(install string) bool {
	return r.Installed != nil && r.Installed.ID == install || r.Operation != nil && r.Operation.ID == install || r.Last != nil && r.Last.ID == install
}

// Has reports whether the machine has what a workload asks for: a system of the same inputs is installed on it. Every
// decider asks this one question.
func (r Record) Has(w *Workload) bool {
	return r.Installed != nil && w != nil && r.Installed.Inputs == w.Inputs
}

// UnderWay is the id of the operation that is under way, or, without one, of the boot into the ramdisk; "" when
// nothing is under way.
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

// Fresh reports whether nothing is known of a machine.
func (r Record) Fresh() bool {
	return r.Epoch == 0 && r.Installed == nil && r.Facts == nil && r.Operation == nil && r.Last == nil &&
		r.Boot == nil && r.Adopted == "" &&
		len(r.Spent) == 0 && r.Unreadable == "" && r.Unknown == ""
}
