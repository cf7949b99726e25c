// Package qemu is a virtual machine with real UEFI firmware behind a virtual BMC: QEMU in software emulation (q35 with
// SMM, OVMF, Secure Boot enforced with Microsoft's keys), disks, a network card on QEMU's user network, a virtual CD
// that QEMU reads over HTTP as a BMC does, and a serial console kept in a file. New prepares a Machine; package bmc
// starts and stops it.
//
// A machine has a directory: vars.fd (the firmware's variables), a raw sparse file per disk, console.log (appended to
// by every run), qemu.log (QEMU's output) and qemu.pid during a run. The guest reaches the host as 10.0.2.2.
package qemu

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"

	"github.com/gitmetal/ingot/internal/lab/bmc"
)

// Config describes a machine. The identity gives SMBIOS type 1 (manufacturer, model, serial, UUID), the cores, the
// memory, the network cards and the disks with serials and sizes.
type Config struct {
	Dir      string // made if missing; existing files are kept
	Identity bmc.Identity
	Firmware Firmware // default: DebianFirmware
	Binary   string   // default: qemu-system-x86_64 on the PATH
	// NVMe are the serials of the disks that are NVMe drives; the others are virtio's.
	NVMe []string
	// BMC is the machine's own way to its BMC, an IPMI interface: the far end as options of a QEMU socket, for example
	// "path=/run/bmc.sock", where package inband serves. "" gives the machine no IPMI interface.
	BMC string
	// Control is the path of a Unix socket to which the machine's second serial port connects; "" without one.
	Control string
	// Kernel is started in place of firmware and media; nil starts the firmware.
	Kernel *Kernel
}

// Kernel is a Linux kernel that QEMU starts itself. Such a machine has no UEFI, and no Secure Boot.
type Kernel struct {
	Image, Initrd string // files
	Arguments     string
}

// Firmware is a pair of OVMF images.
type Firmware struct {
	Code string // read-only, built with SMM
	Vars string // template with the enrolled keys, copied for every machine
}

// DebianFirmware enforces Secure Boot with Microsoft's keys; Debian's package is ovmf.
var DebianFirmware = Firmware{Code: "/usr/share/OVMF/OVMF_CODE_4M.secboot.fd",
	Vars: "/usr/share/OVMF/OVMF_VARS_4M.ms.fd"}

// Machine implements bmc.Machine. The methods are safe for concurrent use.
type Machine struct {
	config Config

	mu      sync.Mutex
	current *run // nil: off
}

// run is a QEMU process.
type run struct {
	process *os.Process
	monitor *monitor
	cause   bmc.ExitCause // set when the lab ends the process
}

var _ bmc.Machine = (*Machine)(nil)

// New prepares the machine's directory: the firmware's variables and the disks, unless they exist already.
func New(config Config) (*Machine, error) {
	if config.Firmware == (Firmware{}) {
		config.Firmware = DebianFirmware
	}
	if config.Binary == "" {
		config.Binary = "qemu-system-x86_64"
	}
	if err := checkConfig(config); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(config.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the machine's directory: %w", err)
	}
	m := &Machine{config: config}
	if err := copyOnce(config.Firmware.Vars, m.filePath("vars.fd")); err != nil {
		return nil, fmt.Errorf("copy the firmware's variables (package ovmf): %w", err)
	}
	for _, disk := range config.Identity.Disks {
		if err := makeDisk(m.DiskPath(disk.Serial), disk.Bytes); err != nil {
			return nil, fmt.Errorf("make disk %s: %w", disk.Serial, err)
		}
	}
	return m, nil
}

func checkConfig(config Config) error {
	if config.Dir == "" || len(config.Identity.Disks) == 0 || len(config.Identity.NICs) == 0 {
		return errors.New("qemu: a machine needs a directory, a disk and a network card")
	}
	for _, disk := range config.Identity.Disks {
		if disk.Serial == "" || disk.Serial != filepath.Base(disk.Serial) || len(disk.Serial) > 20 || disk.Bytes <= 0 {
			return fmt.Errorf("qemu: disk %q needs a serial of 1 to 20 characters without a slash, and a size",
				disk.Serial)
		}
	}
	return nil
}

func (m *Machine) filePath(name string) string { return filepath.Join(m.config.Dir, name) }

// DiskPath is the raw image of the disk with a serial.
func (m *Machine) DiskPath(serial string) string { return m.filePath("disk-" + serial + ".raw") }

// ConsolePath is the log of the serial console, over all runs.
func (m *Machine) ConsolePath() string { return m.filePath("console.log") }

