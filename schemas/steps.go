package schemas

// StepInstall is the step name that stands for spec.install.
const StepInstall = "install"

// StepWriteImage writes an image without coreos-installer: {image: {url, sha256}}, and with configDrive: {userData: {…}} a
// config drive for cloud-init. It stands in place of install, in a Workload without spec.install.
const StepWriteImage = "write-image"

// InstallsSystem reports whether a step of this name leaves an operating system on the root disk.
func InstallsSystem(step string) bool { return step == StepInstall || step == StepWriteImage }

// Names of the reserved steps, which need no Step of their own.
const (
	StepHold   = "hold"   // waits until `ingot resume HOST`, without a deadline
	StepWait   = "wait"   // {for: 30s}: waits, at most 1h
	StepPower  = "power"  // {state: "Off"}: powers the machine off; a next step starts the machine again
	StepReboot = "reboot" // boots the ramdisk anew
)

// StepErase erases disks: {disks: [data], policy: clear}. Names of disks are those of spec.disks, and root.
const StepErase = "erase-disks"

// StepInjectFiles puts files into the installed system: {files: [{path: /etc/site.conf, content: "…", mode: "0640"}]}. It
// stands behind the step that writes the system.
const StepInjectFiles = "inject-files"

// StepCollectLogs sends the ramdisk's logs to the daemon.
const StepCollectLogs = "collect-logs"

// StepStartUnit starts a unit of the ramdisk and waits for its end: {unit: burn-in.service}.
const StepStartUnit = "start-unit"

// StepDescribe asks the plug-ins of a list what they are. It stands in front of a list with plug-ins, and in no file.
const StepDescribe = "describe"

// BuiltinSteps are the names of the steps that ingot brings itself, in this version or in a later one. No Step has such
// a name: an operation that names one means ingot's own.
var BuiltinSteps = []string{StepCollectLogs, StepErase, StepInjectFiles, "software-raid", StepStartUnit, StepWriteImage}

// StepUse is an entry of a Workload's steps: the name of a Step, or of a step of ingot's own (install, erase-disks, collect-logs, start-unit, hold, wait, power, reboot),
// and what the Step is given there.
type StepUse struct {
	Step string `json:"step"`
	// ID names the entry among all steps of a host. Default: the name of the step; a Step that a Workload lists again
	// is NAME-2, NAME-3.
	ID string `json:"id,omitempty"`
	// Args are checked against the Step's args. A text may hold ${vars.x}. ${secret.name.key} is the whole of a text,
	// where the Step's schema says x-ingot-secret.
	Args map[string]any `json:"args,omitempty"`
	// Timeout replaces the Step's.
	Timeout string `json:"timeout,omitempty"`
	// Attempts replaces the Step's.
	Attempts int `json:"attempts,omitempty"`
	// When is a condition in CEL, as in a Step. Both conditions must hold. install has no condition.
	When string `json:"when,omitempty"`
}

// Image is the image of a step write-image, as far as its arguments have one.
func (u StepUse) Image() Image {
	image, _ := u.Args["image"].(map[string]any)
	address, _ := image["url"].(string)
	sum, _ := image["sha256"].(string)
	return Image{URL: address, SHA256: sum}
}

// InjectedURLs are the URLs of the files of a step inject-files, in their order; "" for a file without one.
func (u StepUse) InjectedURLs() (urls []string) {
	files, _ := u.Args["files"].([]any)
	for _, item := range files {
		file, _ := item.(map[string]any)
		address, _ := file["url"].(string)
		urls = append(urls, address)
	}
	if u.Step != StepInjectFiles {
		return nil
	}
	return urls
}

// HostStep is a step that a host adds to the steps of its Workload. The place is right after or right before another
// step: exactly one of after and before is set, to an id. Several steps at one place keep their order.
type HostStep struct {
	Step   string `json:"step"`
	After  string `json:"after,omitempty"`
	Before string `json:"before,omitempty"`
	// ID names the step among all steps of the host. Default: the name of the step.
	ID string `json:"id,omitempty"`
	// Args, Timeout, Attempts and When are as in a Workload.
	Args     map[string]any `json:"args,omitempty"`
	Timeout  string         `json:"timeout,omitempty"`
	Attempts int            `json:"attempts,omitempty"`
	When     string         `json:"when,omitempty"`
}

// Use is the step without its place.
func (s HostStep) Use() StepUse {
	return StepUse{Step: s.Step, ID: s.ID, Args: s.Args, Timeout: s.Timeout, Attempts: s.Attempts, When: s.When}
}

// Step is a script or a plug-in that runs in the ramdisk, or settings of the machine that its BMC changes.
type Step struct {
	APIVersion string   `json:"apiVersion"`
	Kind       string   `json:"kind"`
	Metadata   Metadata `json:"metadata"`
	Spec       StepSpec `json:"spec"`
}

