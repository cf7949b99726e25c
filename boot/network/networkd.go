package network

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/gitmetal/ingot/schemas"
)

// Networkd renders systemd-networkd's files by file name (systemd.network(5), systemd.netdev(5)). A nil network gives
// no file: the ramdisk then uses DHCP on every wired interface.
func Networkd(n *schemas.Network) map[string][]byte {
	if n == nil {
		return nil
	}
	files := map[string][]byte{}
	for _, in := range n.Interfaces {
		if in.Bond != nil || in.VLAN != nil {
			files["10-"+in.Name+".netdev"] = []byte(renderNetdev(in))
		}
		files["20-"+in.Name+".network"] = []byte(renderNetwork(n, in))
	}
	return files
}

// bondOptions are the options of the kernel's bonding driver that systemd.netdev(5) knows too. The ramdisk ignores
// further options.
var bondOptions = map[string]struct{ key, unit string }{
	"miimon":           {"MIIMonitorSec", "ms"},
	"updelay":          {"UpDelaySec", "ms"},
	"downdelay":        {"DownDelaySec", "ms"},
	"lacp_rate":        {"LACPTransmitRate", ""},
	"xmit_hash_policy": {"TransmitHashPolicy", ""},
	"ad_select":        {"AdSelect", ""},
	"min_links":        {"MinLinks", ""},
}

func renderNetdev(in schemas.Interface) string {
	var f ini
	f.addSection("NetDev")
	f.setKey("Name", in.Name)
	f.setKey("Kind", in.Type)
	if in.MTU != 0 {
		f.setKey("MTUBytes", fmt.Sprint(in.MTU))
	}
	if in.Bond != nil {
		f.addSection("Bond")
		f.setKey("Mode", in.Bond.Mode)
		for _, name := range sortedKeys(in.Bond.Options) {
			if option, ok := bondOptions[name]; ok {
				f.setKey(option.key, in.Bond.Options[name]+option.unit)
			}
		}
	}
	if in.VLAN != nil {
		f.addSection("VLAN")
		f.setKey("Id", fmt.Sprint(in.VLAN.ID))
	}
	return f.String()
}

func renderNetwork(n *schemas.Network, in schemas.Interface) string {
	var f ini
	f.addSection("Match")
	if in.Type == "ethernet" && in.MACAddress != "" {
		f.setKey("PermanentMACAddress", strings.ToLower(in.MACAddress))
	} else {
		f.setKey("Name", in.Name)
	}
	if in.MTU != 0 {
		f.addSection("Link")
		f.setKey("MTUBytes", fmt.Sprint(in.MTU))
	}
	f.addSection("Network")
	bond := findBond(n, in.Name)
	if bond != "" {
		f.setKey("Bond", bond)
	}
	for _, other := range n.Interfaces {
		if other.VLAN != nil && other.VLAN.BaseIface == in.Name {
			f.setKey("VLAN", other.Name)
		}
	}
	if bond != "" {
		return f.String()
	}
	f.setKey("DHCP", dhcpMode(in))
	f.setKey("IPv6AcceptRA",
		map[bool]string{true: "yes", false: "no"}[in.IPv6 != nil && (in.IPv6.Autoconf || in.IPv6.DHCP)])
	writeStatic(&f, n, in)
	return f.String()
}

func dhcpMode(in schemas.Interface) string {
	four, six := in.IPv4 != nil && in.IPv4.DHCP, in.IPv6 != nil && in.IPv6.DHCP
	switch {
	case four && six, in.IPv4 == nil && in.IPv6 == nil:
		return "yes"
	case four:
		return "ipv4"
	case six:
		return "ipv6"
	default:
		return "no"
	}
}

func writeStatic(f *ini, n *schemas.Network, in schemas.Interface) {
	for _, config := range []*schemas.IPConfig{in.IPv4, in.IPv6} {
		if config == nil {
			continue
		}
		for _, address := range config.Address {
			f.setKey("Address", fmt.Sprintf("%s/%d", address.IP, address.PrefixLength))
		}
	}
	servers, search := selectResolvers(n, func(netip.Addr) bool { return true })
	for _, server := range servers {
		f.setKey("DNS", server)
	}
	if len(search) > 0 {
		f.setKey("Domains", strings.Join(search, " "))
	}
	for _, route := range selectRoutes(n, in.Name, func(netip.Addr) bool { return true }) {
		f.addSection("Route")
		f.setKey("Destination", route.Destination)
		if route.NextHopAddress != "" {
			f.setKey("Gateway", route.NextHopAddress)
		}
		if route.Metric != 0 {
			f.setKey("Metric", fmt.Sprint(route.Metric))
		}
	}
}
