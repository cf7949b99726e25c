package inventory_test

import (
	"testing"

	"github.com/gitmetal/ingot/inventory"
)

// TestOneSerialIsNotOneMachine: what both reports know beside the serial must agree too.
func TestOneSerialIsNotOneMachine(t *testing.T) {
	t.Parallel()
	const (
		uuid, mixed, another = "4c4c4544-0035-5810-8032-b1c04f4a4d33", "44454c4c-3500-1058-8032-B1C04F4A4D33", "4c4c4544-0035-5810-8032-b1c04f4a4d34"
		ami                  = "03000200-0400-0500-0006-000700080009"
	)
	facts := func(serial, uuid string, macs ...string) *inventory.Facts {
		f := &inventory.Facts{System: inventory.System{Serial: serial, UUID: uuid}}
		for _, mac := range macs {
			f.NICs = append(f.NICs, inventory.NIC{MAC: mac})
		}
		return f
	}
	usb := func(f *inventory.Facts) *inventory.Facts {
		f.NICs = append(f.NICs, inventory.NIC{MAC: "04:32:01:99:99:99", Driver: "cdc_ether"})
		return f
	}
	for name, test := range map[string]struct {
		a, b *inventory.Facts
		want bool
	}{
		"nothing is known of one": {nil, facts("A", ""), false},
		"the serial alone":        {facts("A", ""), facts(" a", ""), true},
		"no serial":               {facts("", uuid), facts("", uuid), false},
		"a placeholder":           {facts("Default string", uuid), facts("Default string", uuid), false},
		"another serial":          {facts("A", uuid), facts("B", uuid), false},
		"another UUID":            {facts("A", uuid), facts("A", another), false},
		"the same UUID":           {facts("A", uuid), facts("A", "{4C4C4544-0035-5810-8032-B1C04F4A4D33}"), true},
		"the same UUID, its first fields the other way":  {facts("A", uuid), facts("A", mixed), true},
		"one knows no UUID":                              {facts("A", uuid), facts("A", ""), true},
		"one has a UUID of zeros":                        {facts("A", uuid), facts("A", "00000000-0000-0000-0000-000000000000"), true},
		"one has a UUID of f":                            {facts("A", uuid), facts("A", "ffffffff-ffff-ffff-ffff-ffffffffffff"), true},
		"one has the board maker's UUID":                 {facts("A", uuid), facts("A", ami), true},
		"one has text for a UUID":                        {facts("A", uuid), facts("A", "Not Settable"), true},
		"no card in common":                              {facts("A", "", "04:32:01:aa:bb:c0"), facts("A", "", "04:32:01:aa:bb:c1"), false},
		"no card in common, the same UUID":               {facts("A", uuid, "04:32:01:aa:bb:c0"), facts("A", uuid, "04:32:01:aa:bb:c1"), false},
		"a card in common":                               {facts("A", "", "04:32:01:AA:BB:C0", "04:32:01:aa:bb:c1"), facts("A", "", "04-32-01-aa-bb-c0"), true},
		"one knows no cards":                             {facts("A", "", "04:32:01:aa:bb:c0"), facts("A", ""), true},
		"one knows a card without an address":            {facts("A", "", "04:32:01:aa:bb:c0"), facts("A", "", "00:00:00:00:00:00"), true},
		"virtual cards, none in common":                  {facts("A", "", "52:54:00:00:00:01"), facts("A", "", "52:54:00:00:00:02"), false},
		"only an address that software chose in common":  {facts("A", "", "04:32:01:aa:bb:c0", "02:00:00:00:00:01"), facts("A", "", "04:32:01:aa:bb:c1", "02:00:00:00:00:01"), false},
		"only the way to the BMC over USB in common":     {usb(facts("A", "", "04:32:01:aa:bb:c0")), usb(facts("A", "", "04:32:01:aa:bb:c1")), false},
		"a card in common, and another UUID contradicts": {facts("A", uuid, "04:32:01:aa:bb:c0"), facts("A", another, "04:32:01:aa:bb:c0"), false},
		"a card in common, and no UUID of one":           {facts("A", uuid, "04:32:01:aa:bb:c0"), facts("A", "", "04:32:01:aa:bb:c0"), true},
	} {
		if got := test.a.Same(test.b); got != test.want || test.b.Same(test.a) != test.want {
			t.Errorf("%s: Same = %t, want %t", name, got, test.want)
		}
	}
}
