package steps

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gitmetal/ingot/agent/programs"
	"github.com/gitmetal/ingot/agent/wire"
)

// Isolation keeps a script of the fleet away from the machine, from the agent and from other steps. The zero value runs
// the script as it is.
type Isolation struct {
	// Run is the program that starts a transient service, and Control the program that asks for one and ends one.
	Run, Control string
	// Dir is the directory, in RAM, that holds a script while the script runs.
	Dir string
}

// Systemd runs scripts in a transient service of systemd.
var Systemd = Isolation{Run: "systemd-run", Control: "systemctl", Dir: "/run/ingot-steps"}

// Limits of a script that asks for none.
const (
	defaultMemory    = 512 << 20 // bytes, with the files in its /tmp
	defaultProcesses = 256
)

// service is one attempt of a script as a transient service.
type service struct {
	file        string // of the script, alone in a directory with the name of the service
	work        string // the directory that the script may write to
	timeout     time.Duration
	needs       wire.Needs
	environment []string
	nodes       string   // the directory with the devices of its disks; "" without disks
	nodeNames   []string // in that directory
	places      Places   // of a run
	system      []SystemDir
}

// unit names the service by the directory of the script, which is new for each attempt.
func (s service) unit() string { return filepath.Base(filepath.Dir(s.file)) }

// scriptsDir is the directory for the directories of scripts.
func (i Isolation) scriptsDir() string { return cmp.Or(i.Dir, os.TempDir()) }

// workDir is the directory that a script may write to: the service's own, or the directory of the script.
func (i Isolation) workDir(dir string) string {
	if i.Run == "" {
		return dir
	}
	return "/run/" + filepath.Base(dir) + "-work"
}

// arguments is the command for a script: a service with a user of its own, without other devices than the disks that it
// is given, without capabilities, network and other processes, whose /run holds its script and its work alone, and
// whose processes end with the script. systemd.exec(5), systemd.resource-control(5), systemd.service(5).
func (i Isolation) arguments(s service) []string {
	if i.Run == "" {
		return []string{s.file}
	}
	argv := []string{i.Run, "--quiet", "--wait", "--pipe", "--unit=" + s.unit()}
	basic := programs.Environment()
	home := slices.IndexFunc(basic, func(v string) bool { return strings.HasPrefix(v, "HOME=") })
	basic[home] = "HOME=" + s.work
	for _, variable := range append(basic, s.environment...) {
		argv = append(argv, "--setenv="+variable)
	}
	for _, property := range slices.Concat(s.fence(), s.places.binds(), s.systemBinds(), s.devices(), s.limits(), s.network()) {
		argv = append(argv, "--property="+property)
	}
	return append(argv, s.file)
}

// SystemUser is the user, and the group, of a script that is shown the written system: a number that no system gives to
// anybody (the ranges of systemd, "Users, Groups, UIDs and GIDs on systemd Systems"). What still belongs to the number
// behind the script is given to root.
const SystemUser = 2147000014

// systemUserName is the name of SystemUser: systemd runs nothing as a number that has no name.
const systemUserName = "ingot-system"

// makeSystemUser gives SystemUser its name in the ramdisk, unless it has the name already (sysusers.d(5)).
func (i Isolation) makeSystemUser(ctx context.Context, s service) error {
	if i.Run == "" || len(s.system) == 0 {
		return nil
	}
	line := fmt.Sprintf("u %s %d", systemUserName, SystemUser)
	if out, err := captureOutput(ctx, "systemd-sysusers", "--inline", line); err != nil {
		return fmt.Errorf("make the user of the step: %w: %s", err, out)
	}
	return nil
}

// identity are the properties that say as whom a script runs. In front of the written system the script may read, write and
// give away the files of everybody; it is in no group, and signals and traces nobody.
func (s service) identity() []string {
	if len(s.system) == 0 {
		return []string{"DynamicUser=yes", "CapabilityBoundingSet=", "UMask=0077"}
	}
	const may = "CAP_CHOWN CAP_DAC_OVERRIDE CAP_FOWNER"
	return []string{"User=" + systemUserName, "Group=" + systemUserName, "CapabilityBoundingSet=" + may,
		"AmbientCapabilities=" + may, "UMask=0022"}
}

// fence are the properties that are the same for every script. With a user of its own a script can neither signal nor
// trace the agent; /run holds the agent's key and the Ignition config, /etc/ingot the boot token.
func (s service) fence() []string {
	return append(s.identity(),
		"NoNewPrivileges=yes",
		"PrivateDevices=yes", "DevicePolicy=closed", "PrivateIPC=yes", "PrivateTmp=yes",
		"ProtectSystem=strict", "TemporaryFileSystem=/run:ro", "BindReadOnlyPaths="+s.file,
		"RuntimeDirectory="+filepath.Base(s.work), "WorkingDirectory="+s.work,
		"InaccessiblePaths=-/etc/ingot", "InaccessiblePaths=-/sys/firmware",
		"ProtectProc=invisible", "ProtectKernelTunables=yes", "ProtectKernelModules=yes", "ProtectKernelLogs=yes",
		"ProtectControlGroups=yes", "ProtectClock=yes", "ProtectHostname=yes", "ProtectHome=yes",
		"RestrictNamespaces=yes", "RestrictSUIDSGID=yes", "LockPersonality=yes", "RestrictRealtime=yes",
		"MemoryDenyWriteExecute=yes", "SystemCallArchitectures=native", "SystemCallFilter=@system-service",
		"KeyringMode=private")
}

