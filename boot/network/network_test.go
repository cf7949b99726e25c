package network_test

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitmetal/ingot/boot/network"
	"github.com/gitmetal/ingot/schemas"
)

var update = flag.Bool("update", false, "write the golden files")

// networks are one of each shape a fleet can write.
var networks = map[string]*schemas.Network{
	"dhcp":   {Interfaces: []schemas.Interface{{Name: "mgmt", Type: "ethernet", MACAddress: "52:54:00:aa:00:03", IPv4: &schemas.IPConfig{DHCP: true}}}},
	"silent": {Interfaces: []schemas.Interface{{Name: "eth0", Type: "ethernet"}}},
	"static": {
		Interfaces: []schemas.Interface{{
			Name: "mgmt", Type: "ethernet", MACAddress: "52:54:00:00:00:03", MTU: 9000,
			IPv4: &schemas.IPConfig{Address: []schemas.IPAddress{{IP: "10.0.0.3", PrefixLength: 24}, {IP: "10.0.1.3", PrefixLength: 24}}},
			IPv6: &schemas.IPConfig{Address: []schemas.IPAddress{{IP: "2001:db8::3", PrefixLength: 64}}},
		}},
		Routes: &schemas.Routes{Config: []schemas.Route{
			{Destination: "0.0.0.0/0", NextHopAddress: "10.0.0.1", NextHopInterface: "mgmt"},
			{Destination: "::/0", NextHopAddress: "2001:db8::1", NextHopInterface: "mgmt", Metric: 50},
			{Destination: "10.9.0.0/16", NextHopInterface: "mgmt", Metric: 7},
		}},
		DNSResolver: &schemas.DNS{Config: schemas.DNSConfig{Server: []string{"10.0.0.53", "2001:db8::53"}, Search: []string{"example.com"}}},
	},
	"bond": {Interfaces: []schemas.Interface{
		{Name: "port1", Type: "ethernet", MACAddress: "52:54:00:00:00:01"},
		{Name: "port2", Type: "ethernet", MACAddress: "52:54:00:00:00:02"},
		{Name: "bond0", Type: "bond", MTU: 9000, IPv4: &schemas.IPConfig{DHCP: true}, IPv6: &schemas.IPConfig{Autoconf: true},
			Bond: &schemas.BondConfig{Mode: "802.3ad", Port: []string{"port1", "port2"}, Options: map[string]string{"miimon": "100", "lacp_rate": "fast", "xmit_hash_policy": "layer3+4"}}},
		{Name: "bond0.7", Type: "vlan", VLAN: &schemas.VLANConfig{BaseIface: "bond0", ID: 7}, IPv4: &schemas.IPConfig{Address: []schemas.IPAddress{{IP: "10.7.0.3", PrefixLength: 24}}}},
	}},
	"vlan": {Interfaces: []schemas.Interface{
		{Name: "trunk", Type: "ethernet", MACAddress: "52:54:00:00:00:01", IPv4: &schemas.IPConfig{}, IPv6: &schemas.IPConfig{}},
		{Name: "v7", Type: "vlan", VLAN: &schemas.VLANConfig{BaseIface: "trunk", ID: 7}, IPv4: &schemas.IPConfig{DHCP: true}},
	}},
}

func TestRenderedNetworks(t *testing.T) {
	t.Parallel()
	for name, n := range networks {
		var all strings.Builder
		for _, files := range []map[string][]byte{network.RenderKeyfiles(n), network.Networkd(n)} {
			for _, file := range slices.Sorted(maps.Keys(files)) {
				fmt.Fprintf(&all, "-- %s --\n%s", file, files[file])
			}
		}
		golden := filepath.Join("testdata", name+".golden")
		if *update {
			if err := os.WriteFile(golden, []byte(all.String()), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), all.String()); diff != "" {
			t.Errorf("%s (-want +got), -update accepts:\n%s", name, diff)
		}
	}
}

func TestNoNetworkIsLeftToTheSystem(t *testing.T) {
	t.Parallel()
	if a, b := network.RenderKeyfiles(nil), network.Networkd(nil); len(a) != 0 || len(b) != 0 {
		t.Errorf("no network gave %v, %v", a, b)
	}
}

// An interface found by its MAC address keeps the kernel's name: what builds on it must not use ours.
func TestAVLANNamesItsParentByConnection(t *testing.T) {
	t.Parallel()
	files := network.RenderKeyfiles(networks["vlan"])
	uuid := line(t, files["trunk.nmconnection"], "uuid=")
	if parent := line(t, files["v7.nmconnection"], "parent="); parent != uuid {
		t.Errorf("parent = %q, want the connection %q", parent, uuid)
	}
	if parent := line(t, network.RenderKeyfiles(networks["bond"])["bond0.7.nmconnection"], "parent="); parent != "bond0" {
		t.Errorf("parent on a bond = %q, want bond0", parent)
	}
}

func line(t *testing.T, file []byte, prefix string) string {
	t.Helper()
	for text := range strings.Lines(string(file)) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(text), prefix); ok {
			return value
		}
	}
	t.Fatalf("no line %s in\n%s", prefix, file)
	return ""
}

// A value cannot end its line, whatever checked it before.
func TestAValueStaysOnItsLine(t *testing.T) {
	t.Parallel()
	n := &schemas.Network{
		Interfaces:  []schemas.Interface{{Name: "a", Type: "ethernet", IPv4: &schemas.IPConfig{DHCP: true}}},
		DNSResolver: &schemas.DNS{Config: schemas.DNSConfig{Search: []string{"x\n[connection]\nid=evil\r"}}},
	}
	for _, files := range []map[string][]byte{network.RenderKeyfiles(n), network.Networkd(n)} {
		for name, data := range files {
			for text := range strings.Lines(string(data)) {
				if strings.HasPrefix(text, "id=evil") || strings.Contains(text, "\r") {
					t.Errorf("%s: %q", name, text)
				}
			}
		}
	}
}
