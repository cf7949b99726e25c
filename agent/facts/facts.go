// Package facts reads what a machine is: SMBIOS, firmware, processors, memory, disks, network cards. It only reads.
package facts

import (
	"bufio"
	"cmp"
	"context"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"github.com/vishvananda/netlink"

	"github.com/gitmetal/ingot/agent/wire"
)

// Root is where a machine's pseudo file systems are found; "/" on a real one.
type Root string

// maxFile is the most that is read of a pseudo file, in bytes.
const maxFile = 1 << 20

// Collect reads everything. What cannot be read is named in Errors; the rest is still there. Values are reported as the firmware has them,
// placeholders too: the daemon judges.
func (r Root) Collect(ctx context.Context) (wire.Facts, error) {
	f := wire.Facts{System: r.system(), Firmware: r.firmware(), CPU: r.cpu(), Memory: r.memory(), NICs: r.nics()}
	disks, err := r.Disks(ctx)
	f.Disks = disks
	f.Errors = missing(f)
	if err != nil {
		f.Errors = append(f.Errors, err.Error())
	}
	return f, ctx.Err()
}

// missing names what every machine has and this report has not.
func missing(f wire.Facts) []string {
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

// read gives a pseudo file's text without surrounding space; "" when it is not there.
func (r Root) read(path ...string) string {
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

func (r Root) system() wire.System {
	const dmi = "sys/class/dmi/id"
	return wire.System{
		Manufacturer: r.read(dmi, "sys_vendor"), Product: r.read(dmi, "product_name"),
		Serial: r.read(dmi, "product_serial"), UUID: strings.ToLower(r.read(dmi, "product_uuid")),
	}
}

// secureBootVariable is SecureBoot of the EFI global variables: four bytes of attributes, then 1 when it is enforced (UEFI 2.10, 3.3).
const secureBootVariable = "sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"

func (r Root) firmware() wire.Firmware {
	const dmi = "sys/class/dmi/id"
	_, err := os.Stat(filepath.Join(string(r), "sys/firmware/efi"))
	variable, _ := os.ReadFile(filepath.Join(string(r), secureBootVariable))
	return wire.Firmware{
		UEFI: err == nil, SecureBoot: len(variable) == 5 && variable[4] == 1,
		Vendor: r.read(dmi, "bios_vendor"), Version: r.read(dmi, "bios_version"),
	}
}

func (r Root) cpu() wire.CPU {
	cpu := wire.CPU{Arch: runtime.GOARCH}
	scanner := bufio.NewScanner(strings.NewReader(r.read("proc/cpuinfo")))
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

func (r Root) memory() uint64 {
	for line := range strings.Lines(r.read("proc/meminfo")) {
		if value, ok := strings.CutPrefix(line, "MemTotal:"); ok {
			kib, _ := strconv.ParseUint(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
			return kib << 10
		}
	}
	return 0
}

// nics lists the network cards: interfaces with a device behind them.
func (r Root) nics() []wire.NIC {
	const class = "sys/class/net"
	entries, err := os.ReadDir(filepath.Join(string(r), class))
	if err != nil {
		return nil
	}
	permanent := r.permanentAddresses()
	var nics []wire.NIC
	for _, entry := range entries {
		name := entry.Name()
		if _, err := os.Stat(filepath.Join(string(r), class, name, "device")); err != nil {
			continue
		}
		nic := wire.NIC{Name: name, MAC: strings.ToLower(cmp.Or(permanent[name], r.read(class, name, "address"))), Link: r.read(class, name, "carrier") == "1"}
		if driver, err := os.Readlink(filepath.Join(string(r), class, name, "device/driver")); err == nil {
			nic.Driver = filepath.Base(driver)
		}
		if mbps, err := strconv.Atoi(r.read(class, name, "speed")); err == nil && mbps > 0 {
			nic.Mbps = mbps
		}
		nics = append(nics, nic)
	}
	return nics
}

// permanentAddresses are the MAC addresses the cards were made with: a bond gives its members another one. Only the kernel itself knows them.
func (r Root) permanentAddresses() map[string]string {
	addresses := map[string]string{}
	if r != "/" {
		return addresses
	}
	links, err := netlink.LinkList()
	if err != nil {
		return addresses // the current ones are then the best that is known
	}
	for _, link := range links {
		if address := link.Attrs().PermHWAddr; len(address) == 6 {
			addresses[link.Attrs().Name] = address.String()
		}
	}
	return addresses
}
