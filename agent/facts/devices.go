package facts

import (
	"cmp"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/gitmetal/ingot/agent/wire"
)

// listNICs lists the network cards: interfaces with a device.
func (r Root) listNICs() []wire.NIC {
	const class = "sys/class/net"
	entries, err := os.ReadDir(filepath.Join(string(r), class))
	if err != nil {
		return nil
	}
	links := r.listLinks()
	var nics []wire.NIC
	for _, entry := range entries {
		name := entry.Name()
		if _, err := os.Stat(filepath.Join(string(r), class, name, "device")); err != nil {
			continue
		}
		nic := wire.NIC{Name: name, MAC: strings.ToLower(cmp.Or(links[name].permanent, r.readText(class, name, "address"))),
			Link: r.readText(class, name, "carrier") == "1", Addresses: links[name].addresses}
		if driver, err := os.Readlink(filepath.Join(string(r), class, name, "device/driver")); err == nil {
			nic.Driver = filepath.Base(driver)
		}
		nic.Firmware = r.cardFirmware(name)
		if mbps, err := strconv.Atoi(r.readText(class, name, "speed")); err == nil && mbps > 0 {
			nic.Mbps = mbps
		}
		nics = append(nics, nic)
	}
	return nics
}

// link is what only the kernel knows of a network card.
type link struct {
	permanent string   // the MAC address of the card as made: a bond gives its members a common address
	addresses []string // IP addresses of the card, or of the bond above
}

// maxAddresses is how many IP addresses of a card are reported.
const maxAddresses = 16

// listLinks asks the kernel of this machine; without an answer there are the current MAC addresses, and no IP address.
func (r Root) listLinks() map[string]link {
	links := map[string]link{}
	if r != "/" {
		return links
	}
	list, err := netlink.LinkList()
	if err != nil {
		return links
	}
	byIndex := map[int]netlink.Link{}
	for _, l := range list {
		byIndex[l.Attrs().Index] = l
	}
	for _, l := range list {
		var known link
		if mac := l.Attrs().PermHWAddr; len(mac) == 6 {
			known.permanent = mac.String()
		}
		known.addresses = listAddresses(l)
		if above := byIndex[l.Attrs().MasterIndex]; above != nil {
			known.addresses = append(known.addresses, listAddresses(above)...)
		}
		known.addresses = known.addresses[:min(len(known.addresses), maxAddresses)]
		links[l.Attrs().Name] = known
	}
	return links
}

// listAddresses lists the IP addresses of a link that others than its neighbours can reach.
func listAddresses(l netlink.Link) (addresses []string) {
	list, err := netlink.AddrList(l, netlink.FAMILY_ALL)
	if err != nil {
		return nil
	}
	for _, a := range list {
		if a.IPNet != nil && a.IP.IsGlobalUnicast() {
			addresses = append(addresses, a.IP.String())
		}
	}
	return addresses
}

// cardFirmware is the version of a network card's firmware, as its driver tells it (ethtool(8), -i).
func (r Root) cardFirmware(name string) string {
	if r != "/" {
		return ""
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return ""
	}
	defer func() { _ = unix.Close(fd) }() // holds nothing
	info, err := unix.IoctlGetEthtoolDrvinfo(fd, name)
	if err != nil {
		return ""
	}
	version := strings.TrimSpace(unix.ByteSliceToString(info.Fw_version[:]))
	if version == "N/A" {
		return ""
	}
	return replaceUnprintable(version)
}

// readTPM gives the version of the first TPM (Linux, Documentation/ABI/stable/sysfs-class-tpm); "" without a TPM.
func (r Root) readTPM() string {
	const tpm = "sys/class/tpm/tpm0"
	switch {
	case r.readText(tpm, "tpm_version_major") == "2":
		return "2.0"
	case r.readText(tpm, "tpm_version_major") == "1", r.readText(tpm, "device/caps") != "":
		return "1.2"
	default:
		return ""
	}
}

// maxPCI is how many functions are listed.
const maxPCI = 2048

// listPCI lists the functions of PCI devices.
func (r Root) listPCI() (devices []wire.PCIDevice) {
	const bus = "sys/bus/pci/devices"
	number := func(address, file string) string { return strings.TrimPrefix(r.readText(bus, address, file), "0x") }
	for _, address := range r.listNames(bus) {
		if len(devices) == maxPCI {
			break
		}
		device := wire.PCIDevice{Address: address, Class: number(address, "class"), Vendor: number(address, "vendor"),
			Device: number(address, "device")}
		if driver, err := os.Readlink(filepath.Join(string(r), bus, address, "driver")); err == nil {
			device.Driver = filepath.Base(driver)
		}
		devices = append(devices, device)
	}
	return devices
}
