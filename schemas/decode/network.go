package decode

import (
	"fmt"
	"maps"
	"net/netip"
	"regexp"
	"slices"

	"github.com/gitmetal/ingot/schemas"
	"github.com/gitmetal/ingot/schemas/yamltext"
)

// Words of nmstate, and values that fit on one line of a NetworkManager keyfile.
var (
	interfaceGrammar = regexp.MustCompile(`^[A-Za-z0-9][-A-Za-z0-9_.]{0,14}$`) // IFNAMSIZ is 16, with the zero byte
	optionGrammar    = regexp.MustCompile(`^[a-z][a-z0-9_]{0,62}$`)
	optionValue      = regexp.MustCompile(`^[A-Za-z0-9.:,+/_-]{1,256}$`)
	domainGrammar    = regexp.MustCompile(`^~?[A-Za-z0-9_]([-A-Za-z0-9_.]{0,251}[A-Za-z0-9_])?$`)
	bondModes        = []string{"balance-rr", "active-backup", "balance-xor", "broadcast", "802.3ad", "balance-tlb",
		"balance-alb"}
)

func (c *checker) checkNetwork(field string, n *schemas.Network) {
	if n == nil {
		return
	}
	names := map[string]bool{}
	for i, in := range n.Interfaces {
		at := fmt.Sprintf("%s.interfaces[%d]", field, i)
		if c.checkRequired(at+".name", in.Name) {
			c.checkGrammar(at+".name", in.Name, interfaceGrammar,
				"at most 15 letters, digits, dashes, dots and underscores")
			if names[in.Name] {
				c.addError(at+".name", "", "two interfaces are called %q", yamltext.ShortenText(in.Name))
			}
		}
		names[in.Name] = true
		c.checkInterface(at, in)
	}
	c.checkReferences(field, n.Interfaces, names)
	c.checkRoutes(field, n.Routes, names)
	c.checkDNS(field, n.DNSResolver)
}

func (c *checker) checkInterface(at string, in schemas.Interface) {
	if c.checkRequired(at+".type", in.Type) {
		c.checkOneOf(at+".type", in.Type, "ethernet", "bond", "vlan")
	}
	c.checkMAC(at+".mac-address", in.MACAddress)
	if in.MTU != 0 && (in.MTU < 68 || in.MTU > 65535) {
		c.addError(at+".mtu", "68 to 65535", "%d is not an MTU", in.MTU)
	}
	if in.Type != "" && (in.Type == "bond") != (in.Bond != nil) {
		c.addMissing(at+".link-aggregation", "", "a bond, and only a bond, has link-aggregation")
	}
	if in.Type != "" && (in.Type == "vlan") != (in.VLAN != nil) {
		c.addMissing(at+".vlan", "", "a vlan, and only a vlan, has vlan")
	}
	if in.VLAN != nil && (in.VLAN.ID < 1 || in.VLAN.ID > 4094) {
		c.addError(at+".vlan.id", "1 to 4094", "%d is not a VLAN", in.VLAN.ID)
	}
	if in.Bond != nil {
		c.checkBond(at+".link-aggregation", in.Bond)
	}
	c.checkAddresses(at+".ipv4", in.IPv4, netip.Addr.Is4)
	c.checkAddresses(at+".ipv6", in.IPv6, netip.Addr.Is6)
	if in.IPv4 != nil && in.IPv4.Autoconf {
		c.addError(at+".ipv4.autoconf", "leave it out", "only IPv6 has autoconf")
	}
}

func (c *checker) checkBond(at string, b *schemas.BondConfig) {
	if c.checkRequired(at+".mode", b.Mode) {
		c.checkOneOf(at+".mode", b.Mode, bondModes...)
	}
	if len(b.Port) == 0 {
		c.addMissing(at+".port", "list the interfaces it joins", "the bond has no ports")
	}
	for _, key := range slices.Sorted(maps.Keys(b.Options)) {
		c.checkGrammar(at+".options."+key, key, optionGrammar,
			"an option of the kernel's bonding driver, such as miimon")
		c.checkGrammar(at+".options."+key, b.Options[key], optionValue, "the option's value")
	}
}

