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
	"github.com/gitmetal/ingot/agent/wire"
	"github.com/gitmetal/ingot/internal/lab/bmc"
)

// Config describes a machine.
type Config struct {
	Identity   bmc.Identity // serial, UUID and network cards are reported by the agent
	DiskSerial string
	SecureBoot bool
	// Inventory is what the agent reads, in place of what a simulated machine has. Sizes and content of its disks are those of
	// the simulated disks, the first of which is the boot drive. nil: a simulated machine with one disk.
	Inventory *wire.Facts
	// CarryAccount carries out orders about the accounts of the machine's BMC. nil: the kernel sees no BMC.
	CarryAccount func(context.Context, wire.AccountOrder) wire.AccountReport
	Serial       io.Writer    // for the serial console; default: discarded
	Log          *slog.Logger // default: discarded
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
	m := &Machine{config: c, disk: NewDisk()}
	if c.Inventory != nil {
		for _, d := range c.Inventory.Disks[1:] {
			m.AddDisk(d.Serial)
		}
		m.config.DiskSerial = c.Inventory.Disks[0].Serial
	}
	return m
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

func (m *Machine) updateCounts(change func(*Counts)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	change(&m.seen)
}
