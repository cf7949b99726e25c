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
const Version = 4

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
	// PathConfig: GET → 200 Ignition JSON | 404 when the daemon has the config no more | 410 when the job was withdrawn.
	PathConfig    = "/v1/jobs/%s/config"
	PathImages    = "/v1/images/"   // GET <sha256 hex>, Range allowed
	PathBlobs     = "/v1/blobs/"    // GET <sha256 hex> of a plug-in of the job, Range allowed | 404 as PathConfig
	PathPhoneHome = "/v1/phonehome" // POST PhoneHome → 204
)

// Headers of the answer that carries a Job. An agent that cannot read the body reports the attempt in the headers as
// failed.
const (
	HeaderJob     = "Ingot-Job"     // Job.ID
	HeaderAttempt = "Ingot-Attempt" // Job.Attempt, decimal
)

// Limits of both sides.
const (
	MaxBody = 4 << 20 // bytes of any JSON body
	// MaxInline is the most bytes of the config of a JobWrite that travels in the message; base64 adds a third, well below MaxBody.
	MaxInline   = 2 << 20
	MaxConfig   = 64 << 20         // bytes of one Ignition config, under PathConfig
	MaxPlugin   = 128 << 20        // bytes of one plug-in, under PathBlobs
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

// Facts is the machine as this boot's agent sees it.
type Facts struct {
	System   System   `json:"system"`
	Firmware Firmware `json:"firmware"`
	CPU      CPU      `json:"cpu"`
	Memory   uint64   `json:"memory"` // bytes
	Disks    []Disk   `json:"disks"`
	NICs     []NIC    `json:"nics"`
	Errors   []string `json:"errors,omitempty"` // names of the parts that could not be read, with reasons
}

// System is the machine as SMBIOS describes it.
type System struct {
	Manufacturer string `json:"manufacturer,omitempty"`
	Product      string `json:"product,omitempty"`
	Serial       string `json:"serial,omitempty"`
	UUID         string `json:"uuid,omitempty"` // lower case, with dashes
}

// Firmware is how the machine was started.
type Firmware struct {
	UEFI       bool   `json:"uefi"`
	SecureBoot bool   `json:"secureBoot"`
	Vendor     string `json:"vendor,omitempty"`
	Version    string `json:"version,omitempty"`
}

// CPU counts and names the processors.
type CPU struct {
	Model string `json:"model,omitempty"`
	Arch  string `json:"arch,omitempty"` // GOARCH
	Count int    `json:"count"`          // logical
}

// Disk is one block device that could hold an operating system.
type Disk struct {
	Name string `json:"name"`           // kernel name, for people only: it changes between boots
	Path string `json:"path,omitempty"` // /dev/disk/by-path/…, the preferred link
	// Links are all links of the whole disk in /dev/disk/by-id and /dev/disk/by-path, with their directory, sorted. A
	// link that several disks claim is no link of any disk.
	Links      []string `json:"links,omitempty"`
	Serial     string   `json:"serial,omitempty"`
	WWN        string   `json:"wwn,omitempty"` // lower case hex without 0x, or an nvme eui./uuid. name
	Model      string   `json:"model,omitempty"`
	Vendor     string   `json:"vendor,omitempty"`
	Transport  string   `json:"transport,omitempty"` // virtio, sata, sas, nvme, usb…
	Size       uint64   `json:"size"`                // bytes
	SectorSize int      `json:"sectorSize,omitempty"`
	Rotational bool     `json:"rotational"`
	Removable  bool     `json:"removable"`
	ReadOnly   bool     `json:"readOnly"`
	Holders    []string `json:"holders,omitempty"` // mounts, LVM, RAID, multipath that use it
	Content    Content  `json:"content"`
	// Table is the partition table; nil in the report of an agent before protocol 2, and where the disk is unreadable.
	Table *Table `json:"table,omitempty"`
	// Superblocks are those of the whole disk, beside or instead of a partition table.
	Superblocks []Superblock `json:"superblocks,omitempty"`
}

// Kinds of Table.
const (
	TableNone = "none"
	TableMBR  = "mbr"
	TableGPT  = "gpt"
)

// Table is the partition table of a disk, as it was read from the disk itself.
type Table struct {
	Kind string `json:"kind"`
	// Valid says that the table may be believed: of a GPT, the protective MBR, the primary header and its entry array
	// are intact. Without Valid, the other members of a GPT are the backup's.
	Valid bool `json:"valid"`
	// GUID is the disk GUID of a GPT, lower case with dashes; of an MBR its 8 hex digits, if they are not 0.
	GUID       string      `json:"guid,omitempty"`
	Sector     int         `json:"sector,omitempty"` // bytes of the table's sectors
	Partitions []Partition `json:"partitions,omitempty"`
	// Alone says that the first MiB of the disk holds nothing but the table: without a table, zeros.
	Alone bool `json:"alone,omitempty"`
}

// Partition is one entry of a Table.
type Partition struct {
	Number int    `json:"number"`         // from 1
	Type   string `json:"type"`           // GUID of a GPT, two hex digits of an MBR
	GUID   string `json:"guid,omitempty"` // lower case, with dashes; "" in an MBR
	First  uint64 `json:"first"`          // sector
	Last   uint64 `json:"last"`           // sector, inclusive
	Label  string `json:"label,omitempty"`
	FSType string `json:"fsType,omitempty"` // of the first superblock that was found in it
	FSUUID string `json:"fsUUID,omitempty"`
}

// Superblock says that a file system, a volume or a member of an array begins or ends here.
type Superblock struct {
	Type string `json:"type"`           // as blkid names it: ext4, LVM2_member, linux_raid_member…
	UUID string `json:"uuid,omitempty"` // as blkid writes it
}

// Content is the content of a disk at the agent's look. Exactly one of Blank, Signature and Unreadable is set.
type Content struct {
	// Blank: zeros in the first and last 16 MiB, in 4 KiB at every MiB of the first 2 GiB, and in 2,048 × 4 KiB evenly
	// over the rest; no signature, no holder, no reservation
	Blank bool `json:"blank,omitempty"`
	// Signature is "v2:" and 16 hex digits over what was read; ingot 4176809 has only the digits, over other bytes.
	Signature  string `json:"signature,omitempty"`
	Unreadable string `json:"unreadable,omitempty"` // why nothing could be said; never treated as blank
	Summary    string `json:"summary,omitempty"`    // for people: "gpt: EFI-SYSTEM vfat, boot ext4, root ext4"
}

// NIC is one network interface.
type NIC struct {
	Name   string `json:"name"`
	MAC    string `json:"mac"` // lower case, colons; the permanent address when known
	Driver string `json:"driver,omitempty"`
	Link   bool   `json:"link"`
	Mbps   int    `json:"mbps,omitempty"`
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
	// JobStep is a job of one script with Script.Run. An agent of an earlier protocol, which would run the script without
	// its arguments, refuses the kind.
	JobStep = "step"
	// JobWriteStep is a job of one script with Script.Disks. The agent asks for leave from the open disks before it runs the
	// script. An older agent, which would run the script without its disks, refuses the kind.
	JobWriteStep = "write-step"
	// JobDescribe is a job that asks the plug-ins of an operation what they are (Step.Describe), before any step runs.
	JobDescribe = "describe"
	// JobScript is a job of one script without arguments, of protocol 2. No daemon hands such a job out any more.
	JobScript   = "script"
	JobPowerOff = "power-off" // sync and power the machine off; the result is posted before the power goes
	// JobInstall is a job of protocol 1: run Steps in order. No daemon hands such a job out any more.
	JobInstall = "install"
	// JobInstallByReference is a JobInstall of protocol 1 whose config is fetched.
	JobInstallByReference = "install-by-reference"
)

// JobKinds are all kinds of Job. A daemon gives no agent a job of another kind, and reads none back.
var JobKinds = []string{JobWrite, JobStep, JobWriteStep, JobDescribe, JobScript, JobPowerOff, JobInstall, JobInstallByReference}

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

// Step is one entry of a job: exactly one of Install, Script and Describe is set.
type Step struct {
	Name    string        `json:"name"`
	Timeout time.Duration `json:"timeout"` // nanoseconds
	Install *Install      `json:"install,omitempty"`
	Script  *Script       `json:"script,omitempty"`
	// Describe are the steps of a JobDescribe, each with its plug-ins, and with references in place of secrets.
	Describe []Script `json:"describe,omitempty"`
	Erase    *Erase   `json:"erase,omitempty"`
}

// Install writes an operating system with coreos-installer to the named disk only.
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
	// Mark is the disk GUID to set in both headers of the GPT once the image is verified; "" for an install without a
	// mark.
	Mark string `json:"mark,omitempty"`
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
	// Disk is the GUID of the partition table of the disk with the root file system, lower case.
	Disk string `json:"disk,omitempty"`
	// Filesystems are the UUIDs of the file systems on the machine's partitions, by the partition's GUID, lower case.
	Filesystems map[string]string `json:"filesystems,omitempty"`
}
