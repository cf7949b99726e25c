package inventory

import (
	"time"

	"github.com/gitmetal/ingot/inventory/format"
)

// Observed is what BMC, agent and journal say about a host. Failures are data: a part that could not be read says so, and is never
// read as "off" or "empty".
type Observed struct {
	Record Record
	BMC    BMCState
	Agent  AgentState
	Media  MediaState
	Image  ImageState
	Config ConfigState
	// Retry is set while an operator's `ingot retry` was not acted upon yet.
	Retry bool
}

// Reach is how an attempt to talk to a BMC ended.
type Reach string

// Four answers that are never mixed up.
const (
	NotAsked     Reach = ""             // nobody looked
	Reached      Reach = "Reached"      // it answered
	Unreachable  Reach = "Unreachable"  // no answer
	Unauthorized Reach = "Unauthorized" // it refused our credentials
	Refused      Reach = "Refused"      // it answered with an error, or with something we do not understand
)

// Failed reports whether it was attempted in vain.
func (r Reach) Failed() bool { return r != NotAsked && r != Reached }

// PowerState of a machine. Unknown is not Off.
type PowerState string

// Power states.
const (
	PowerUnknown PowerState = ""
	PoweredOn    PowerState = "On"
	PoweredOff   PowerState = "Off"
)

// BMCState is one look at a BMC.
type BMCState struct {
	At    time.Time
	Reach Reach
	Error string // in words a person can act on, when Reach is not Reached
	Power PowerState
	// OffCounts is when a machine that is seen to be off since, and was not seen to be on between, counts as off where its power was not ours to take: BMCs say Off
	// for a while after a machine came on. Zero: at once.
	OffCounts time.Time
	System    System
	Override  Override
	Media     []Slot
}

// Override is what the firmware is told to start from.
type Override struct {
	Target  string // Cd, Hdd, None…
	Enabled string // Disabled, Once, Continuous
}

// Slot is one virtual drive.
type Slot struct {
	ID       string
	Inserted bool
	Image    string // URL
}

// JobState is how far a job has come.
type JobState string

// States of a job.
const (
	NoJob        JobState = ""
	JobAssigned  JobState = "Assigned" // waiting to be fetched
	JobRunning   JobState = "Running"
	JobSucceeded JobState = "Succeeded"
	JobFailed    JobState = "Failed"
	JobWithdrawn JobState = "Withdrawn" // taken back: its install step is not let begin
)

// AgentState is what the hub knows of the agent of the newest boot.
type AgentState struct {
	Boot     string // boot id of the enrolled agent; "" when none has enrolled since the daemon knows
	Epoch    Epoch
	Enrolled time.Time
	Seen     time.Time // last word
	Facts    *Facts
	Job      Job
	Alarm    string // a token used by two keys, an identity that does not match
	Unknown  string // why all of this is not known now, which is not silence; "" when it is
	// PhoneHome is the newest call of an installed system, with a valid token.
	PhoneHome *PhoneHome
}

// Job is the agent's current or last job.
type Job struct {
	ID      string
	Attempt int
	Kind    string // wire.JobInstall, wire.JobPowerOff
	State   JobState
	Step    string
	Done    uint64 // bytes
	Total   uint64
	Since   time.Time // of State
	Error   string
	// Begun is set when its install step was let begin, or was seen to have begun.
	Begun bool
	// Over is set when a withdrawn job is not being worked on any more: its agent said so, or never had it.
	Over bool
	// Untouched is set when a failed or withdrawn job came to no write.
	Untouched bool
}

// PhoneHome is an installed system's word that it is up.
type PhoneHome struct {
	Install string
	Epoch   Epoch
	Commit  string
	At      time.Time
	// Unknown are members that a newer ingot wrote; they are written back.
	Unknown format.Unknown `json:"-"`
}

// MediaState is what our own server saw of the current boot's medium.
type MediaState struct {
	URL   string    // the medium of the record's boot as a BMC is given it; "" when that boot has none
	Reads int       // requests
	Last  time.Time // of the last one
}

// ImageState is the workload's image in the mirror.
type ImageState struct {
	State ImagePhase
	Done  int64 // bytes
	Total int64 // bytes, 0 when not known
	Error string
}

// ConfigState is how rendering the host's Ignition config went, with its secrets, before anything is booted for it.
type ConfigState struct {
	Error string // why it cannot be rendered or delivered, without secrets; "" when it can be, or when none is due
}

// ImagePhase is where an image stands.
type ImagePhase string

// Phases of an image.
const (
	ImageMissing  ImagePhase = "" // nobody asked for it yet
	ImageFetching ImagePhase = "Fetching"
	ImageReady    ImagePhase = "Ready"
	ImageFailed   ImagePhase = "Failed"
)