// Start implements bmc.Machine. A medium that cannot be opened is left out, so that the firmware finds an empty drive;
// qemu.log says why.
func (m *Machine) Start(ctx context.Context, boot bmc.Boot) (<-chan bmc.Exit, error) {
	if boot.From != bmc.FromCD && boot.From != bmc.FromDisk {
		return nil, fmt.Errorf("this machine boots from cd or disk, not from %s", boot.From)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.current != nil {
		return nil, errors.New("the machine runs already")
	}
	started, command, err := m.launchProcess(ctx, boot)
	if err != nil {
		return nil, err
	}
	if err := m.startGuest(ctx, started, boot); err != nil {
		_ = started.process.Kill()
		_ = command.Wait()
		_ = started.monitor.closeConn()
		return nil, fmt.Errorf("start qemu: %w; see %s", err, m.filePath("qemu.log"))
	}
	m.current = started
	exits := make(chan bmc.Exit, 1)
	go m.awaitExit(started, command, exits)
	return exits, nil
}

// launchProcess starts QEMU with stopped processors.
func (m *Machine) launchProcess(ctx context.Context, boot bmc.Boot) (*run, *exec.Cmd, error) {
	words, err := os.OpenFile(m.filePath("qemu.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, nil, fmt.Errorf("open qemu's log: %w", err)
	}
	defer words.Close()
	talk, far, err := newMonitor()
	if err != nil {
		return nil, nil, err
	}
	defer far.Close()
	// The machine outlives the call.
	command := exec.CommandContext(context.WithoutCancel(ctx), m.config.Binary, m.commandLine(boot)...)
	command.Stdout, command.Stderr = words, words
	command.ExtraFiles = []*os.File{far} // descriptor 3 in commandLine
	// Its own group, so that Ctrl-C reaches the lab first; killed with the lab if the lab dies.
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := command.Start(); err != nil {
		_ = talk.closeConn()
		return nil, nil, fmt.Errorf("start qemu (package qemu-system-x86): %w", err)
	}
	return &run{process: command.Process, monitor: talk}, command, nil
}

// startGuest connects to QEMU's monitor, inserts the medium and starts the processors.
func (m *Machine) startGuest(ctx context.Context, started *run, boot bmc.Boot) error {
	if err := started.monitor.awaitGreeting(ctx); err != nil {
		return err
	}
	if boot.MediaURL != "" {
		if err := started.monitor.insertMedium(ctx, boot.MediaURL); err != nil {
			m.appendNote("the medium cannot be read, the drive stays empty: " + err.Error())
		}
	}
	return started.monitor.runCommand(ctx, "cont", nil)
}

// appendNote appends a line to qemu.log. A failed write is ignored: the machine continues.
func (m *Machine) appendNote(line string) {
	words, err := os.OpenFile(m.filePath("qemu.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return
	}
	defer words.Close()
	_, _ = fmt.Fprintln(words, "lab:", line)
}

// awaitExit waits for the process and reports why the process ended.
func (m *Machine) awaitExit(ended *run, command *exec.Cmd, exits chan<- bmc.Exit) {
	err := command.Wait()
	reason := ended.monitor.awaitEnd()
	m.mu.Lock()
	cause := ended.cause
	m.current = nil
	m.mu.Unlock()
	exits <- m.explainExit(cause, reason, err)
	close(exits)
}

func (m *Machine) explainExit(cause bmc.ExitCause, reason string, err error) bmc.Exit {
	switch {
	case reason == "guest-shutdown":
		return bmc.Exit{Cause: bmc.PoweredOff}
	case cause != "":
		return bmc.Exit{Cause: cause}
	case reason == "guest-reset":
		return bmc.Exit{Cause: bmc.Rebooted}
	case err == nil:
		return bmc.Exit{Cause: bmc.PowerLost,
			Err: fmt.Errorf("qemu ended by itself, reason %q; see %s", reason, m.filePath("qemu.log"))}
	default:
		return bmc.Exit{Cause: bmc.PowerLost, Err: fmt.Errorf("qemu ended: %w; see %s", err, m.filePath("qemu.log"))}
	}
}

// Stop implements bmc.Machine: Graceful is the ACPI power button, Force kills QEMU at once, like a power cut.
func (m *Machine) Stop(ctx context.Context, how bmc.Stop) error {
	m.mu.Lock()
	current := m.current
	m.mu.Unlock()
	if current == nil {
		return nil
	}
	if how == bmc.Graceful {
		return current.monitor.runCommand(ctx, "system_powerdown", nil)
	}
	return m.killProcess(bmc.Stopped)
}

// Unplug cuts the power: QEMU is killed, and unwritten data is lost. An unplugged machine that is off stays off.
func (m *Machine) Unplug() error { return m.killProcess(bmc.PowerLost) }

func (m *Machine) killProcess(cause bmc.ExitCause) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.current == nil {
		return nil
	}
	m.current.cause = cause
	if err := m.current.process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("end qemu: %w", err)
	}
	return nil
}

// Process is the id of the QEMU process, or 0 if the machine is off.
func (m *Machine) Process() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.current == nil {
		return 0
	}
	return m.current.process.Pid
}
