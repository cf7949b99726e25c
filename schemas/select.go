package schemas

import (
	"net/netip"
	"net/url"
	"path"
	"slices"
	"strings"
)

// SelectsHost reports whether a scope selects the host of an id: every part that is set must fit, and an empty scope
// fits no host.
func (s Scope) SelectsHost(id string, labels map[string]string) bool {
	if s.AllHosts {
		return true
	}
	if len(s.Hosts) == 0 && len(s.MatchLabels) == 0 {
		return false
	}
	for key, want := range s.MatchLabels {
		if have, ok := labels[key]; !ok || have != want {
			return false
		}
	}
	return len(s.Hosts) == 0 || slices.Contains(s.Hosts, id)
}

// SelectsDelivery reports whether the scope of a Secret selects a Delivery.
func (s Scope) SelectsDelivery(name string) bool { return slices.Contains(s.Deliveries, name) }

// SplitAddress splits the BMC's address into the host and port of the service, in one spelling, and the path of the
// system, "" without a system. Both are empty when the address is no URL.
func (b BMC) SplitAddress() (service, system string) {
	u, err := url.Parse(b.Address)
	if err != nil || u.Hostname() == "" {
		return "", ""
	}
	host := strings.ToLower(strings.TrimSuffix(u.Hostname(), "."))
	if ip, err := netip.ParseAddr(host); err == nil {
		host = ip.Unmap().String()
	}
	port := u.Port()
	if port == "" {
		port = "443"
	}
	system = strings.TrimSuffix(path.Clean("/"+u.Path), "/")
	if system == "/redfish" || system == "/redfish/v1" {
		system = ""
	}
	return host + ":" + port, system
}
