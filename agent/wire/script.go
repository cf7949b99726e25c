package wire

import "encoding/json"

// Script is an executable file for the ramdisk, run by its shebang, or the plug-ins of a step in place of the file.
type Script struct {
	Body []byte `json:"body,omitempty"`
	// Plugins are the candidates of a step of plug-ins, in the order of the Step.
	Plugins []Plugin `json:"plugins,omitempty"`
	// Run is what the script is told; nil in a JobScript.
	Run *Run `json:"run,omitempty"`
	// Disks are the disks that a JobWriteStep may write to, in an order that the questions for leave and the result keep.
	Disks []NamedDisk `json:"disks,omitempty"`
	// System is the system that a JobSystemScript is shown; nil for another job.
	System *WrittenSystem `json:"system,omitempty"`
}

// WrittenSystem is the system that an install of the same operation wrote. The agent mounts it for the time of the step.
type WrittenSystem struct {
	Disk DiskRef `json:"disk"` // Content is not compared
	// Mark is the disk GUID of the install; "" for a disk that has no mark.
	Mark string `json:"mark,omitempty"`
}

// Plugin is a candidate of a step: an executable under PathBlobs, and which of its steps is run.
type Plugin struct {
	Name   string `json:"name"`   // the end of the path or URL, for people
	SHA256 string `json:"sha256"` // hex
	Size   int64  `json:"size"`   // bytes, at most MaxPlugin
	Step   string `json:"step"`
	// Version is what the plug-in said in this operation before; "" before the first answer.
	Version string `json:"version,omitempty"`
	// Body is the executable, verified; never in a message.
	Body []byte `json:"-"`
}

// Described is what a plug-in said of itself on this machine.
type Described struct {
	SHA256  string `json:"sha256"` // of the plug-in
	Name    string `json:"name"`
	Version string `json:"version"`
	Step    string `json:"step"`    // of the plug-in
	Support string `json:"support"` // SupportVendor…
}

// Values of Described.Support, the highest first.
const (
	SupportVendor   = "vendor"
	SupportMainline = "mainline"
	SupportGeneric  = "generic"
	SupportNone     = "none" // the plug-in is not for this machine
)

// DescribeDocument is what a plug-in gets on standard input when it is asked to describe itself.
type DescribeDocument struct {
	Protocol int             `json:"protocol"` // RunProtocol
	Machine  DescribeMachine `json:"machine"`
}

// DescribeMachine is the machine in a DescribeDocument.
type DescribeMachine struct {
	ID     string            `json:"id"`
	Name   string            `json:"name"`
	Labels map[string]string `json:"labels"`
	Facts  Facts             `json:"facts"`
}

// NamedDisk is a disk, and the name by which the fleet speaks of the disk. Several disks may have one name.
type NamedDisk struct {
	Name string `json:"name"`
	DiskRef
}

// Run is one step for its script: the agent makes a RunDocument of it for each attempt.
type Run struct {
	Operation string     `json:"operation"`
	Step      string     `json:"step"` // the name of the Step
	ID        string     `json:"id"`   // of the step in the host's list
	Machine   RunMachine `json:"machine"`
	// Args is a JSON object, "" for none. Args hold secrets: RAM only.
	Args json.RawMessage `json:"args,omitempty"`
	// Secrets are the top-level names of Args that hold a secret, or may hold one further below.
	Secrets []string `json:"secrets,omitempty"`
	// Attempts is how often the script is tried, from 1; each attempt has the step's timeout.
	Attempts int `json:"attempts"`
	// Once says that an attempt that did not end by itself, or ended with an undocumented code, is not repeated.
	Once bool `json:"once,omitempty"`
	// Reboots says that a boot follows the script: the exit code 4 is well then.
	Reboots bool `json:"reboots,omitempty"`
	// Writes says that the step writes to disks, or to the written system.
	Writes bool `json:"writes,omitempty"`
	// Needs is what the script is given beside a processor.
	Needs Needs `json:"needs,omitzero"`
}

// Needs is what a script is given.
type Needs struct {
	Network   bool   `json:"network,omitempty"`   // the ramdisk's network
	Memory    uint64 `json:"memory,omitempty"`    // bytes; 0: the agent's default
	Processes int    `json:"processes,omitempty"` // 0: the agent's default
}

// RunMachine is the machine in a RunDocument.
type RunMachine struct {
	ID     string            `json:"id"`
	Name   string            `json:"name"`
	Labels map[string]string `json:"labels"`
	Vars   map[string]string `json:"vars"`
	Facts  *Facts            `json:"facts,omitempty"` // the agent's own; nil in a Job
}

// RunProtocol is the version of RunDocument and of the lines that a script writes.
const RunProtocol = 1

// RunDocument is what a script gets on standard input: one JSON document, at most MaxRunDocument bytes.
type RunDocument struct {
	Protocol  int             `json:"protocol"` // RunProtocol
	Operation string          `json:"operation"`
	Step      string          `json:"step"`
	ID        string          `json:"id"`
	Attempt   int             `json:"attempt"` // of the step, from 1
	Machine   RunMachine      `json:"machine"`
	Args      json.RawMessage `json:"args"`
	// Disks are the disks that the script may write to, by name.
	Disks map[string][]RunDisk `json:"disks,omitempty"`
	Work  string               `json:"work"` // an empty directory of the attempt, in RAM
	// System is the root of the written system, mounted for writing; "" for a step that does not mount the system.
	System string `json:"system,omitempty"`
	// Execution is the run that the script makes; nil for a script that is a step.
	Execution *RunExecution `json:"execution,omitempty"`
	Inputs    string        `json:"inputs,omitempty"`  // the directory with the files of the run, read-only
	Results   string        `json:"results,omitempty"` // the directory for what the run leaves, empty, in RAM
}

// RunDisk is a disk for a script: Device is open to the script for reading and writing.
type RunDisk struct {
	Device     string `json:"device"` // such as /dev/ingot/data-0
	Serial     string `json:"serial,omitempty"`
	WWN        string `json:"wwn,omitempty"`
	Size       uint64 `json:"size"`                 // bytes
	SectorSize int    `json:"sectorSize,omitempty"` // bytes
}

// MaxRunDocument is the most bytes of a RunDocument.
const MaxRunDocument = 8 << 20
