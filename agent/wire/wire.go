// Package wire holds the messages between the agent in the ramdisk and the daemon, as data only: JSON over HTTPS (TLS
// 1.3), one POST for a message; images and large configs are fetched with GET. The package also has the paths, limits
// and deadlines that both sides share.
//
// Read BootConfig and Job first. The agent reads BootConfig from the boot medium, trades the token and a CSR for a
// client certificate (PathEnrol), and then speaks mutual TLS: the agent posts Facts once, long-polls for a Job, streams
// Progress, and posts one Result per job attempt until the daemon has acknowledged the Result.
//
// Do not change the meaning of a member: a ramdisk may be older than the daemon. A job that an older agent must not run
// gets a kind of its own.
package wire

import "time"

// Version of the protocol. An agent that meets another version on its boot medium reports the version and stops. A
// daemon gives an agent of an earlier version no new job: such an agent ends the job that it has.
const Version = 5

// Paths of the agent API, relative to a URL in BootConfig.URLs. The verb %s is Job.ID. The calls use mutual TLS, except
// for PathEnrol and PathPhoneHome, which the agent and the installed system make without a client certificate.
const (
	PathEnrol = "/v1/enrol" // POST Enrol → Enrolled
	PathFacts = "/v1/facts" // POST Facts → 204
	// PathNextJob: POST Poll → 200 Job, with HeaderJob and HeaderAttempt | 204 nothing within PollWait.
	PathNextJob = "/v1/jobs/next"
	// PathProgress: POST Progress → 204 | 410 when the job was withdrawn | 503 when the daemon cannot tell yet.
	PathProgress = "/v1/jobs/%s/progress"
	PathResult   = "/v1/jobs/%s/result" // POST Result → 204, also when repeated
	// PathLeave: POST LeaveQuestion → 200 leave is given | 202 not decided, ask again | 410 refused, the body says why.
	PathLeave = "/v1/jobs/%s/leave"
	// PathJobFile, the job's id and the file's name: PUT the bytes of a result file of a JobRun, whole or from a byte on
	// (Content-Range) → 204 stored | 409 with HeaderUploadOffset | 410 as PathProgress | 413 over a limit | 507 the store is
	// full. HEAD → 200 with HeaderUploadOffset, and with HeaderDigest where the file is whole.
	PathJobFile = "/v1/jobs/%s/files/%s"
	// PathLog, the job's id and the file's name (LogName): PUT a text about the job, whole → 204 with HeaderDigest of the
	// bytes that came | 404 from a daemon that keeps none | 410 as PathProgress | 413 over a limit | 507 the disk is full.
	PathLog = "/v1/jobs/%s/logs/%s"
	// PathConfig: GET → 200 Ignition JSON | 404 when the daemon has the config no more | 410 when the job was withdrawn.
	PathConfig    = "/v1/jobs/%s/config"
	PathImages    = "/v1/images/"   // GET <sha256 hex>, Range allowed
	PathBlobs     = "/v1/blobs/"    // GET <sha256 hex> of a plug-in or an input of the job, Range allowed | 404 as PathConfig
	PathPhoneHome = "/v1/phonehome" // POST PhoneHome → 204; 503 until the status branch shows the call
)

// Headers of the answer that carries a Job. An agent that cannot read the body reports the attempt in the headers as
// failed.
const (
	HeaderJob     = "Ingot-Job"     // Job.ID
	HeaderAttempt = "Ingot-Attempt" // Job.Attempt, decimal
)

// Headers of the answers about a result file.
const (
	HeaderUploadOffset = "Upload-Offset" // bytes that are stored, decimal
	HeaderDigest       = "Ingot-Digest"  // hex SHA-256 of a whole file
)

// Limits of both sides.
const (
	MaxBody = 4 << 20 // bytes of any JSON body
	// MaxInline is the most bytes of the config of a JobWrite that travels in the message; base64 adds a third, well below MaxBody.
	MaxInline   = 2 << 20
	MaxConfig   = 64 << 20         // bytes of one Ignition config, under PathConfig
	MaxPlugin   = 128 << 20        // bytes of one plug-in, under PathBlobs
	MaxLog      = 8 << 20          // bytes of one text under PathLog
	PollWait    = 25 * time.Second // how long the daemon holds a poll open
	CallTimeout = 60 * time.Second // deadline of every other call
	// LeaveWait is how long the daemon holds a LeaveQuestion open before it answers 202.
	LeaveWait = 8 * time.Second
	// LeaveValid is how long leave counts from the start of the POST that brought it: a later answer gives no leave.
	LeaveValid = 10 * time.Second
)

