// Package network renders a host's network, written in nmstate's words, for those who set it up: NetworkManager in the installed system,
// systemd-networkd in the ramdisk. Same values, same bytes.
package network

import (
	"crypto/sha256"
	"fmt"
	"net/netip"
	"sort"
	"strings"

	"github.com/gitmetal/ingot/schemas"
)

// Keyfiles renders NetworkManager's keyfiles by file name (nm-settings-keyfile(5)). No network gives none: NetworkManager then uses DHCP on every wired
// interface by itself.
func Keyfiles(n *schemas.Network) map[string][]byte {
	if n == nil {
		return nil
	}
	files := map[string][]byte{}
	for _, in := range n.Interfaces {
		files[in.Name+".nmconnection"] = []byte(keyfile(n, in))
	}
	return files
}

func keyfile(n *schemas.Network, in schemas.Interface) string {
	var f ini
	f.section("connection")
	f.set("id", in.Name)
	f.set("uuid", uuid(in.Name))
	f.set("type", in.Type)
	if in.Type != "ethernet" || in.MACAddress == "" {
		f.set("interface-name", in.Name)
	}
	if bond := bondOf(n, in.Name); bond != "" {
		f.set("master", bond)
		f.set("slave-type", "bond")
	}
	f.set("autoconnect", "true")
	if in.Type == "ethernet" || in.MTU != 0 {
		f.section("ethernet")
		if in.Type == "ethernet" && in.MACAddress != "" {
			f.set("mac-address", strings.ToUpper(in.MACAddress))
		}
		if in.MTU != 0 {
			f.set("mtu", fmt.Sprint(in.MTU))
		}
	}
	if in.Bond != nil {
		f.section("bond")
		f.set("mode", in.Bond.Mode)
		for _, name := range sorted(in.Bond.Options) {
			f.set(name, in.Bond.Options[name])
		}
	}
	if in.VLAN != nil {
		f.section("vlan")
		f.set("id", fmt.Sprint(in.VLAN.ID))
		f.set("parent", parent(n, in.VLAN.BaseIface))
	}
	if bondOf(n, in.Name) == "" {
		addresses(&f, n, in, family{"ipv4", in.IPv4, netip.Addr.Is4})
		addresses(&f, n, in, family{"ipv6", in.IPv6, netip.Addr.Is6})
	}
	return f.String()
}

// family is one of IPv4 and IPv6 of an interface.
type family struct {
	section string
	config  *schemas.IPConfig
	is      func(netip.Addr) bool
}

// parent names a VLAN's interface: one that is found by its MAC address has the kernel's name, not ours, and is named by its connection.
func parent(n *schemas.Network, name string) string {
	for _, in := range n.Interfaces {
		if in.Name == name && in.Type == "ethernet" && in.MACAddress != "" {
			return uuid(name)
		}
	}
	return name
}

// addresses writes one family. A family that is not mentioned is DHCP for IPv4 when the interface says nothing at all, else off.
func addresses(f *ini, n *schemas.Network, in schemas.Interface, of family) {
	config := of.config
	f.section(of.section)
	switch {
	case config == nil && in.IPv4 == nil && in.IPv6 == nil:
		f.set("method", "auto")
		return
	case config == nil || (!config.DHCP && !config.Autoconf && len(config.Address) == 0):
		f.set("method", "disabled")
		return
	case config.DHCP || config.Autoconf:
		f.set("method", "auto")
	default:
		f.set("method", "manual")
	}
	for i, address := range config.Address {
		f.set(fmt.Sprintf("address%d", i+1), fmt.Sprintf("%s/%d", address.IP, address.PrefixLength))
	}
	for i, route := range routesOf(n, in.Name, of.is) {
		value := route.Destination
		if route.NextHopAddress != "" {
			value += "," + route.NextHopAddress
		}
		if route.Metric != 0 {
			if route.NextHopAddress == "" {
				value += ","
			}
			value += fmt.Sprintf(",%d", route.Metric)
		}
		f.set(fmt.Sprintf("route%d", i+1), value)
	}
	servers, search := resolvers(n, of.is)
	if len(servers) > 0 {
		f.set("dns", strings.Join(servers, ";")+";")
	}
	if len(search) > 0 {
		f.set("dns-search", strings.Join(search, ";")+";")
	}
}

func bondOf(n *schemas.Network, name string) string {
	for _, in := range n.Interfaces {
		if in.Bond == nil {
			continue
		}
		for _, port := range in.Bond.Port {
			if port == name {
				return in.Name
			}
		}
	}
	return ""
}

// routesOf are the routes of one interface and family, in the order they are written.
func routesOf(n *schemas.Network, name string, is func(netip.Addr) bool) []schemas.Route {
	if n.Routes == nil {
		return nil
	}
	var list []schemas.Route
	for _, route := range n.Routes.Config {
		prefix, err := netip.ParsePrefix(route.Destination)
		if err == nil && is(prefix.Addr()) && route.NextHopInterface == name {
			list = append(list, route)
		}
	}
	return list
}

func resolvers(n *schemas.Network, is func(netip.Addr) bool) (servers, search []string) {
	if n.DNSResolver == nil {
		return nil, nil
	}
	for _, server := range n.DNSResolver.Config.Server {
		if ip, err := netip.ParseAddr(server); err == nil && is(ip) {
			servers = append(servers, server)
		}
	}
	return servers, n.DNSResolver.Config.Search
}

// uuid is stable: the same interface is the same connection after a reinstall.
func uuid(name string) string {
	sum := sha256.Sum256([]byte("ingot connection v1\x00" + name))
	sum[6] = sum[6]&0x0f | 0x80 // version 8, custom (RFC 9562, 5.8)
	sum[8] = sum[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", sum[0:4], sum[4:6], sum[6:8], sum[8:10], sum[10:16])
}

// ini writes sections of key=value lines.
type ini struct{ b strings.Builder }

func (f *ini) section(name string) {
	if f.b.Len() > 0 {
		f.b.WriteByte('\n')
	}
	fmt.Fprintf(&f.b, "[%s]\n", name)
}

func (f *ini) set(key, value string) {
	fmt.Fprintf(&f.b, "%s=%s\n", key, strings.NewReplacer("\n", " ", "\r", " ").Replace(value))
}

func (f *ini) String() string { return f.b.String() }

func sorted(m map[string]string) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	sort.Strings(keys)
	return keys
}
