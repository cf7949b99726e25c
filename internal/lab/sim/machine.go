// Package sim is machines without hardware: the real agent over fake hardware and disks in memory, behind a real
// Redfish BMC. The firmware reads the boot medium over HTTP as a BMC would, or starts the disk's system. A hundred
// machines fit into a process. New makes a Machine; package bmc starts and stops it.
package sim

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"

	"github.com/gitmetal/ingot/agent"
	"github.com/gitmetal/ingot/agent/imagewriter"
	"github.com/gitmetal/ingot/agent/steps"
	"github.com/gitmetal/ingot/agent/wire"
	"github.com/gitmetal/ingot/internal/lab/bmc"
)

// Config describes a machine.
type Config struct {
	Identity   bmc.Identity // serial, UUID and network cards are reported by the agent
	DiskSerial string
	SecureBoot bool
	Serial     io.Writer    // for the serial console; default: discarded
	Log        *slog.Logger // default: discarded
}

// Machine implements bmc.Machine. The disks outlive runs.
type Machine struct {
	config Config
	disk   *Disk

	mu     sync.Mutex
	spares []drive
	run    *run
	serves bool // the installed system runs, and has called home if it should
	seen   Counts
	breaks func(wire.Step) error
	spoils func(wire.Install) error
	hang   *Hang
}

// Break makes steps fail in the ramdisk, before they start, with the error that the function returns; nil mends the
// machine.
func (m *Machine) Break(with func(wire.Step) error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.breaks = with
}

func (m *Machine) failureOf(step wire.Step) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.breaks == nil {
		return nil
	}
	return m.breaks(step)
}

// BreakWrites makes installs fail after the disk was wiped, with the error that the function returns; nil mends the
// machine.
func (m *Machine) BreakWrites(with func(wire.Install) error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.spoils = with
}

func (m *Machine) failureOfWrite(job wire.Install) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.spoils == nil {
		return nil
	}
	return m.spoils(job)
}

// Serves reports whether the installed system is up.
func (m *Machine) Serves() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.run != nil && m.serves
}

// Counts are totals of a machine.
type Counts struct {
	Installs int // images written whole
	Begun    int // installs that began to write
}

// run is a time during which the machine is on.
type run struct {
	cancel context.CancelFunc
	exit   chan bmc.Exit
	once   sync.Once
}

func (r *run) endRun(e bmc.Exit) {
	r.once.Do(func() {
		r.cancel()
		r.exit <- e
		close(r.exit)
	})
}

// New makes a machine that is off, with a blank disk.
func New(c Config) *Machine {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Serial == nil {
		c.Serial = io.Discard
	}
	return &Machine{config: c, disk: NewDisk()}
}

// Disk is the machine's first disk, to read or to fill while the machine is off.
func (m *Machine) Disk() *Disk { return m.disk }

// ReplaceDisk puts a blank disk with a serial in the place of the machine's first disk. Call it while the machine is off.
func (m *Machine) ReplaceDisk(serial string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.config.DiskSerial, m.disk = serial, NewDisk()
}

// ReplaceBoard gives the machine another board: what the agent reads of it. The BMC says what it said. Call it while the
// machine is off.
func (m *Machine) ReplaceBoard(change func(*bmc.Identity)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.config.Identity.NICs = slices.Clone(m.config.Identity.NICs)
	change(&m.config.Identity)
}

// drive is a disk with its serial.
type drive struct {
	serial string
	disk   *Disk
}

// AddDisk adds a blank disk, which the firmware never starts from. Call AddDisk while the machine is off.
func (m *Machine) AddDisk(serial string) *Disk {
	m.mu.Lock()
	defer m.mu.Unlock()
	added := drive{serial, NewDisk()}
	m.spares = append(m.spares, added)
	return added.disk
}

// listDrives gives all drives of the machine, the boot drive first.
func (m *Machine) listDrives() []drive {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]drive{{m.config.DiskSerial, m.disk}}, m.spares...)
}

// Digest is different for different contents of the machine's disks.
func (m *Machine) Digest() string {
	var digests []string
	for _, d := range m.listDrives() {
		digests = append(digests, d.disk.Digest())
	}
	return strings.Join(digests, " ")
}

// Counts gives the totals so far.
func (m *Machine) Counts() Counts {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.seen
}

