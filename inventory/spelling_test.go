package inventory_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/diskid"
	"github.com/gitmetal/ingot/schemas"
)

// Every look compares serials and UUIDs many times: a placeholder is recognised, and equal texts are compared, without a
// new text.
func TestComparingAllocatesNothing(t *testing.T) {
	known := inventory.Pinned{BMC: &inventory.BMCIdentity{Serial: "5XKJ2M3", UUID: "4C4C4544-0035-5810-8032-B1C04F4A4D33"},
		SMBIOS: &inventory.SMBIOSIdentity{Serial: "5XKJ2M3", UUID: "4c4c4544-0035-5810-8032-b1c04f4a4d33"},
		MACs:   []string{"04:32:01:aa:bb:c0"}}
	shown := inventory.Pinned{BMC: &inventory.BMCIdentity{Serial: "5XKJ2M3", UUID: "4C4C4544-0035-5810-8032-B1C04F4A4D33"}}
	declared := schemas.Identity{Serial: "5XKJ2M3", UUID: "4c4c4544-0035-5810-8032-b1c04f4a4d33"}
	for name, compare := range map[string]func(){
		"IsPlaceholder": func() { inventory.IsPlaceholder("5XKJ2M3") },
		"Contradicts":   func() { known.Contradicts(shown) },
		"Denies":        func() { known.Denies(declared) },
		"Fill":          func() { known.Fill(shown) },
	} {
		if n := testing.AllocsPerRun(100, compare); n > 0 {
			t.Errorf("%s allocates %v times", name, n)
		}
	}
}

// The key of a serial is its words in lower case, however it is spelled.
func TestSerialKeyOfAnyText(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringOf(rapid.SampledFrom([]rune("aZ09 \t.ÄßK0f-x"))).Draw(t, "serial")
		want := strings.ToLower(strings.Join(strings.Fields(text), " "))
		if got := diskid.SerialKey(text); got != want {
			t.Fatalf("SerialKey(%q) = %q, want %q", text, got, want)
		}
		if diskid.IsPlaceholder(text) != diskid.IsPlaceholder(want) {
			t.Fatalf("IsPlaceholder(%q) is not IsPlaceholder(%q)", text, want)
		}
	})
}

// A contradiction is found between spellings, and only between values that identify something.
func TestContradictionsBetweenSpellings(t *testing.T) {
	t.Parallel()
	serials := rapid.SampledFrom([]string{"", "A1B2", "a1b2", " A1B2 ", "C3D4", "N/A", "To be filled by O.E.M."})
	uuids := rapid.SampledFrom([]string{"", "4c4c4544-0035-5810-8032-b1c04f4a4d33", "4C4C4544003558108032B1C04F4A4D33",
		"44454c4c-3500-1058-8032-b1c04f4a4d33", "564d1234-0000-1111-2222-333344445555", "00000000-0000-0000-0000-000000000000"})
	rapid.Check(t, func(t *rapid.T) {
		draw := func(name string) inventory.Pinned {
			return inventory.Pinned{
				BMC:    &inventory.BMCIdentity{Serial: serials.Draw(t, name), UUID: uuids.Draw(t, name)},
				SMBIOS: &inventory.SMBIOSIdentity{Serial: serials.Draw(t, name), UUID: uuids.Draw(t, name)},
			}
		}
		known, shown := draw("known"), draw("shown")
		field, _, _ := known.Contradicts(shown)
		if want := findContradiction(known, shown); field != want {
			t.Fatalf("%+v %+v against %+v %+v: %q, want %q", known.BMC, known.SMBIOS, shown.BMC, shown.SMBIOS, field, want)
		}
		declared := schemas.Identity{Serial: serials.Draw(t, "declared"), UUID: uuids.Draw(t, "declared")}
		if denied := known.Denies(declared) != ""; denied != denies(known, declared) {
			t.Fatalf("%+v %+v denies %+v: %t", known.BMC, known.SMBIOS, declared, denied)
		}
	})
}

// findContradiction is Contradicts by keys alone.
func findContradiction(known, shown inventory.Pinned) string {
	key := func(values ...string) string {
		for _, value := range values {
			if value != "" {
				return value
			}
		}
		return ""
	}
	bmcSerial, smbiosSerial := inventory.SerialKey(known.BMC.Serial), inventory.SerialKey(known.SMBIOS.Serial)
	bmcUUID, smbiosUUID := inventory.UUIDKey(known.BMC.UUID), inventory.UUIDKey(known.SMBIOS.UUID)
	for _, row := range []struct{ field, was, is string }{
		{"BMC serial", key(bmcSerial, smbiosSerial), inventory.SerialKey(shown.BMC.Serial)},
		{"BMC UUID", key(bmcUUID, smbiosUUID), inventory.UUIDKey(shown.BMC.UUID)},
		{"SMBIOS serial", smbiosSerial, inventory.SerialKey(shown.SMBIOS.Serial)},
		{"SMBIOS UUID", smbiosUUID, inventory.UUIDKey(shown.SMBIOS.UUID)},
	} {
		if row.was != "" && row.is != "" && row.was != row.is {
			return row.field
		}
	}
	return ""
}

// denies is Denies by keys alone.
func denies(known inventory.Pinned, declared schemas.Identity) bool {
	for _, row := range [][3]string{
		{inventory.SerialKey(declared.Serial), inventory.SerialKey(known.BMC.Serial), inventory.SerialKey(known.SMBIOS.Serial)},
		{inventory.UUIDKey(declared.UUID), inventory.UUIDKey(known.BMC.UUID), inventory.UUIDKey(known.SMBIOS.UUID)},
	} {
		if row[0] != "" && row[1]+row[2] != "" && row[0] != row[1] && row[0] != row[2] {
			return true
		}
	}
	return false
}

// The identity of a record is its pins, filled from its facts.
func TestIdentityIsPinsFilledFromFacts(t *testing.T) {
	t.Parallel()
	for _, record := range []inventory.Record{
		{}, {Facts: &inventory.Facts{}},
		{Facts: &inventory.Facts{System: inventory.System{Serial: "A1"}, NICs: []inventory.NIC{{MAC: "04:32:01:aa:bb:c0"}}}},
		{Facts: &inventory.Facts{System: inventory.System{Serial: "N/A", UUID: "4c4c4544-0035-5810-8032-b1c04f4a4d33"}},
			Pinned: inventory.Pinned{SMBIOS: &inventory.SMBIOSIdentity{Serial: "A1"}, MACs: []string{"04:32:01:aa:bb:c1"}}},
		{Pinned: inventory.Pinned{BMC: &inventory.BMCIdentity{Serial: "A1"}}},
	} {
		if diff := cmp.Diff(record.Fill(inventory.IdentityOf(record.Facts)), record.Identity()); diff != "" {
			t.Errorf("%+v (-want +got):\n%s", record.Pinned, diff)
		}
	}
}
