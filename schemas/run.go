package schemas

// Run is a job in RAM: a script that runs in the ramdisk of claimed machines, or a kernel or an ISO of one's own that they
// boot, once for each item, and what it leaves as results. Nothing is installed. Exactly one of script, boot and iso is set.
type Run struct {
	// Script is the path of a file in the same commit. The file's first line names its interpreter. The script is given no
	// disk.
	Script string   `json:"script,omitempty"`
	Boot   *RunBoot `json:"boot,omitempty"`
	// ISO is a whole boot medium of one's own, served as it is. It must start from UEFI; who signed its loader is not known,
	// so with Secure Boot on the firmware decides. It may write to every disk, so only machines whose disks are all blank are
	// claimed.
	ISO *Image `json:"iso,omitempty"`
	// EndsWith says what ends the run of a kernel or an ISO: Result (default), when it says so over HTTP, or PowerOff, when its
	// machine goes off, which counts as exit code 0. With PowerOff the medium is started once: after a reset the firmware's own
	// order counts.
	EndsWith string `json:"endsWith,omitempty"`
	// Args are given to every run: to a script in the JSON on standard input and as INGOT_ARG_<NAME>, to a kernel of one's
	// own in /ingot.env and /ingot.json. They hold no references.
	Args map[string]any `json:"args,omitempty"`
	// Items are the single runs. Default: completions runs with the same arguments.
	Items *RunItems `json:"items,omitempty"`
	// Completions is how many items must succeed. Default: the number of items, else replicas.
	Completions int `json:"completions,omitempty"`
	// Batch is any short text: another text begins a new batch, and counts anew. So does another script, another
	// argument, another item.
	Batch string `json:"batch,omitempty"`
	// Deadline is how long one run may take, from the start of its script, or from the moment when the machine has read the
	// kernel and the initrds, or a good part of the ISO: such as 2h, 1s to 24h. Default 1h.
	Deadline string `json:"deadline,omitempty"`
	// Retries is how often an item is tried again, if possible on another machine, after its script failed: 0 to 100,
	// default 2. A run whose machine crashed or fell silent is no failure of the script: the item goes to another
	// machine, at most 5 times.
	Retries   *int          `json:"retries,omitempty"`
	OnFailure *RunOnFailure `json:"onFailure,omitempty"`
	// WhenDone says what becomes of a machine between the end of the batch and the next one: Release (default) gives it
	// back, PowerOff keeps the claim. The machine is off in both cases.
	WhenDone string      `json:"whenDone,omitempty"`
	Results  *RunResults `json:"results,omitempty"`
}

// RunBoot is a kernel of one's own that the machine boots in place of the ramdisk of ingot. It may write to every disk, so
// only machines whose disks are all blank are claimed.
type RunBoot struct {
	// Kernel is a Linux kernel with an EFI stub. With Secure Boot on it must be signed by a key that shim trusts.
	Kernel Image `json:"kernel"`
	// Initrds are unpacked one over the other, in this order; behind them comes an initrd with files and /ingot.env.
	Initrds []Image `json:"initrds,omitempty"`
	// Arguments are those of the kernel. Without tokenOnCommandLine: false INGOT_URL, INGOT_TOKEN and INGOT_PIN follow.
	Arguments []string `json:"arguments,omitempty"`
	// Files are put into an initrd of each machine.
	Files []RunFile `json:"files,omitempty"`
	// TokenOnCommandLine is true (default) or false: with false the run's URL, token and pin are in /ingot.env alone.
	TokenOnCommandLine *bool `json:"tokenOnCommandLine,omitempty"`
}

// RunFile is a file in the initrd of a machine.
type RunFile struct {
	Path string `json:"path"` // absolute
	// Content is a text, in which ${vars.x} stands for a var of the machine.
	Content string `json:"content"`
	Mode    string `json:"mode,omitempty"` // such as "0755"; default "0644"
}

// Values of Run.EndsWith.
const (
	EndsWithResult   = "Result"
	EndsWithPowerOff = "PowerOff"
)

// Values of Run.WhenDone.
const (
	WhenDoneRelease  = "Release"
	WhenDonePowerOff = "PowerOff"
)

// RunItems are the items of a batch, at most 10,000: exactly one of range, list and file is set.
type RunItems struct {
	// Range gives each run the argument item, a whole number.
	Range *RunRange `json:"range,omitempty"`
	// List has the arguments of each run, merged over args.
	List []map[string]any `json:"list,omitempty"`
	// File is the path of a file in the same commit: a JSON object in each line, as in list.
	File string `json:"file,omitempty"`
}

// RunRange are whole numbers, both ends included.
type RunRange struct {
	From int `json:"from"`
	To   int `json:"to"`
}

// RunOnFailure says when a batch starts no more runs. An item has failed when its retries are used up.
type RunOnFailure struct {
	// Continue is true (default) or false: with false the batch stops at the first failed item.
	Continue *bool `json:"continue,omitempty"`
	// StopAfter is the number of failed items after which the batch stops.
	StopAfter int `json:"stopAfter,omitempty"`
}

// RunResults says what is kept of what a run leaves in its results directory.
type RunResults struct {
	// Files are patterns such as out/** below the results directory. Without patterns no file of a script is kept, and
	// every file that a kernel of one's own uploads.
	Files []string `json:"files,omitempty"`
	// MaxSize is the most bytes of all files of a run, with an optional unit; default 1GiB.
	MaxSize string `json:"maxSize,omitempty"`
	// MaxFiles is the most files of a run: 1 to 10,000, default 1,000.
	MaxFiles int `json:"maxFiles,omitempty"`
	// Required is true (default) or false: with true a run without a file for each pattern has failed.
	Required *bool `json:"required,omitempty"`
	// Keep lowers what the daemon's configuration keeps of batches that have ended.
	Keep *RunKeep `json:"keep,omitempty"`
}

// RunKeep bounds what is kept of the ended batches of one Workload. It never raises a bound of the daemon's configuration.
type RunKeep struct {
	// Days is how many days a run is kept after its end: 1 to 3,650.
	Days int `json:"days,omitempty"`
	// Size is the most bytes of all files of the Workload's ended runs, with an optional unit such as 10GiB. The oldest runs
	// go first. A file that two runs have counts twice.
	Size string `json:"size,omitempty"`
}

// ClaimHosts selects the machines that a Workload with run may claim: all labels fit, and the condition holds.
type ClaimHosts struct {
	MatchLabels map[string]string `json:"matchLabels,omitempty"`
	// When is a condition in CEL over facts, labels, vars, name and id of the machine, as in a Step. A machine for which
	// it cannot be decided is not claimed.
	When string `json:"when,omitempty"`
}

// Bounds of Run and of what belongs to it.
const (
	MaxReplicas      = 10_000
	MaxRunItems      = 10_000
	MaxRunRetries    = 100
	MaxRunKeepDays   = 3650
	DefaultRetries   = 2
	DefaultDeadline  = "1h"
	MaxClaimPriority = 1000
	MaxRunScript     = 1 << 20 // bytes
	MaxRunInitrds    = 16
	MaxRunFiles      = 100
	MaxRunFileBytes  = 1 << 20 // of all files of a machine's initrd
	MaxRunArguments  = 1024    // bytes: a kernel reads 2,047, and those of the run come besides
	MaxItemsFile     = 4 << 20 // bytes
)
