package qemu

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/gitmetal/ingot/internal/lab/bmc"
)

// Defaults of what an identity leaves open.
const (
	defaultCores  = 2
	defaultMemory = 2048 // MiB: the ramdisk unpacks about 270 MB
)

// arguments is QEMU's command line. The medium is not on it: its URL is put in through the monitor, because a process's
// arguments are for everyone to read.
func (m *Machine) arguments(boot bmc.Boot) []string {
	id := m.config.Identity
	words := []string{
		"-nodefaults", "-no-user-config", "-display", "none",
		"-machine", "q35,smm=on", "-accel", "tcg,thread=multi",
		"-smp", strconv.Itoa(orElse(id.Cores, defaultCores)), "-m", strconv.Itoa(orElse(id.MemoryMiB, defaultMemory)),
		"-global", "driver=cfi.pflash01,property=secure,value=on",
		"-drive", "if=pflash,format=raw,unit=0,readonly=on,file=" + escape(m.config.Firmware.Code),
		"-drive", "if=pflash,format=raw,unit=1,file=" + escape(m.path("vars.fd")),
		"-smbios", smbios(id),
		"-chardev", "file,id=console,append=on,path=" + escape(m.ConsolePath()), "-serial", "chardev:console",
		"-chardev", "socket,id=monitor,fd=3", "-mon", "chardev=monitor,mode=control",
		"-pidfile", m.path("qemu.pid"),
		"-S",                         // until the monitor says cont: no event is missed
		"-action", "reboot=shutdown", // a reset ends the process: the BMC decides what boots next
		"-device", "virtio-rng-pci",
		"-device", "ich9-ahci,id=ahci",
	}
	if id.UUID != "" {
		words = append(words, "-uuid", id.UUID)
	}
	words = append(words, "-device", fmt.Sprintf("ide-cd,id=cd,bus=ahci.0,bootindex=%d", cdIndex(boot, len(id.Disks))))
	words = append(words, m.disks(boot)...)
	for at, nic := range id.NICs {
		words = append(words, "-netdev", fmt.Sprintf("user,id=net%d,ipv6=off", at),
			"-device", fmt.Sprintf("virtio-net-pci,netdev=net%d,mac=%s,romfile=", at, escape(nic.MAC)))
	}
	return words
}

func (m *Machine) disks(boot bmc.Boot) []string {
	first := 0
	if boot.From == bmc.FromCD {
		first = 1
	}
	var words []string
	for at, disk := range m.config.Identity.Disks {
		words = append(words,
			"-drive", fmt.Sprintf("if=none,id=disk%d,format=raw,cache=writeback,discard=unmap,file=%s", at, escape(m.DiskPath(disk.Serial))),
			"-device", fmt.Sprintf("virtio-blk-pci,drive=disk%d,serial=%s,bootindex=%d", at, escape(disk.Serial), first+at))
	}
	return words
}

// cdIndex is the CD's place in the boot order: first, or after the disks.
func cdIndex(boot bmc.Boot, disks int) int {
	if boot.From == bmc.FromCD {
		return 0
	}
	return disks
}

func smbios(id bmc.Identity) string {
	text := "type=1"
	for _, member := range []struct{ name, value string }{
		{"manufacturer", id.Manufacturer}, {"product", id.Model}, {"serial", id.Serial}, {"sku", id.SKU}, {"uuid", id.UUID},
	} {
		if member.value != "" {
			text += "," + member.name + "=" + escape(member.value)
		}
	}
	return text
}

// escape doubles commas, which end a value in QEMU's options.
func escape(value string) string { return strings.ReplaceAll(value, ",", ",,") }

func orElse(value, fallback int) int {
	if value == 0 {
		return fallback
	}
	return value
}
