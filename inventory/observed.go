package inventory

import (
	"slices"
	"time"

	"github.com/gitmetal/ingot/inventory/format"
	"github.com/gitmetal/ingot/inventory/runs"
	"github.com/gitmetal/ingot/inventory/settings"
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
	// Waiting is the key of the waiting agent of a discovery medium that is proved to run on the machine behind the host's
	// BMC, hex SHA-256 of the public key; "" without a proved agent that spoke lately.
	Waiting string
	// PowersOff says that the waiting agent of the host, which is not proved, was told lately to power its machine off.
	PowersOff bool
	// Rotation is what became of the request for another password of the BMC's account; zero without a request.
	Rotation Rotation
	// Order is what the Workloads with runs want of the machine.
	Order runs.Order
	// Run is what was heard of the run under way where no agent has it: it boots a kernel of one's own.
	Run runs.Report
	// Kernel is what is known of that kernel, also before the run begins; zero without such a kernel in the mirror.
	Kernel KernelState
	// Ramdisk says why no machine can be booted from the ramdisk; "" when it can.
	Ramdisk string
	// Attended are the ages that deadlines count.
	Attended Ages
	// Evidence is what the looks so far prove of the machine's power.
	Evidence PowerEvidence
	// Deadlines are those of the daemon's configuration.
	Deadlines Deadlines
	// Retry is set until an operator's `ingot retry` takes effect.
	Retry bool
	// Fleet says how fresh the accepted commit is.
	Fleet FleetState
	// Console is what the serial console has shown since the power-on. No decision rests on the console.
	Console ConsoleState
}

// Rotation is what became of a requested change of the password of the BMC's account.
type Rotation struct {
	Value string
	Ended bool   // done, or given up
	Note  string // how it ended, or what it waits for
}

// FleetState says when the daemon last looked at trunk, tags and status branch. A write needs a look that began after
// its question.
type FleetState struct {
	StartedAt time.Time     // start of the last finished look, good or not; zero before the first
	LookedAt  time.Time     // end of the last good look; zero before the first
	Error     string        // why the last finished look failed; "" for a good look
	MaxStale  time.Duration // how old the last good look may be while later looks fail
}

// Reach is how an attempt to talk to a BMC ended.
type Reach string

// Six outcomes that are never mixed up.
const (
	NotAsked     Reach = ""             // no attempt
	Reached      Reach = "Reached"      // an answer
	Unreachable  Reach = "Unreachable"  // no answer
	Unauthorized Reach = "Unauthorized" // credentials refused
	// the Secret with the credentials cannot be opened: nobody was asked
	SecretUnusable Reach = "SecretUnusable"
	Refused        Reach = "Refused" // an error, or an answer that ingot does not understand
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
	// Certificate is the fingerprint of the certificate that the BMC showed in place of the trusted one; "" otherwise.
	Certificate string
	Power       PowerState
	System      System
	Override    Override
	Media       []Slot
	Settings    settings.Found // declared BIOS settings
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
	Protocol int    // of the enrolled agent; 0 without an agent
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
	Kind    string // wire.JobWrite, wire.JobStep, wire.JobPowerOff; wire.JobInstall of protocol 1
	State   JobState
	Step    string
	Done    uint64 // bytes
	Total   uint64
	Since   time.Time // of State
	Error   string
	Final   bool // the step failed for good: no further attempt without a person
	// Begun is set when the agent got leave to write; in a job of protocol 1, when the install step was seen to begin.
	Begun bool
	// Over is set when no agent works on a withdrawn job any more: the agent said so, or never had the job.
	Over bool
	// Table is the partition table of the installed disk after the mark was set; nil before, and without a GPT.
	Table *Table
	// The words of an ended job; nil without the agent's word.
	Left      []SeenDisk  // on the disks of a step, in their order
	Described []Described // what plug-ins said of themselves
	Erased    []Erased    // receipts of erased disks
	Executed  *runs.Ended // of a run, without its files: the store of results has them
	// Question is what the agent asks leave for; nil while the agent asks nothing.
	Question *Question
}

