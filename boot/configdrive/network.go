package configdrive

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/gitmetal/ingot/schemas"
)

// openstack is network_data.json.
type openstack struct {
	Links    []link    `json:"links"`
	Networks []network `json:"networks"`
	Services []service `json:"services"`
}

// link is an interface. cloud-init finds one with a MAC address by it, another one by its name.
type link struct {
	ID        string   `json:"id"`
	Type      string   `json:"type"` // phy, bond or vlan
	Name      string   `json:"name,omitempty"`
	MAC       string   `json:"ethernet_mac_address,omitempty"`
	MTU       int      `json:"mtu,omitempty"`
	BondLinks []string `json:"bond_links,omitempty"`
	BondMode  string   `json:"bond_mode,omitempty"`
	VLANLink  string   `json:"vlan_link,omitempty"`
	VLANID    int      `json:"vlan_id,omitempty"`
	VLANMAC   string   `json:"vlan_mac_address,omitempty"` // cloud-init cannot do without
}

type network struct {
	ID      string  `json:"id"`
	Link    string  `json:"link"`
	Type    string  `json:"type"` // ipv4, ipv6, ipv4_dhcp, ipv6_dhcp, ipv6_slaac
	Address string  `json:"ip_address,omitempty"`
	Netmask string  `json:"netmask,omitempty"`
	Routes  []route `json:"routes,omitempty"`
}

type route struct {
	Network string `json:"network"`
	Netmask string `json:"netmask"`
	Gateway string `json:"gateway"`
}

type service struct {
	Type    string `json:"type"`
	Address string `json:"address"`
}

// networkData gives a network in OpenStack's words. The error names what these words cannot say.
func networkData(n schemas.Network) (openstack, error) {
	data := openstack{Links: []link{}, Networks: []network{}, Services: []service{}}
	for _, in := range n.Interfaces {
		l := link{ID: in.Name, Type: "phy", MAC: strings.ToLower(in.MACAddress), MTU: in.MTU}
		if l.MAC == "" {
			l.Name = in.Name
		}
		switch {
		case in.Bond != nil:
			l.Type, l.BondLinks, l.BondMode = "bond", in.Bond.Port, in.Bond.Mode
		case in.VLAN != nil:
			l.Type, l.VLANLink, l.VLANID, l.VLANMAC = "vlan", in.VLAN.BaseIface, in.VLAN.ID, addressOf(n, in.VLAN.BaseIface)
			if l.VLANMAC == "" {
				return data, fmt.Errorf("a config drive cannot tell of the VLAN %s: write mac-address of %s, or of the bond's "+
					"first port", in.Name, in.VLAN.BaseIface)
			}
		}
		data.Links = append(data.Links, l)
		data.Networks = append(data.Networks, listNetworks(n, in)...)
	}
	if n.DNSResolver != nil {
		for _, server := range n.DNSResolver.Config.Server {
			data.Services = append(data.Services, service{"dns", server})
		}
	}
	return data, nil
}

// addressOf gives the MAC address of an interface: its own, or for a bond that of its first port; "" where the fleet
// does not say it.
func addressOf(n schemas.Network, name string) string {
	for _, in := range n.Interfaces {
		switch {
		case in.Name != name:
		case in.MACAddress == "" && in.Bond != nil && len(in.Bond.Port) > 0 && in.Bond.Port[0] != name:
			for _, port := range n.Interfaces {
				if port.Name == in.Bond.Port[0] {
					return strings.ToLower(port.MACAddress)
				}
			}
		default:
			return strings.ToLower(in.MACAddress)
		}
	}
	return ""
}

// listNetworks gives the networks of an interface; the routes of the interface stand at its first address of their
// family.
func listNetworks(n schemas.Network, in schemas.Interface) (list []network) {
	add := func(kind string, address schemas.IPAddress, routes []schemas.Route) {
		next := network{ID: fmt.Sprintf("%s-%d", in.Name, len(list)), Link: in.Name, Type: kind, Address: address.IP}
		if address.IP != "" {
			next.Netmask = netmask(address.IP, address.PrefixLength)
		}
		for _, r := range routes {
			if prefix, err := netip.ParsePrefix(r.Destination); err == nil {
				next.Routes = append(next.Routes, route{prefix.Addr().String(), netmask(prefix.Addr().String(), prefix.Bits()), r.NextHopAddress})
			}
		}
		list = append(list, next)
	}
	for _, f := range []struct {
		config *schemas.IPConfig
		kind   string
		is     func(netip.Addr) bool
	}{{in.IPv4, "ipv4", netip.Addr.Is4}, {in.IPv6, "ipv6", netip.Addr.Is6}} {
		if f.config == nil {
			continue
		}
		routes := routesOf(n, in.Name, f.is)
		if f.config.DHCP {
			add(f.kind+"_dhcp", schemas.IPAddress{}, nil)
		}
		if f.config.Autoconf {
			add(f.kind+"_slaac", schemas.IPAddress{}, nil)
		}
		for _, address := range f.config.Address {
			add(f.kind, address, routes)
			routes = nil
		}
	}
	return list
}

