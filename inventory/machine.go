package inventory

import (
	"encoding/hex"
	"slices"
	"strings"
)

// Same reports whether two reports are of one machine, as after a rename. Several machines may report one serial, that of their chassis, so the serial alone
// does not tell: what both know of the rest must agree too.
//
//	serial                  UUID                     network cards                    same
//	of neither or of one    any                      any                              no
//	differs                 any                      any                              no
//	equal                   both, and they differ    any                              no
//	equal                   one, none, or equal      both, and they share no MAC      no
//	equal                   one, none, or equal      one, none, or they share a MAC   yes
//
// Letters' case does not count; placeholders are not known. A UUID whose first three fields are in the other byte order, as SMBIOS before 2.6 and some BMCs
// have them, is the same UUID.
func (f *Facts) Same(other *Facts) bool {
	if f == nil || other == nil {
		return false
	}
	serial, otherSerial := strings.TrimSpace(f.System.Serial), strings.TrimSpace(other.System.Serial)
	switch {
	case Placeholder(serial), Placeholder(otherSerial), !strings.EqualFold(serial, otherSerial):
		return false
	case uuidsDiffer(f.System.UUID, other.System.UUID):
		return false
	default:
		return !cardsDiffer(f.NICs, other.NICs)
	}
}

// commonUUIDs are what firmware has where nobody wrote a machine's own (AMI's and other reference boards').
var commonUUIDs = []string{"03000200040005000006000700080009", "00020003000400050006000700080009", "12345678123456781234567812345678", "12345678123456789012123456789012", "1234567812345678123456789abcdef0"}

// uuidDigits are the 32 digits of a UUID that identifies something; "" for any other text.
func uuidDigits(uuid string) string {
	digits := strings.ToLower(strings.NewReplacer("-", "", "{", "", "}", "", "urn:uuid:", "", "URN:UUID:", "").Replace(strings.TrimSpace(uuid)))
	if bytes, err := hex.DecodeString(digits); err != nil || len(bytes) != 16 || slices.Contains(commonUUIDs, digits) || slices.Contains(commonUUIDs, otherOrder(digits)) ||
		strings.Count(digits, "0") >= 31 || strings.Count(digits, digits[:1]) == 32 || digits == strings.Repeat(digits[:2], 16) {
		return ""
	}
	return digits
}

// otherOrder turns the bytes of a UUID's first three fields around.
func otherOrder(digits string) string {
	b := []byte(digits)
	for _, field := range [][]int{{0, 2, 4, 6}, {8, 10}, {12, 14}} {
		for i, j := 0, len(field)-1; i < j; i, j = i+1, j-1 {
			x, y := field[i], field[j]
			b[x], b[x+1], b[y], b[y+1] = b[y], b[y+1], b[x], b[x+1]
		}
	}
	return string(b)
}

// RealUUID reports whether a UUID identifies a machine: it is none that vendors leave in.
func RealUUID(uuid string) bool { return uuidDigits(uuid) != "" }

// SameUUID reports whether two UUIDs, both real, are one, in either byte order.
func SameUUID(a, b string) bool { return RealUUID(a) && RealUUID(b) && !uuidsDiffer(a, b) }

// uuidsDiffer reports whether both are known, and not one.
func uuidsDiffer(a, b string) bool {
	a, b = uuidDigits(a), uuidDigits(b)
	return a != "" && b != "" && a != b && a != otherOrder(b)
}

// cardsDiffer reports whether both machines' network cards are known, and they have none in common. Cards that belong to a machine count first: the way to
// the BMC over USB has one MAC in many machines, and an address that software chose may be another one after the next boot.
func cardsDiffer(a, b []NIC) bool {
	for _, which := range []func(NIC) bool{builtIn, func(NIC) bool { return true }} {
		x, y := macs(a, which), macs(b, which)
		if len(x) > 0 && len(y) > 0 {
			return !slices.ContainsFunc(x, func(mac string) bool { return slices.Contains(y, mac) })
		}
	}
	return false
}

// builtIn reports whether a card's MAC was given to it by its maker (IEEE 802: the second lowest bit of the first byte is 0), and it is not the BMC's over USB.
func builtIn(nic NIC) bool {
	mac := normalMAC(nic.MAC)
	usb := strings.HasPrefix(nic.Driver, "cdc_") || strings.HasPrefix(nic.Driver, "rndis")
	return !usb && len(mac) > 1 && !strings.Contains("2367abef", mac[1:2])
}

// macs are the addresses of some network cards, without those that are none.
func macs(nics []NIC, which func(NIC) bool) (all []string) {
	for _, nic := range nics {
		if mac := normalMAC(nic.MAC); which(nic) && strings.Trim(mac, "0") != "" && strings.Trim(mac, "f") != "" {
			all = append(all, mac)
		}
	}
	return all
}

func normalMAC(mac string) string {
	return strings.NewReplacer(":", "", "-", "", ".", "").Replace(strings.ToLower(strings.TrimSpace(mac)))
}