// OverlaySize is the fixed size in bytes of the region in the ramdisk ISO that carries one boot's files.
const OverlaySize = 512 << 10

// OverlayMagic begins the region in an ISO that no daemon has filled; the rest of the region is zero. The region starts
// at a 2048-byte boundary. The magic occurs exactly once in the ISO at such a boundary.
const OverlayMagic = "INGOT-BOOT-OVERLAY-1\n"

// ProtocolMagic begins a 2048-byte sector of the ramdisk's ISO that says which protocol the agent in the ISO speaks: the
// magic, the version in decimal, and a newline. An ISO without such a sector is of protocol 1.
const ProtocolMagic = "INGOT-RAMDISK-PROTOCOL "

// BootConfigPath is where the ramdisk finds BootConfig, as JSON, mode 0600.
const BootConfigPath = "/etc/ingot/boot.json"

// BootConfig is the daemon's file on a boot medium, for exactly one boot of one host.
type BootConfig struct {
	Version int       `json:"version"`
	Host    string    `json:"host"`
	Boot    string    `json:"boot"`  // random id of this boot attempt
	Epoch   uint64    `json:"epoch"` // the host's counter; lower epochs are refused
	Token   string    `json:"token"` // 43 characters base64url of 256 bits; single use
	URLs    []string  `json:"urls"`  // base URLs of the agent API, tried in order
	Pins    []string  `json:"pins"`  // base64 SHA-256 of the SubjectPublicKeyInfo the server's certificate must have
	Time    time.Time `json:"time"`  // the daemon's clock; certificates are never checked against an earlier one
	// Discovery is set on a discovery medium, which is for no host.
	Discovery *Discovery `json:"discovery,omitempty"`
}

// Enrol trades the boot token for a client certificate. A repeated Enrol with the same public key gives the same
// certificate.
type Enrol struct {
	Version int    `json:"version"`
	Host    string `json:"host"`
	Boot    string `json:"boot"`
	Epoch   uint64 `json:"epoch"`
	Token   string `json:"token"`
	CSR     []byte `json:"csr"` // DER, PKCS#10
}

// Enrolled carries the client certificate, short-lived and bound to host, boot and epoch.
type Enrolled struct {
	Certificate []byte `json:"certificate"` // DER
}

// Poll asks for the next job. Running names the agent's running job, so that a restarted daemon learns of the job.
type Poll struct {
	Running string `json:"running,omitempty"`
}

// Kinds of Job.
const (
	// JobWrite is a job of one install step. The step asks for leave from the open disks, and writes nothing before an
	// answer that gives leave. Install.Config may name the config. An agent of protocol 1 refuses the kind.
	JobWrite = "write"
	// JobWriteOptions is a JobWrite with Install.Options. An older agent, which would install without the options, refuses
	// the kind.
	JobWriteOptions = "write-options"
	// JobStep is a job of one script with Script.Run. An agent of an earlier protocol, which would run the script without
	// its arguments, refuses the kind.
	JobStep = "step"
	// JobWriteStep is a job of one script with Script.Disks. The agent asks for leave from the open disks before it runs the
	// script. An older agent, which would run the script without its disks, refuses the kind.
	JobWriteStep = "write-step"
	// JobSystem is a job of one step that works in the file systems of the system that the operation installed, with Inject.
	// An older agent refuses the kind.
	JobSystem = "system"
	// JobSystemScript is a job of one script with Script.System. An older agent, which would run the script without the
	// system, refuses the kind.
	JobSystemScript = "system-script"
	// JobDescribe is a job that asks the plug-ins of an operation what they are (Step.Describe), before any step runs.
	JobDescribe = "describe"
	// JobRun is a job of one execution of an ephemeral workload: one step with Script and Execution. An older agent, which
	// would leave no result, refuses the kind.
	JobRun = "run"
	// JobOwn is a job of one step of the agent's own that writes to no disk: Step.Collect or Step.StartUnit. An older agent
	// refuses the kind.
	JobOwn = "own"
	// JobScript is a job of one script without arguments, of protocol 2. No daemon hands such a job out any more.
	JobScript   = "script"
	JobPowerOff = "power-off" // sync and power the machine off; the result is posted before the power goes
	// JobInstall is a job of protocol 1: run Steps in order. No daemon hands such a job out any more.
	JobInstall = "install"
	// JobInstallByReference is a JobInstall of protocol 1 whose config is fetched.
	JobInstallByReference = "install-by-reference"
)

