// Package facts reads the facts of a machine: SMBIOS, firmware, processors, memory, disks, network cards.
// Root.CollectFacts reads all of them, Root.Inspect says what a disk holds. The package only reads: it must never write
// to a disk.
package facts

import (
	"bufio"
	"context"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"github.com/gitmetal/ingot/agent/facts/efi"
	"github.com/gitmetal/ingot/agent/wire"
)

// Root is the directory of a machine's pseudo file systems; "/" on a real machine.
type Root string

// maxFile is the most that is read of a pseudo file, in bytes.
const maxFile = 1 << 20

// CollectFacts reads all facts. Unreadable facts are named in Errors; the remaining facts are still returned. Values
// are reported as the firmware has them, also placeholders: the daemon judges.
func (r Root) CollectFacts(ctx context.Context) (wire.Facts, error) {
	f := wire.Facts{System: r.readSystem(), CPU: r.readCPU(), Memory: r.readMemory(), NICs: r.listNICs(),
		Hostname: r.readText("proc/sys/kernel/hostname"), TPMVersion: r.readTPM(), PCI: r.listPCI()}
	firmware, unread := r.readFirmware()
	f.Firmware = firmware
	disks, err := r.ListDisks(ctx)
	f.Disks = disks
	f.Errors = listMissing(f)
	for _, err := range []error{unread, err} {
		if err != nil {
			f.Errors = append(f.Errors, strings.ReplaceAll(err.Error(), "\n", "; "))
		}
	}
	return f, ctx.Err()
}

// listMissing names the facts that every machine has and that were not found.
func listMissing(f wire.Facts) []string {
	var errs []string
	if f.System.Serial == "" && f.System.UUID == "" {
		errs = append(errs, "SMBIOS: neither serial nor UUID in /sys/class/dmi/id")
	}
	if f.Memory == 0 {
		errs = append(errs, "memory: no MemTotal in /proc/meminfo")
	}
	if len(f.NICs) == 0 {
		errs = append(errs, "network: no card in /sys/class/net")
	}
	return errs
}

// readText gives a pseudo file's text without surrounding space; "" if it cannot be read.
func (r Root) readText(path ...string) string {
	file, err := os.Open(filepath.Join(append([]string{string(r)}, path...)...))
	if err != nil {
		return ""
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, maxFile))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(data))
}

func (r Root) readSystem() wire.System {
	const dmi = "sys/class/dmi/id"
	return wire.System{
		Manufacturer: r.readText(dmi, "sys_vendor"), Product: r.readText(dmi, "product_name"),
		Serial: r.readText(dmi, "product_serial"), UUID: strings.ToLower(r.readText(dmi, "product_uuid")),
	}
}

// secureBootVariable is SecureBoot of the EFI global variables: four bytes of attributes, then 1 if enforced (UEFI
// 2.10, 3.3).
const secureBootVariable = "sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"

func (r Root) readFirmware() (wire.Firmware, error) {
	const dmi = "sys/class/dmi/id"
	_, err := os.Stat(filepath.Join(string(r), "sys/firmware/efi"))
	variable, _ := os.ReadFile(filepath.Join(string(r), secureBootVariable))
	state, unread := efi.Variables(filepath.Join(string(r), "sys/firmware/efi/efivars")).Read()
	return wire.Firmware{
		UEFI: err == nil, SecureBoot: len(variable) == 5 && variable[4] == 1,
		Vendor: r.readText(dmi, "bios_vendor"), Version: r.readText(dmi, "bios_version"),
		SetupMode: state.SetupMode, Authorities: state.Authorities, SBATLevel: state.SBATLevel, Started: state.Started,
	}, unread
}

func (r Root) readCPU() wire.CPU {
	cpu := wire.CPU{Arch: runtime.GOARCH}
	scanner := bufio.NewScanner(strings.NewReader(r.readText("proc/cpuinfo")))
	for scanner.Scan() {
		key, value, _ := strings.Cut(scanner.Text(), ":")
		switch strings.TrimSpace(key) {
		case "processor":
			cpu.Count++
		case "model name":
			cpu.Model = strings.TrimSpace(value)
		}
	}
	return cpu
}

func (r Root) readMemory() uint64 {
	for line := range strings.Lines(r.readText("proc/meminfo")) {
		if value, ok := strings.CutPrefix(line, "MemTotal:"); ok {
			kib, _ := strconv.ParseUint(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
			return kib << 10
		}
	}
	return 0
}