// checkReferences reports interfaces that build on unknown interfaces, on themselves, or on a port of another bond.
func (c *checker) checkReferences(field string, interfaces []schemas.Interface, names map[string]bool) {
	ports := map[string]string{} // bond by port
	for i, in := range interfaces {
		at := fmt.Sprintf("%s.interfaces[%d]", field, i)
		if in.Bond != nil {
			for n, port := range in.Bond.Port {
				c.checkUse(fmt.Sprintf("%s.link-aggregation.port[%d]", at, n), in.Name, port, names)
				if other, taken := ports[port]; taken && port != "" {
					c.addError(fmt.Sprintf("%s.link-aggregation.port[%d]", at, n), "", "%q is a port of %q already",
						yamltext.ShortenText(port), yamltext.ShortenText(other))
				}
				ports[port] = in.Name
			}
		}
		if in.VLAN != nil && c.checkRequired(at+".vlan.base-iface", in.VLAN.BaseIface) {
			c.checkUse(at+".vlan.base-iface", in.Name, in.VLAN.BaseIface, names)
		}
	}
}

func (c *checker) checkUse(at, user, used string, names map[string]bool) {
	switch {
	case used == "":
	case used == user:
		c.addError(at, "", "%q builds on itself", yamltext.ShortenText(used))
	case !names[used]:
		c.addError(at, yamltext.SuggestWord(used, slices.Sorted(maps.Keys(names))), "there is no interface %q",
			yamltext.ShortenText(used))
	}
}

func (c *checker) checkAddresses(at string, config *schemas.IPConfig, family func(netip.Addr) bool) {
	if config == nil {
		return
	}
	for i, address := range config.Address {
		field := fmt.Sprintf("%s.address[%d]", at, i)
		if !c.checkRequired(field+".ip", address.IP) {
			continue
		}
		ip, err := netip.ParseAddr(address.IP)
		if err != nil || !family(ip) || ip.Zone() != "" {
			c.addError(field+".ip", "", "%q is not an address of this family", yamltext.ShortenText(address.IP))
			continue
		}
		if address.PrefixLength < 1 || address.PrefixLength > ip.BitLen() {
			c.addMissing(field+".prefix-length", fmt.Sprintf("1 to %d", ip.BitLen()),
				fmt.Sprintf("%d is not a prefix length", address.PrefixLength))
		}
	}
}

func (c *checker) checkRoutes(field string, routes *schemas.Routes, names map[string]bool) {
	if routes == nil {
		return
	}
	for i, route := range routes.Config {
		at := fmt.Sprintf("%s.routes.config[%d]", field, i)
		if c.checkRequired(at+".destination", route.Destination) {
			c.checkDestination(at, route)
		}
		if c.checkRequired(at+".next-hop-interface", route.NextHopInterface) {
			c.checkUse(at+".next-hop-interface", "", route.NextHopInterface, names)
		}
		if route.Metric < 0 {
			c.addError(at+".metric", "", "%d is not a metric", route.Metric)
		}
	}
}

func (c *checker) checkDestination(at string, route schemas.Route) {
	destination, err := netip.ParsePrefix(route.Destination)
	switch {
	case err != nil:
		c.addError(at+".destination", "such as 0.0.0.0/0", "%q is not a network",
			yamltext.ShortenText(route.Destination))
		return
	case destination != destination.Masked():
		c.addError(at+".destination", "write "+destination.Masked().String(), "%s has bits behind its prefix",
			destination)
	}
	if route.NextHopAddress == "" {
		return
	}
	nextHop, err := netip.ParseAddr(route.NextHopAddress)
	switch {
	case err != nil || nextHop.Zone() != "":
		c.addError(at+".next-hop-address", "", "%q is not an address", yamltext.ShortenText(route.NextHopAddress))
	case nextHop.Is4() != destination.Addr().Is4():
		c.addError(at+".next-hop-address", "", "%s and %s are not of one family", nextHop, destination)
	}
}

func (c *checker) checkDNS(field string, resolver *schemas.DNS) {
	if resolver == nil {
		return
	}
	for i, server := range resolver.Config.Server {
		if ip, err := netip.ParseAddr(server); server != "" && (err != nil || ip.Zone() != "") {
			c.addError(fmt.Sprintf("%s.dns-resolver.config.server[%d]", field, i), "", "%q is not an address",
				yamltext.ShortenText(server))
		}
	}
	for i, domain := range resolver.Config.Search {
		c.checkGrammar(fmt.Sprintf("%s.dns-resolver.config.search[%d]", field, i), domain, domainGrammar,
			"a domain name")
	}
	if len(slices.Compact(slices.Sorted(slices.Values(resolver.Config.Server)))) < len(resolver.Config.Server) {
		c.addError(field+".dns-resolver.config.server", "leave it out", "a server is written twice")
	}
}
