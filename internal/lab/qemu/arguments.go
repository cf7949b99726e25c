package qemu

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/gitmetal/ingot/internal/lab/bmc"
)

// Defaults for zero values of an identity.
const (
	// With more than one core, an interrupt between cores is lost now and then in emulation, and Linux waits for it for
	// ever ("soft lockup").
	defaultCores  = 1
	defaultMemory = 2048 // MiB: the ramdisk unpacks about 270 MB
)

// commandLine gives QEMU's command line. The medium's URL is inserted through the monitor, because the arguments of a
// process are visible to every user.
func (m *Machine) commandLine(boot bmc.Boot) []string {
	id := m.config.Identity
	words := []string{
		"-nodefaults", "-no-user-config", "-display", "none",
		"-machine", "q35,smm=on", "-accel", "tcg,thread=multi",
		"-smp", strconv.Itoa(orElse(id.Cores, defaultCores)), "-m", strconv.Itoa(orElse(id.MemoryMiB, defaultMemory)),
		"-smbios", smbiosArgument(id),
		"-chardev", "file,id=console,append=on,path=" + escapeCommas(m.ConsolePath()), "-serial", "chardev:console",
		"-chardev", "socket,id=monitor,fd=3", "-mon", "chardev=monitor,mode=control",
		"-pidfile", m.filePath("qemu.pid"),
		"-S",                         // until the monitor sends cont: no event is missed
		"-action", "reboot=shutdown", // a reset ends the process: the BMC decides the next boot source
		"-device", "virtio-rng-pci",
		"-device", "ich9-ahci,id=ahci",
	}
	if id.UUID != "" {
		words = append(words, "-uuid", id.UUID)
	}
	words = append(words, m.startArguments()...)
	words = append(words, m.interfaceArguments()...)
	words = append(words, "-device", "ide-cd,id=cd,bus=ahci.0"+m.bootIndex(cdIndex(boot, len(id.Disks))))
	words = append(words, m.diskArguments(boot)...)
	for at, nic := range id.NICs {
		words = append(words, "-netdev", fmt.Sprintf("user,id=net%d,ipv6=off", at),
			"-device", fmt.Sprintf("virtio-net-pci,netdev=net%d,mac=%s,romfile=", at, escapeCommas(nic.MAC)))
	}
	return words
}

// startArguments are the firmware, or a kernel.
func (m *Machine) startArguments() []string {
	if kernel := m.config.Kernel; kernel != nil {
		return []string{"-kernel", kernel.Image, "-initrd", kernel.Initrd, "-append", kernel.Arguments}
	}
	return []string{
		"-global", "driver=cfi.pflash01,property=secure,value=on",
		"-drive", "if=pflash,format=raw,unit=0,readonly=on,file=" + escapeCommas(m.config.Firmware.Code),
		"-drive", "if=pflash,format=raw,unit=1,file=" + escapeCommas(m.filePath("vars.fd")),
	}
}

// interfaceArguments are the IPMI interface and the second serial port. QEMU connects to a BMC that starts later.
func (m *Machine) interfaceArguments() (words []string) {
	if m.config.Control != "" {
		words = append(words, "-chardev", "socket,id=control,path="+escapeCommas(m.config.Control),
			"-serial", "chardev:control")
	}
	if m.config.BMC != "" {
		words = append(words, "-chardev", "socket,id=bmc,reconnect=1,"+m.config.BMC,
			"-device", "ipmi-bmc-extern,id=bmc0,chardev=bmc", "-device", "isa-ipmi-kcs,bmc=bmc0")
	}
	return words
}

// diskModel is QEMU's name for the kind of a disk.
func (m *Machine) diskModel(serial string) string {
	if slices.Contains(m.config.NVMe, serial) {
		return "nvme"
	}
	return "virtio-blk-pci"
}

func (m *Machine) diskArguments(boot bmc.Boot) []string {
	first := 0
	if boot.From == bmc.FromCD {
		first = 1
	}
	var words []string
	for at, disk := range m.config.Identity.Disks {
		words = append(words,
			"-drive", fmt.Sprintf("if=none,id=disk%d,format=raw,cache=writeback,discard=unmap,file=%s", at,
				escapeCommas(m.DiskPath(disk.Serial))),
			"-device", fmt.Sprintf("%s,drive=disk%d,serial=%s%s", m.diskModel(disk.Serial), at,
				escapeCommas(disk.Serial), m.bootIndex(first+at)))
	}
	return words
}

// bootIndex is the option for a device's place in the boot order. QEMU's own kernel comes before all devices.
func (m *Machine) bootIndex(at int) string {
	if m.config.Kernel != nil {
		return ""
	}
	return fmt.Sprintf(",bootindex=%d", at)
}

// cdIndex is the CD's place in the boot order: first, or after the disks.
func cdIndex(boot bmc.Boot, disks int) int {
	if boot.From == bmc.FromCD {
		return 0
	}
	return disks
}

func smbiosArgument(id bmc.Identity) string {
	text := "type=1"
	for _, member := range []struct{ name, value string }{
		{"manufacturer", id.Manufacturer}, {"product", id.Model}, {"serial", id.Serial}, {"sku", id.SKU},
		{"uuid", id.UUID},
	} {
		if member.value != "" {
			text += "," + member.name + "=" + escapeCommas(member.value)
		}
	}
	return text
}

// escapeCommas doubles commas, which end a value in QEMU's options.
func escapeCommas(value string) string { return strings.ReplaceAll(value, ",", ",,") }

func orElse(value, fallback int) int {
	if value == 0 {
		return fallback
	}
	return value
}
