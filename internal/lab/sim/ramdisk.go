package sim

import (
	"context"
	"errors"
	"fmt"

	"github.com/gitmetal/ingot/agent"
	"github.com/gitmetal/ingot/agent/imagewriter"
	"github.com/gitmetal/ingot/agent/steps"
	"github.com/gitmetal/ingot/agent/wire"
	"github.com/gitmetal/ingot/internal/lab/bmc"
)

// ramdisk is the hardware as the agent sees it.
type ramdisk struct {
	m *Machine
	r *run
}

// Facts implements agent.Machine.
func (h ramdisk) Facts(context.Context) (wire.Facts, error) {
	if inventory := h.m.config.Inventory; inventory != nil {
		f := *inventory
		f.Disks = h.m.DescribeDisks()
		return f, nil
	}
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
func (h ramdisk) CarryAccount(ctx context.Context, order wire.AccountOrder) wire.AccountReport {
	if carry := h.m.config.CarryAccount; carry != nil {
		return carry(ctx, order)
	}
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
func (m *Machine) describeDisk(number int, d drive) wire.Disk {
	described := wire.Disk{Name: "vd" + string(rune('a'+number)), Serial: d.serial, Model: "simulated", Transport: "virtio"}
	if m.config.Inventory != nil && number < len(m.config.Inventory.Disks) && m.config.Inventory.Disks[number].Serial == d.serial {
		described = m.config.Inventory.Disks[number]
	}
	described.Path, described.Size, described.SectorSize = fmt.Sprintf("/dev/disk/by-path/sim-%d", number), DiskSize, 512
	return d.disk.inspect(described)
}

// DescribeDisks are the machine's disks as an agent reports them.
func (m *Machine) DescribeDisks() (disks []wire.Disk) {
	for number, d := range m.listDrives() {
		disks = append(disks, m.describeDisk(number, d))
	}
	return disks
}