// JobKinds are all kinds of Job. A daemon gives no agent a job of another kind, and reads none back.
var JobKinds = []string{JobWrite, JobWriteOptions, JobStep, JobWriteStep, JobSystem, JobSystemScript, JobDescribe, JobRun, JobOwn, JobScript, JobPowerOff, JobInstall, JobInstallByReference}

// WritesSystem reports whether a job of this kind is an install, which asks for leave.
func WritesSystem(kind string) bool { return kind == JobWrite || kind == JobWriteOptions }

// IsOfProtocol1 reports whether an agent of protocol 1 has the job: such an agent asks for no leave.
func IsOfProtocol1(kind string) bool { return kind == JobInstall || kind == JobInstallByReference }

// Job is an assignment to an agent, to be run once. A step of an operation is a job of one step, with a new id in each
// attempt; ingot 4176809 gave all steps of an operation as one job. The same ID with a higher Attempt is a new try.
type Job struct {
	ID      string `json:"id"`
	Attempt int    `json:"attempt"`
	Kind    string `json:"kind"`
	Epoch   uint64 `json:"epoch"` // refused when it differs from the boot's
	Steps   []Step `json:"steps,omitempty"`
}

// Step is one entry of a job: exactly one of Install, Script, Describe, Erase, Collect and StartUnit is set.
type Step struct {
	Name    string        `json:"name"`
	Timeout time.Duration `json:"timeout"` // nanoseconds
	Install *Install      `json:"install,omitempty"`
	Script  *Script       `json:"script,omitempty"`
	// Describe are the steps of a JobDescribe, each with its plug-ins, and with references in place of secrets.
	Describe []Script `json:"describe,omitempty"`
	Erase    *Erase   `json:"erase,omitempty"`
	Inject   *Inject  `json:"inject,omitempty"`
	// Collect has the agent send the ramdisk's logs, under PathLog.
	Collect *Collect `json:"collect,omitempty"`
	// StartUnit has the agent start a unit of the ramdisk's systemd, and wait for the unit's end.
	StartUnit *StartUnit `json:"startUnit,omitempty"`
	// Execution is what a JobRun has beside its Script.
	Execution *Execution `json:"execution,omitempty"`
}

// Collect is the step that sends logs without a failure.
type Collect struct{}

// StartUnit names a unit of the ramdisk.
type StartUnit struct {
	Unit string `json:"unit"` // such as burn-in.service
}

// Install writes an operating system to the named disk only: with coreos-installer, or, where Plain is set, the image as it
// is.
type Install struct {
	ID   string  `json:"id"` // install id; ends up on the disk with Ignition
	Disk DiskRef `json:"disk"`
	// Others are the other disks that the installed system writes to at its first start: leave covers them too.
	Others []DiskRef `json:"others,omitempty"`
	Image  Image     `json:"image"`
	// Ignition JSON; holds secrets: RAM only. null where Config names the config
	Ignition        []byte     `json:"ignition"`
	Config          *ConfigRef `json:"config,omitempty"` // of a config that is too large for the message
	KernelArguments []string   `json:"kernelArguments,omitempty"`
	// Options are what coreos-installer changes of the image besides the kernel arguments; nil in a JobWrite.
	Options *InstallerOptions `json:"options,omitempty"`
	// Plain is set for an image that the agent writes itself, without Ignition: raw, raw compressed with zstd, xz or gzip, or
	// qcow2. An agent that does not know Plain refuses the job, as its Ignition config is empty.
	Plain bool `json:"plain,omitempty"`
	// Drive is the name of a partition at the end of the disk that holds, in place of an Ignition config, the bytes in
	// Ignition: the config drive of a Plain image. "" for no drive. An agent that knows Plain and not Drive refuses the job,
	// as a Plain image takes no Ignition config.
	Drive string `json:"drive,omitempty"`
	// Mark is the disk GUID to set in both headers of the GPT once the image is verified; "" for an install without a
	// mark.
	Mark string `json:"mark,omitempty"`
}

// InstallerOptions are options of coreos-installer for the written system.
type InstallerOptions struct {
	DeleteKernelArguments []string `json:"deleteKernelArguments,omitempty"`
	Platform              string   `json:"platform,omitempty"`
	Consoles              []string `json:"consoles,omitempty"`
}

// Refs are all disks of the install, the disk for the system first.
func (i Install) Refs() []DiskRef { return append([]DiskRef{i.Disk}, i.Others...) }

// ConfigRef names an Ignition config under PathConfig.
type ConfigRef struct {
	SHA256 string `json:"sha256"` // hex
	Size   int64  `json:"size"`   // bytes, at most MaxConfig
}

