package inventory

import (
	"time"

	"github.com/gitmetal/ingot/inventory/format"
)

// Observed is what BMC, agent and journal say about a host. Failures are data: a part that could not be read says so,
// and is never read as "off" or "empty".
type Observed struct {
	Record Record
	BMC    BMCState
	Agent  AgentState
	Media  MediaState
	Image  ImageState
	Config ConfigState
	// Standing says who the host's machine is known as; package standing finds it in the records and in what the look
	// saw.
	Standing Standing
	// Retry is set until an operator's `ingot retry` takes effect.
	Retry bool
}

// Reach is how an attempt to talk to a BMC ended.
type Reach string

// Five outcomes that are never mixed up.
const (
	NotAsked     Reach = ""             // no attempt
	Reached      Reach = "Reached"      // an answer
	Unreachable  Reach = "Unreachable"  // no answer
	Unauthorized Reach = "Unauthorized" // credentials refused
	Refused      Reach = "Refused"      // an error, or an answer that ingot does not understand
)

// Failed reports whether an attempt failed.
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
	Error string // in words a person can act on, unless Reach is Reached
	Power PowerState
	// OffCounts is when Off counts for a machine whose power ingot did not turn off: the machine has been seen off
	// since before, and never on between, because some BMCs say Off for a while after a machine came on. Zero: at once.
	OffCounts time.Time
	System    System
	Override  Override
	Media     []Slot
}

// Override is the boot device that the firmware is told to start from.
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
	JobWithdrawn JobState = "Withdrawn" // taken back: the install step must not begin
)

// AgentState is what the hub knows of the agent of the newest boot.
type AgentState struct {
	Boot     string // boot id of the enrolled agent; "" without an enrolment that the daemon knows of
	Epoch    Epoch
	Enrolled time.Time
	Seen     time.Time // time of the last message
	Facts    *Facts
	Job      Job
	Alarm    string // a token used by two keys, or an identity that does not match
	Unknown  string // why the agent's state is unknown, which is not silence; "" when known
	// Runs is the id of the job that the agent says it works on, where the hub does not know that job, as after the
	// loss of the journal.
	Runs string
	// Quiet is set while the agent, since the daemon's start, has not said whether it works on a job.
	Quiet bool
	// PhoneHome is the newest call of an installed system, with a valid token.
	PhoneHome *PhoneHome
}

// Served is how it went to have the daemon answer the boot of a record.
type Served struct {
	Unknown string // why the boot is not answered now
	Stale   string // why the boot is not answered any more: a later boot is known, and another boot is needed
}

// Agent gives what is known of an agent where its boot is answered so.
func (s Served) Agent(agent AgentState, epoch Epoch) AgentState {
	switch {
	case s.Stale != "":
		return AgentState{Epoch: epoch, Alarm: s.Stale}
	case s.Unknown != "":
		return AgentState{Unknown: s.Unknown}
	default:
		return agent
	}
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
	// Begun is set when the install step was allowed to begin, or was seen to have begun.
	Begun bool
	// Over is set when no agent works on a withdrawn job any more: the agent said so, or never had the job.
	Over bool
	// Untouched is set when a failed or withdrawn job wrote nothing.
	Untouched bool
}

// PhoneHome is the call of an installed system that is up.
type PhoneHome struct {
	Install string
	Epoch   Epoch
	Commit  string
	At      time.Time
	// Unknown holds a newer ingot's members, to write back.
	Unknown format.Unknown `json:"-"`
}

// MediaState is what the daemon's own server saw of the current boot's medium.
type MediaState struct {
	URL   string    // the medium of the record's boot as given to a BMC; "" for a boot without a medium
	Reads int       // requests
	Last  time.Time // time of the last request
}

// ImageState is the workload's image in the mirror.
type ImageState struct {
	State ImagePhase
	Done  int64 // bytes
	Total int64 // bytes, 0 when unknown
	Error string
}

// ConfigState is the result of rendering the host's Ignition config, with secrets, before any boot for the config.
type ConfigState struct {
	Error string // why the config cannot be rendered or delivered, without secrets; "" when it can, or when none is due
}

// ImagePhase is how far an image has come.
type ImagePhase string

// Phases of an image.
const (
	ImageMissing  ImagePhase = "" // not requested yet
	ImageFetching ImagePhase = "Fetching"
	ImageReady    ImagePhase = "Ready"
	ImageFailed   ImagePhase = "Failed"
)
