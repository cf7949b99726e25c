// Package network renders a host's network, which the fleet writes in nmstate's words: RenderKeyfiles for
// NetworkManager in the installed system, Networkd for systemd-networkd in the ramdisk. The same values give the same
// bytes.
package network

import (
	"crypto/sha256"
	"fmt"
	"net/netip"
	"sort"
	"strings"

	"github.com/gitmetal/ingot/schemas"
)

// RenderKeyfiles renders NetworkManager's keyfiles by file name (nm-settings-keyfile(5)). A nil network gives no file:
// NetworkManager then uses DHCP on every wired interface.
func RenderKeyfiles(n *schemas.Network) map[string][]byte {
	if n == nil {
		return nil
	}
	files := map[string][]byte{}
	for _, in := range n.Interfaces {
		files[in.Name+".nmconnection"] = []byte(renderKeyfile(n, in))
	}
	return files
}

func renderKeyfile(n *schemas.Network, in schemas.Interface) string {
	var f ini
	f.addSection("connection")
	f.setKey("id", in.Name)
	f.setKey("uuid", connectionUUID(in.Name))
	f.setKey("type", in.Type)
	if in.Type != "ethernet" || in.MACAddress == "" {
		f.setKey("interface-name", in.Name)
	}
	if bond := findBond(n, in.Name); bond != "" {
		f.setKey("master", bond)
		f.setKey("slave-type", "bond")
	}
	f.setKey("autoconnect", "true")
	if in.Type == "ethernet" || in.MTU != 0 {
		f.addSection("ethernet")
		if in.Type == "ethernet" && in.MACAddress != "" {
			f.setKey("mac-address", strings.ToUpper(in.MACAddress))
		}
		if in.MTU != 0 {
			f.setKey("mtu", fmt.Sprint(in.MTU))
		}
	}
	if in.Bond != nil {
		f.addSection("bond")
		f.setKey("mode", in.Bond.Mode)
		for _, name := range sortedKeys(in.Bond.Options) {
			f.setKey(name, in.Bond.Options[name])
		}
	}
	if in.VLAN != nil {
		f.addSection("vlan")
		f.setKey("id", fmt.Sprint(in.VLAN.ID))
		f.setKey("parent", vlanParent(n, in.VLAN.BaseIface))
	}
	if findBond(n, in.Name) == "" {
		writeFamily(&f, n, in, family{"ipv4", in.IPv4, netip.Addr.Is4})
		writeFamily(&f, n, in, family{"ipv6", in.IPv6, netip.Addr.Is6})
	}
	return f.String()
}

// family is IPv4 or IPv6 of an interface.
type family struct {
	section string
	config  *schemas.IPConfig
	is      func(netip.Addr) bool
}

// vlanParent names a VLAN's base interface. An interface that is found by MAC address has the kernel's name, so the
// connection's UUID is used.
func vlanParent(n *schemas.Network, name string) string {
	for _, in := range n.Interfaces {
		if in.Name == name && in.Type == "ethernet" && in.MACAddress != "" {
			return connectionUUID(name)
		}
	}
	return name
}

// writeFamily writes one address family. A missing family means DHCP for IPv4 if the interface has no family at all,
// and otherwise off.
func writeFamily(f *ini, n *schemas.Network, in schemas.Interface, of family) {
	config := of.config
	f.addSection(of.section)
	switch {
	case config == nil && in.IPv4 == nil && in.IPv6 == nil:
		f.setKey("method", "auto")
		return
	case config == nil || (!config.DHCP && !config.Autoconf && len(config.Address) == 0):
		f.setKey("method", "disabled")
		return
	case config.DHCP || config.Autoconf:
		f.setKey("method", "auto")
	default:
		f.setKey("method", "manual")
	}
	for i, address := range config.Address {
		f.setKey(fmt.Sprintf("address%d", i+1), fmt.Sprintf("%s/%d", address.IP, address.PrefixLength))
	}
	for i, route := range selectRoutes(n, in.Name, of.is) {
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
		f.setKey(fmt.Sprintf("route%d", i+1), value)
	}
	servers, search := selectResolvers(n, of.is)
	if len(servers) > 0 {
		f.setKey("dns", strings.Join(servers, ";")+";")
	}
	if len(search) > 0 {
		f.setKey("dns-search", strings.Join(search, ";")+";")
	}
}

func findBond(n *schemas.Network, name string) string {
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

// selectRoutes gives the routes of one interface and family, in the written order.
func selectRoutes(n *schemas.Network, name string, is func(netip.Addr) bool) []schemas.Route {
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

func selectResolvers(n *schemas.Network, is func(netip.Addr) bool) (servers, search []string) {
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

// connectionUUID is stable: an interface has the same connection after a reinstall.
func connectionUUID(name string) string {
	sum := sha256.Sum256([]byte("ingot connection v1\x00" + name))
	sum[6] = sum[6]&0x0f | 0x80 // version 8, custom (RFC 9562, 5.8)
	sum[8] = sum[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", sum[0:4], sum[4:6], sum[6:8], sum[8:10], sum[10:16])
}

// ini writes sections of key=value lines.
type ini struct{ b strings.Builder }

func (f *ini) addSection(name string) {
	if f.b.Len() > 0 {
		f.b.WriteByte('\n')
	}
	fmt.Fprintf(&f.b, "[%s]\n", name)
}

func (f *ini) setKey(key, value string) {
	fmt.Fprintf(&f.b, "%s=%s\n", key, strings.NewReplacer("\n", " ", "\r", " ").Replace(value))
}

func (f *ini) String() string { return f.b.String() }

func sortedKeys(m map[string]string) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	sort.Strings(keys)
	return keys
}