// Start implements bmc.Machine.
func (m *Machine) Start(_ context.Context, boot bmc.Boot) (<-chan bmc.Exit, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.run != nil {
		return nil, errors.New("the machine runs already")
	}
	ctx, cancel := context.WithCancel(context.Background())
	r := &run{cancel: cancel, exit: make(chan bmc.Exit, 1)}
	m.run, m.serves = r, false
	go func() {
		m.runFirmware(ctx, boot, r)
		<-ctx.Done() // a machine stays on after its software has ended
		m.mu.Lock()
		if m.run == r {
			m.run = nil
		}
		m.mu.Unlock()
	}()
	return r.exit, nil
}

// Stop implements bmc.Machine.
func (m *Machine) Stop(_ context.Context, how bmc.Stop) error {
	if how == bmc.Graceful {
		m.switchOff(bmc.PoweredOff)
	} else {
		m.switchOff(bmc.Stopped)
	}
	return nil
}

// Unplug pulls the plug.
func (m *Machine) Unplug() { m.switchOff(bmc.PowerLost) }

func (m *Machine) switchOff(cause bmc.ExitCause) {
	m.mu.Lock()
	r := m.run
	m.run = nil
	m.mu.Unlock()
	if r != nil {
		m.printLine("power: %s", cause)
		r.endRun(bmc.Exit{Cause: cause})
	}
}

// printLine writes a line to the serial console.
func (m *Machine) printLine(format string, args ...any) {
	_, _ = fmt.Fprintf(m.config.Serial, format+"\r\n", args...) // a console without readers is fine
}

// runFirmware starts the medium, or the disk.
func (m *Machine) runFirmware(ctx context.Context, boot bmc.Boot, r *run) {
	m.printLine("\x1b[2J\x1b[1;1Hfirmware: machine %s starts from %s", m.config.Identity.Serial, boot.From)
	if m.hangs(ctx, boot) {
		return
	}
	if boot.From == bmc.FromCD && boot.MediaURL != "" {
		medium, err := readMedium(ctx, boot.MediaURL)
		if err == nil && m.startsOwn(ctx, medium, r) {
			return
		}
		var config wire.BootConfig
		if err == nil {
			config, err = readBootConfig(medium)
		}
		if err == nil {
			m.printLine("ramdisk: the agent of boot %s, epoch %d", config.Boot, config.Epoch)
			err = agent.Run(ctx, agent.Config{Boot: config, Machine: ramdisk{m, r}, Log: m.config.Log})
		}
		if err != nil && ctx.Err() == nil {
			m.config.Log.Error("ramdisk", "machine", m.config.Identity.Serial, "error", err)
		}
		return
	}
	err := m.startSystem(ctx, r)
	if err == nil {
		m.beginService(r)
	}
	if err != nil && ctx.Err() == nil {
		m.config.Log.Error("installed system", "machine", m.config.Identity.Serial, "error", err)
	}
}

// beginService notes that the system of a run is up, if the machine still runs it.
func (m *Machine) beginService(r *run) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.serves = m.run == r
}

// ramdisk is the hardware as the agent sees it.
type ramdisk struct {
	m *Machine
	r *run
}

// Facts implements agent.Machine.
func (h ramdisk) Facts(context.Context) (wire.Facts, error) {
	id := h.m.config.Identity
	f := wire.Facts{
		System: wire.System{Manufacturer: id.Manufacturer, Product: id.Model, Serial: id.Serial, UUID: id.UUID},
		Firmware: wire.Firmware{UEFI: true, SecureBoot: h.m.enforcesSecureBoot(), Vendor: "ingot lab",
			Version: id.BIOSVersion},
		CPU: wire.CPU{Model: "simulated", Arch: "amd64", Count: 2}, Memory: 4 << 30,
	}
	f.Disks = h.m.DescribeDisks()
	for _, nic := range id.NICs {
		f.NICs = append(f.NICs, wire.NIC{Name: nic.Name, MAC: nic.MAC, Driver: "sim", Link: true, Mbps: 1000})
	}
	return f, nil
}