// netmask writes a prefix length as OpenStack writes it: as an address.
func netmask(address string, bits int) string {
	ip, err := netip.ParseAddr(address)
	if err != nil {
		return ""
	}
	mask := make([]byte, ip.BitLen()/8)
	for i := range bits {
		mask[i/8] |= 0x80 >> (i % 8)
	}
	netmask, _ := netip.AddrFromSlice(mask)
	return netmask.String()
}

// routesOf lists the routes with a next hop over an interface, of one family.
func routesOf(n schemas.Network, name string, is func(netip.Addr) bool) (list []schemas.Route) {
	if n.Routes == nil {
		return nil
	}
	for _, r := range n.Routes.Config {
		prefix, err := netip.ParsePrefix(r.Destination)
		if err == nil && is(prefix.Addr()) && r.NextHopInterface == name && r.NextHopAddress != "" {
			list = append(list, r)
		}
	}
	return list
}

// netplan is network-config v2.
type netplan struct {
	Version   int               `json:"version"`
	Ethernets map[string]device `json:"ethernets,omitempty"`
	Bonds     map[string]device `json:"bonds,omitempty"`
	VLANs     map[string]device `json:"vlans,omitempty"`
}

type device struct {
	Match      map[string]string `json:"match,omitempty"`
	MTU        int               `json:"mtu,omitempty"`
	DHCP4      bool              `json:"dhcp4"`
	DHCP6      bool              `json:"dhcp6"`
	AcceptRA   *bool             `json:"accept-ra,omitempty"`
	Addresses  []string          `json:"addresses,omitempty"`
	Routes     []via             `json:"routes,omitempty"`
	DNS        *nameservers      `json:"nameservers,omitempty"`
	Interfaces []string          `json:"interfaces,omitempty"`
	Parameters map[string]string `json:"parameters,omitempty"`
	ID         int               `json:"id,omitempty"`
	Link       string            `json:"link,omitempty"`
}

type via struct {
	To     string `json:"to"`
	Via    string `json:"via"`
	Metric int    `json:"metric,omitempty"`
}

type nameservers struct {
	Addresses []string `json:"addresses,omitempty"`
	Search    []string `json:"search,omitempty"`
}

// bondParameters are the words of v2 for the kernel's options of a bond.
var bondParameters = map[string]string{"miimon": "mii-monitor-interval", "xmit_hash_policy": "transmit-hash-policy",
	"lacp_rate": "lacp-rate", "updelay": "up-delay", "downdelay": "down-delay", "min_links": "min-links", "ad_select": "ad-select"}

// networkConfig gives a network in the words of v2.
func networkConfig(n schemas.Network) netplan {
	plan := netplan{Version: 2, Ethernets: map[string]device{}, Bonds: map[string]device{}, VLANs: map[string]device{}}
	for _, in := range n.Interfaces {
		d := device{MTU: in.MTU}
		d.addAddresses(n, in)
		switch {
		case in.Bond != nil:
			d.Interfaces, d.Parameters = in.Bond.Port, map[string]string{"mode": in.Bond.Mode}
			for option, value := range in.Bond.Options {
				if word := bondParameters[option]; word != "" {
					d.Parameters[word] = value
				}
			}
			plan.Bonds[in.Name] = d
		case in.VLAN != nil:
			d.ID, d.Link = in.VLAN.ID, in.VLAN.BaseIface
			plan.VLANs[in.Name] = d
		default:
			if in.MACAddress != "" {
				d.Match = map[string]string{"macaddress": strings.ToLower(in.MACAddress)}
			}
			plan.Ethernets[in.Name] = d
		}
	}
	return plan
}

func (d *device) addAddresses(n schemas.Network, in schemas.Interface) {
	if in.IPv4 != nil {
		d.DHCP4 = in.IPv4.DHCP
		d.addFixed(in.IPv4.Address, routesOf(n, in.Name, netip.Addr.Is4))
	}
	if in.IPv6 != nil {
		d.DHCP6 = in.IPv6.DHCP
		accept := in.IPv6.Autoconf || in.IPv6.DHCP
		d.AcceptRA = &accept
		d.addFixed(in.IPv6.Address, routesOf(n, in.Name, netip.Addr.Is6))
	}
	if dns := n.DNSResolver; dns != nil && len(d.Addresses) > 0 {
		d.DNS = &nameservers{Addresses: dns.Config.Server, Search: dns.Config.Search}
	}
}

func (d *device) addFixed(addresses []schemas.IPAddress, routes []schemas.Route) {
	for _, address := range addresses {
		d.Addresses = append(d.Addresses, fmt.Sprintf("%s/%d", address.IP, address.PrefixLength))
	}
	for _, r := range routes {
		d.Routes = append(d.Routes, via{To: r.Destination, Via: r.NextHopAddress, Metric: r.Metric})
	}
}