// DiskRef names one disk. Every field that is set must match on the open descriptor.
type DiskRef struct {
	Serial  string `json:"serial,omitempty"`
	WWN     string `json:"wwn,omitempty"`
	Path    string `json:"path,omitempty"`
	Size    uint64 `json:"size"`
	Content string `json:"content"` // ContentBlank, ContentAny, or the signature that must still be there
}

// Values of DiskRef.Content besides a signature.
const (
	ContentBlank = "blank" // must be blank right before the first write
	ContentAny   = "any"   // the consent covers any content, or this operation wrote the content
)

// Image is served by the daemon under PathImages.
type Image struct {
	SHA256 string `json:"sha256"` // hex, of the bytes as served
	Size   int64  `json:"size"`   // bytes as served
	Name   string `json:"name"`   // file name; the ending tells the compression
}

// LeaveQuestion asks for leave to write to the disks of a JobWrite or a JobWriteStep, which are open. The agent asks again, with what it
// sees then, until an answer gives leave or refuses it.
type LeaveQuestion struct {
	Attempt int    `json:"attempt"`
	Step    string `json:"step"`
	// Nonce is random for each process of the agent: leave is given to one process.
	Nonce string `json:"nonce"`
	// Number counts the questions of a process, from 1: a message with an earlier number came late.
	Number uint64 `json:"number"`
	// Disks are what the open descriptors show, in the order of Install.Refs, or of Script.Disks.
	Disks []Disk `json:"disks"`
}

// Progress is streamed while a job runs.
type Progress struct {
	Attempt int      `json:"attempt"`
	Step    string   `json:"step"`
	Done    uint64   `json:"done,omitempty"`  // bytes of the image handed to the installer; in a script's own unit
	Total   uint64   `json:"total,omitempty"` // bytes as served; in a script's own unit
	Lines   []string `json:"lines,omitempty"` // new lines of output, each at most 1 KiB
}

// Result ends one attempt of a job.
type Result struct {
	Attempt int    `json:"attempt"`
	OK      bool   `json:"ok"`
	Step    string `json:"step,omitempty"`   // the step that failed
	Error   string `json:"error,omitempty"`  // one line a person can act on
	Output  string `json:"output,omitempty"` // the last 4 KiB of the failing step
	// Final says that the step failed for good: another attempt of the operation waits for a person.
	Final bool       `json:"final,omitempty"`
	Boot  *BootEntry `json:"boot,omitempty"` // the firmware's boot order, read back after an install
	// Table is the partition table of the installed disk, read back after the mark was set.
	Table *Table `json:"table,omitempty"`
	// Disks are what the open descriptors of a JobWriteStep showed after the script had ended, done or failed, in the order
	// of Script.Disks; nil where the agent could not look.
	Disks []Disk `json:"disks,omitempty"`
	// Described is what the plug-ins of a job said of themselves.
	Described []Described `json:"described,omitempty"`
	// Erased are the receipts of the disks that were erased and read back, also of a job that failed for another disk.
	Erased []Erased `json:"erased,omitempty"`
	// Executed is what the execution of a JobRun left, also of one that failed; nil where the script was never started.
	Executed *Executed `json:"executed,omitempty"`
}

// BootEntry is the firmware's choice for the next start.
type BootEntry struct {
	Order   []string `json:"order"`             // Boot0001, Boot0000…
	Entry   string   `json:"entry,omitempty"`   // our entry, when one was written
	Current string   `json:"current,omitempty"` // what this boot came from
}

// PhoneHome is posted by the installed system once it is up, after every start, until the daemon answers.
type PhoneHome struct {
	Host    string `json:"host"`
	Install string `json:"install"`
	Epoch   uint64 `json:"epoch"`
	// Attempt is the attempt of the operation whose job rendered the call; 0 in systems of ingot 4176809.
	Attempt int    `json:"attempt,omitempty"`
	Token   string `json:"token"`
	Commit  string `json:"commit"`
	BootID  string `json:"bootID,omitempty"` // /proc/sys/kernel/random/boot_id
	// Machine is the UUID by which the firmware calls the machine (SMBIOS); "" where nobody knows.
	Machine string `json:"machine,omitempty"`
	// Disk is the GUID of the partition table of the disk with the root file system, lower case.
	Disk string `json:"disk,omitempty"`
	// Filesystems are the UUIDs of the file systems on the machine's partitions, by the partition's GUID, lower case.
	Filesystems map[string]string `json:"filesystems,omitempty"`
}