// Do implements agent.Machine: the agent's own steps, over the fake disk.
func (h ramdisk) Do(ctx context.Context, step wire.Step, s agent.Session) (*wire.BootEntry, error) {
	switch err := h.m.failureOf(step); {
	case err != nil:
		return nil, err
	case step.Execution != nil:
		return nil, execute(ctx, step, s)
	case step.Install != nil:
		tools := steps.Tools{Disks: opener{h.m}, Leave: s, Images: s, Installer: installer{m: h.m}, NoteTable: s.NoteTable}
		return h.m.installSystem(ctx, *step.Install, tools, s.Report)
	case len(step.Describe) > 0:
		s.NoteDescribed(describePlugins(step.Describe))
		return nil, nil
	case step.Inject != nil: // a simulated disk has no file systems
		for _, file := range step.Inject.Files {
			s.Report(wire.Progress{Step: step.Name, Lines: []string{fmt.Sprintf("%s: %d bytes", file.Path, len(file.Content))}})
		}
		return nil, nil
	case step.Erase != nil:
		tools := steps.DiskTools{Disks: opener{h.m}, Leave: s, NoteDisks: s.NoteDisks}
		return nil, steps.EraseDisks(ctx, *step.Erase, steps.EraseTools{DiskTools: tools, NoteErased: s.NoteErased,
			Report: s.Report, Agent: "simulated"})
	case step.Script != nil && len(step.Script.Disks) > 0:
		tools := steps.DiskTools{Disks: opener{h.m}, Leave: s, NoteDisks: s.NoteDisks}
		_, err := steps.WithDisks(ctx, step.Script.Disks, tools, func([]steps.GivenDisk) (string, error) {
			return "", nil // the bytes of a script that nobody runs
		})
		return nil, err
	case step.StartUnit != nil:
		s.Report(wire.Progress{Lines: []string{"unit " + step.StartUnit.Unit + " is inactive (dead)"}})
		return nil, nil
	case step.Script != nil:
		s.Report(wire.Progress{Step: step.Name,
			Lines: []string{fmt.Sprintf("a script of %d bytes", len(step.Script.Body))}})
		return nil, nil
	default:
		return nil, errors.New("no such step")
	}
}

// installSystem runs an install, as the agent's program does.
func (m *Machine) installSystem(ctx context.Context, job wire.Install, tools steps.Tools,
	report func(wire.Progress)) (*wire.BootEntry, error) {
	if job.Plain {
		writer, err := imagewriter.Open(ctx, job.Image, tools.Images, imagewriter.Memory{Bytes: 4 << 30}, report)
		if err != nil {
			return nil, err
		}
		defer writer.Close()
		tools.Installer, tools.Check = installer{m, writer}, writer.CheckDisk
	}
	return &wire.BootEntry{Order: []string{"0001"}, Current: "0002"}, steps.InstallSystem(ctx, job, tools, report)
}

// describePlugins answers for plug-ins that nobody runs.
func describePlugins(asked []wire.Script) (described []wire.Described) {
	for _, script := range asked {
		for _, p := range script.Plugins {
			described = append(described, wire.Described{SHA256: p.SHA256, Name: p.Name, Version: "simulated", Step: p.Step,
				Support: wire.SupportGeneric})
		}
	}
	return described
}

// CarryAccount implements agent.Machine.
func (ramdisk) CarryAccount(_ context.Context, order wire.AccountOrder) wire.AccountReport {
	return wire.AccountReport{ID: order.ID, Problem: wire.AccountNoBMC, Error: "this machine shows no BMC to its kernel"}
}

// PowerOff implements agent.Machine.
func (h ramdisk) PowerOff(context.Context) error {
	h.m.mu.Lock()
	if h.m.run == h.r {
		h.m.run = nil
	}
	h.m.mu.Unlock()
	h.r.endRun(bmc.Exit{Cause: bmc.PoweredOff})
	return nil
}

// describeDisk is the disk as the agent reports it; number counts the machine's disks from 0.
func (d drive) describeDisk(number int) wire.Disk {
	return d.disk.inspect(wire.Disk{
		Name: "vd" + string(rune('a'+number)), Path: fmt.Sprintf("/dev/disk/by-path/sim-%d", number), Serial: d.serial,
		Model: "simulated", Transport: "virtio",
		Size: DiskSize, SectorSize: 512,
	})
}

// DescribeDisks are the machine's disks as an agent reports them.
func (m *Machine) DescribeDisks() (disks []wire.Disk) {
	for number, d := range m.listDrives() {
		disks = append(disks, d.describeDisk(number))
	}
	return disks
}

func (m *Machine) updateCounts(change func(*Counts)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	change(&m.seen)
}
