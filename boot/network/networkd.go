package network

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/gitmetal/ingot/schemas"
)

// Networkd renders systemd-networkd's files by file name (systemd.network(5), systemd.netdev(5)). No network gives none: the ramdisk then
// uses DHCP on every wired interface by itself.
func Networkd(n *schemas.Network) map[string][]byte {
	if n == nil {
		return nil
	}
	files := map[string][]byte{}
	for _, in := range n.Interfaces {
		if in.Bond != nil || in.VLAN != nil {
			files["10-"+in.Name+".netdev"] = []byte(netdev(in))
		}
		files["20-"+in.Name+".network"] = []byte(networkFile(n, in))
	}
	return files
}

// bondOptions are the options of the kernel's bonding driver that systemd.netdev(5) knows in the same words. The ramdisk does without the others.
var bondOptions = map[string]struct{ key, unit string }{
	"miimon":           {"MIIMonitorSec", "ms"},
	"updelay":          {"UpDelaySec", "ms"},
	"downdelay":        {"DownDelaySec", "ms"},
	"lacp_rate":        {"LACPTransmitRate", ""},
	"xmit_hash_policy": {"TransmitHashPolicy", ""},
	"ad_select":        {"AdSelect", ""},
	"min_links":        {"MinLinks", ""},
}

func netdev(in schemas.Interface) string {
	var f ini
	f.section("NetDev")
	f.set("Name", in.Name)
	f.set("Kind", in.Type)
	if in.MTU != 0 {
		f.set("MTUBytes", fmt.Sprint(in.MTU))
	}
	if in.Bond != nil {
		f.section("Bond")
		f.set("Mode", in.Bond.Mode)
		for _, name := range sorted(in.Bond.Options) {
			if option, ok := bondOptions[name]; ok {
				f.set(option.key, in.Bond.Options[name]+option.unit)
			}
		}
	}
	if in.VLAN != nil {
		f.section("VLAN")
		f.set("Id", fmt.Sprint(in.VLAN.ID))
	}
	return f.String()
}

func networkFile(n *schemas.Network, in schemas.Interface) string {
	var f ini
	f.section("Match")
	if in.Type == "ethernet" && in.MACAddress != "" {
		f.set("PermanentMACAddress", strings.ToLower(in.MACAddress))
	} else {
		f.set("Name", in.Name)
	}
	if in.MTU != 0 {
		f.section("Link")
		f.set("MTUBytes", fmt.Sprint(in.MTU))
	}
	f.section("Network")
	bond := bondOf(n, in.Name)
	if bond != "" {
		f.set("Bond", bond)
	}
	for _, other := range n.Interfaces {
		if other.VLAN != nil && other.VLAN.BaseIface == in.Name {
			f.set("VLAN", other.Name)
		}
	}
	if bond != "" {
		return f.String()
	}
	f.set("DHCP", dhcp(in))
	f.set("IPv6AcceptRA", map[bool]string{true: "yes", false: "no"}[in.IPv6 != nil && (in.IPv6.Autoconf || in.IPv6.DHCP)])
	static(&f, n, in)
	return f.String()
}

func dhcp(in schemas.Interface) string {
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

func static(f *ini, n *schemas.Network, in schemas.Interface) {
	for _, config := range []*schemas.IPConfig{in.IPv4, in.IPv6} {
		if config == nil {
			continue
		}
		for _, address := range config.Address {
			f.set("Address", fmt.Sprintf("%s/%d", address.IP, address.PrefixLength))
		}
	}
	servers, search := resolvers(n, func(netip.Addr) bool { return true })
	for _, server := range servers {
		f.set("DNS", server)
	}
	if len(search) > 0 {
		f.set("Domains", strings.Join(search, " "))
	}
	for _, route := range routesOf(n, in.Name, func(netip.Addr) bool { return true }) {
		f.section("Route")
		f.set("Destination", route.Destination)
		if route.NextHopAddress != "" {
			f.set("Gateway", route.NextHopAddress)
		}
		if route.Metric != 0 {
			f.set("Metric", fmt.Sprint(route.Metric))
		}
	}
}