// Question is an agent's question for leave to write, from the open disks.
type Question struct {
	Nonce string    // random for each process of the agent
	At    time.Time // arrival, by the daemon's clock, of the first message with this nonce and these disks
	Disks []Disk    // what the open descriptors show, in the order of Operation.Disks
}

// PhoneHome is the call of an installed system that is up.
type PhoneHome struct {
	Install string
	Epoch   Epoch
	// Attempt is the attempt of the operation whose job rendered the call; 0 in systems of ingot 4176809.
	Attempt int `json:",omitempty"`
	Commit  string
	At      time.Time // of the first call after the system's newest start
	BootID  string    `json:",omitempty"` // of the kernel
	Machine string    `json:",omitempty"` // UUID of the machine by SMBIOS
	Disk    string    `json:",omitempty"` // GUID of the system's disk
	// Filesystems are the UUIDs of the disk's file systems by the GUID of their partitions.
	Filesystems map[string]string `json:",omitempty"`
	// Unknown holds a newer ingot's members, to write back.
	Unknown format.Unknown `json:"-"`
}

// MediaState is what the daemon's own server saw of the current boot's medium.
type MediaState struct {
	URL   string    // the medium of the record's boot as given to a BMC; "" for a boot without a medium
	Reads int       // requests
	Last  time.Time // time of the last request
	// Parts are the parts of the medium in the order of a start, as far as the layout of the medium is known.
	Parts []MediumPart
}

// Names of the parts of a boot medium.
const (
	MediumDirectory = "directory" // the descriptors of the file system, and the boot catalogue
	MediumShim      = "shim"
	MediumGRUB      = "GRUB"
	MediumKernel    = "kernel"
	MediumInitrd    = "initrd"
	MediumOverlay   = "boot config" // the part with this boot's own files
	MediumISO       = "ISO"         // all of an ISO of one's own, of which no parts are known
)

// MediumPart is a part of a boot medium, and what was read of it.
type MediumPart struct {
	Name string
	Size int64
	Read int64     // bytes that were read, with repetitions
	Last time.Time // time of the last read
}

// WasRead reports whether a good part was read. Firmware and BMCs read a little further than they need. Of an ISO the
// loaders alone are no good part: they have less than 8 MiB.
func (p MediumPart) WasRead() bool {
	if p.Name == MediumISO {
		return p.Read > 0 && p.Read >= min(p.Size/2, 8<<20)
	}
	return p.Read > 0 && p.Read >= p.Size/4
}

// WasRead reports whether a good part of a part of the medium was read.
func (m MediaState) WasRead(part string) bool {
	return slices.ContainsFunc(m.Parts, func(p MediumPart) bool { return p.Name == part && p.WasRead() })
}

// HasPart reports whether the medium has a part of a name.
func (m MediaState) HasPart(part string) bool {
	return slices.ContainsFunc(m.Parts, func(p MediumPart) bool { return p.Name == part })
}

// LayoutIsKnown reports whether the parts of the medium are known.
func (m MediaState) LayoutIsKnown() bool { return m.HasPart(MediumKernel) }

// ConsoleState is what is known of a machine's serial console.
type ConsoleState struct {
	Reading string    // how the console is read, in words
	Sign    string    // the known text (cause.Sign) that counts; "" without one
	Line    string    // the line with the known text
	At      time.Time // time of that line
	Tail    []string  // the last lines
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

// KernelState is what is known of a kernel of one's own before a machine boots it.
type KernelState struct {
	// Error says why no machine can boot the kernel with what it shall be given, or why this machine cannot; "" when it can.
	Error string
	// Trusted is set where a signature of the kernel leads to the certificate that is built into the ramdisk's shim. Signers
	// are the names of who signed the kernel, and of who issued their certificates; none for a kernel that is not signed.
	Trusted bool
	Signers []string
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