// limits are the properties that end a script which does not end. Without CPUWeight systemd and the agent would compete
// with each process of the script; without TimeoutStopSec systemd would wait 90 s for processes that ignore SIGTERM.
func (s service) limits() []string {
	memory, processes := cmp.Or(s.needs.Memory, defaultMemory)+s.places.Size, cmp.Or(s.needs.Processes, defaultProcesses)
	limits := []string{fmt.Sprintf("MemoryMax=%d", memory), "MemorySwapMax=0", fmt.Sprintf("TasksMax=%d", processes),
		"CPUWeight=20", "TimeoutStopSec=1"}
	if s.timeout > 0 {
		seconds := (s.timeout + time.Second - 1) / time.Second
		limits = append(limits, fmt.Sprintf("RuntimeMaxSec=%d", seconds))
	}
	return limits
}

// network are the properties for the network: none, or the ramdisk's with its name servers.
func (s service) network() []string {
	if s.needs.Network {
		return []string{"RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK",
			"BindReadOnlyPaths=-/run/systemd/resolve"}
	}
	return []string{"PrivateNetwork=yes", "RestrictAddressFamilies=AF_UNIX"}
}

// serviceEnd is the end of a service as systemd tells it.
type serviceEnd struct {
	code int    // exit code of the script; -1 where the script did not end by itself
	why  string // for people
	err  error  // of systemd-run, with the last line of output
}

// Error names the last line of the script's output, and leaves systemd-run out.
func (e serviceEnd) Error() string {
	var program programEnd
	if errors.As(e.err, &program) {
		return strings.TrimSuffix(e.why+": "+program.last, ": ")
	}
	return e.why + ": " + e.err.Error()
}

func (e serviceEnd) Unwrap() error { return e.err }

// controlTimeout is how long an answer of systemd, or the end of a service, may take on a machine under load.
const controlTimeout = 30 * time.Second

// grace is how long systemd may take to end a service at its timeout before the agent stops waiting.
const grace = 20 * time.Second

// patience is how long the agent waits for an attempt with a timeout: systemd ends a service itself, and tells why.
func (i Isolation) patience(timeout time.Duration) time.Duration {
	if i.Run == "" {
		return timeout
	}
	return timeout + grace
}

// maxResult is the most bytes of systemd's answer that are read.
const maxResult = 4 << 10

// readEnd gives the error of a script that failed: systemd-run alone gives 1 for a deadline as for an exit code 1.
func (i Isolation) readEnd(ctx context.Context, s service, err error) error {
	if err == nil || i.Run == "" || ctx.Err() != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), controlTimeout)
	defer cancel()
	text, failed := captureOutput(ctx, i.Control, "show", "--property=Result,ExecMainStatus", s.unit()+".service")
	if failed != nil {
		return serviceEnd{code: -1, why: "systemd does not say how it ended", err: err}
	}
	return explainResult(text[:min(len(text), maxResult)], err)
}

// results are systemd's words for the end of a service (systemd.exec(5), SERVICE_RESULT), in plain words.
var results = map[string]string{
	"timeout": "it did not end within its timeout", "oom-kill": "it used more memory than it may have",
	"signal": "it was killed", "core-dump": "it was killed", "resources": "systemd could not start it",
}

// explainResult reads systemd's answer about a service.
func explainResult(text string, err error) error {
	said := map[string]string{}
	for line := range strings.Lines(text) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok {
			said[name] = value
		}
	}
	result, status := said["Result"], said["ExecMainStatus"]
	code, bad := strconv.Atoi(status)
	switch {
	case result == "exit-code" && bad == nil && code != 0:
		return serviceEnd{code: code, why: "exit status " + status, err: err}
	case result == "success":
		return serviceEnd{code: -1, why: "systemd did not start it", err: err}
	case results[result] != "":
		return serviceEnd{code: -1, why: results[result], err: err}
	default:
		return serviceEnd{code: -1, why: fmt.Sprintf("it ended with %q", result), err: err}
	}
}

// endService ends the service of a script, which the end of systemd-run does not, and lets systemd forget how the
// service ended. systemd may need several times to end a service that has starved the machine.
func (i Isolation) endService(s service) {
	if i.Control == "" {
		return
	}
	for range 4 {
		if i.control("stop", s) == nil {
			break
		}
	}
	_ = i.control("reset-failed", s) // fails for a service that did not fail
}

func (i Isolation) control(verb string, s service) error {
	ctx, cancel := context.WithTimeout(context.Background(), controlTimeout)
	defer cancel()
	var exit *exec.ExitError
	err := exec.CommandContext(ctx, i.Control, verb, "--quiet", s.unit()+".service").Run()
	if ctx.Err() == nil && errors.As(err, &exit) {
		return nil // systemd has answered: there is no such service
	}
	return err
}