// StepSpec is a script of the same commit or a list of plug-ins, the arguments that they take, and the limits of a run; or
// settings of the machine. Exactly one of script, plugins and bmc is set. What is said of a script is true of a plug-in.
type StepSpec struct {
	// Script is the path of a file in the same commit. The file's first line names its interpreter.
	Script string `json:"script,omitempty"`
	// Plugins are executables, at most 8: each is asked on the machine whether it supports the machine, and the one with
	// the highest support is run: vendor, mainline, generic. Plug-ins of equal support are tried in the order of the list.
	Plugins []Plugin `json:"plugins,omitempty"`
	// BMC are settings of the machine, which its BMC changes without a boot of the ramdisk. They are compared for
	// themselves, and are no part of a workload's inputs: adding or changing them reinstalls nothing. Of the other fields
	// only apply and timeout (default 1h) go with them.
	BMC *StepBMC `json:"bmc,omitempty"`
	// Apply says when the settings of bmc are changed: WithInstall (default), before the first boot of an installation;
	// InTurn, also on a machine in service, which is shut down and started again in the turn of its ring.
	Apply string `json:"apply,omitempty"`
	// Args is the JSON Schema (2020-12) of the arguments: type object, without $ref. Additional properties are refused
	// unless the schema says otherwise. The default of a property is filled in. x-ingot-secret: true on a property says
	// that the value is a secret. Without this field the Step takes no arguments.
	Args map[string]any `json:"args,omitempty"`
	// Writes names the disks, by the names in spec.disks of a Host, that the script may write to, whatever they hold: each
	// needs a consent of its own unless it is blank. An empty list says that the Step writes to no disk and is no part of a
	// workload's inputs: adding, changing or removing the Step reinstalls nothing. Without this field the script is given
	// no disk, and counts as part of the system.
	Writes []string `json:"writes,omitempty"`
	// Mounts is none (default) or system: the script is shown the file systems of the written system, mounted for reading
	// and writing. Such a Step stands behind install or write-image, is part of a workload's inputs, and has no writes.
	Mounts string `json:"mounts,omitempty"`
	// When is a condition in CEL over facts, labels, vars, name and id of the machine, at most 4096 bytes; default: the
	// step always runs. A step whose condition does not hold is skipped. A field that the machine does not report makes
	// the condition fail: ask with has(…).
	When string `json:"when,omitempty"`
	// Timeout is a duration such as 10m; default 10m, at most 24h. The timeout is of one attempt.
	Timeout string `json:"timeout,omitempty"`
	// Attempts is how often the script is tried before the step has failed: 1 (default) to 10.
	Attempts int `json:"attempts,omitempty"`
	// Repeatable is true (default) or false. With false a script that was killed, or ended with an undocumented code,
	// is not tried again, and an installation that failed after the script began waits for `ingot retry`.
	Repeatable *bool `json:"repeatable,omitempty"`
	// Reboots, when true, has the ramdisk booted anew once after the script is done, before the next step; no attempt is
	// counted. Then the exit code 4 means done.
	Reboots bool  `json:"reboots,omitempty"`
	Needs   Needs `json:"needs,omitempty"`
}

// Plugin is an executable that describes itself and runs a step: a file of the same commit (path), or a file that the
// daemon fetches and verifies (url and sha256).
type Plugin struct {
	// Path is of a file in the same commit, at most 1 MiB.
	Path string `json:"path,omitempty"`
	// URL is http or https, or a path in the daemon's mirror; at most 128 MiB are fetched.
	URL string `json:"url,omitempty"`
	// SHA256 is of the bytes at the URL: 64 hex digits.
	SHA256 string `json:"sha256,omitempty"`
	// Step is the name of the step in the plug-in: the plug-in is run as `PLUGIN run STEP`.
	Step string `json:"step"`
}

// Limits of plug-ins.
const (
	MaxPlugins    = 8       // of one Step
	MaxPluginFile = 1 << 20 // bytes of a plug-in in the commit
)

// StepBMC are settings that a BMC changes.
type StepBMC struct {
	// Bios are BIOS attributes: names and values as the machine's BMC has them in its attribute registry, which
	// `ingot bmc check` names. A value is a text, a whole number, or true or false; a text may hold ${vars.x}.
	Bios map[string]any `json:"bios"`
}

// Values of StepSpec.Apply.
const (
	WithInstall = "WithInstall"
	InTurn      = "InTurn"
)

// Values of StepSpec.Mounts.
const (
	MountsNone   = "none"
	MountsSystem = "system"
)

// RootDiskName is the name of the disk of spec.rootDisk among the names of disks.
const RootDiskName = "root"

// Needs is what a script is given beside a processor, its input, a directory in RAM, and the disks of writes.
type Needs struct {
	// Network gives the script the ramdisk's network. Without it the script has no network.
	Network bool `json:"network,omitempty"`
	// Memory is the most memory of the script with its files in /tmp: a quantity in bytes with an optional unit;
	// default 512MiB.
	Memory string `json:"memory,omitempty"`
	// Processes is the most processes and threads: 1 to 65536, default 256.
	Processes int `json:"processes,omitempty"`
}

// MaxCondition is the most bytes of a condition.
const MaxCondition = 4 << 10

// MaxProcesses is the most processes of one step.
const MaxProcesses = 65536

// MaxAttempts is the most attempts of one step.
const MaxAttempts = 10
