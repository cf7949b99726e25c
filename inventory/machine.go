package inventory

import (
	"bytes"
	"slices"
	"strings"
)

// commonUUIDs are UUIDs of reference boards (AMI's and others), left in many machines.
var commonUUIDs = []string{"03000200040005000006000700080009", "00020003000400050006000700080009",
	"12345678123456781234567812345678", "12345678123456789012123456789012", "1234567812345678123456789abcdef0"}

// Separators of UUIDs and MACs.
var (
	urnMarks = strings.NewReplacer("urn:uuid:", "", "URN:UUID:", "")
	macMarks = strings.NewReplacer(":", "", "-", "", ".", "")
)

// uuidDigits are the hexadecimal digits of a UUID, in lower case. A value, as every look compares many.
type uuidDigits [32]byte

// parseUUID reads the digits of a UUID that identifies a machine; false for any other text.
func parseUUID(uuid string) (uuidDigits, bool) {
	digits, whole := hexDigits(strings.TrimSpace(uuid))
	if !whole || isCommon(digits) || isCommon(digits.swapByteOrder()) || digits.repeatsPair() ||
		bytes.Count(digits[:], []byte("0")) >= 31 {
		return uuidDigits{}, false
	}
	return digits, true
}

func isCommon(digits uuidDigits) bool {
	return slices.ContainsFunc(commonUUIDs, func(common string) bool { return common == string(digits[:]) })
}

// repeatsPair reports whether the digits are their first two again and again.
func (d uuidDigits) repeatsPair() bool {
	for i := range d {
		if d[i] != d[i%2] {
			return false
		}
	}
	return true
}

// hexDigits are the hexadecimal digits of a UUID without its separators; false for any other text.
func hexDigits(uuid string) (digits uuidDigits, whole bool) {
	if strings.Contains(uuid, ":") {
		uuid = urnMarks.Replace(uuid)
	}
	n := 0
	for i := range len(uuid) {
		c := uuid[i]
		switch {
		case c == '-' || c == '{' || c == '}':
			continue
		case c >= '0' && c <= '9' || c >= 'a' && c <= 'f':
		case c >= 'A' && c <= 'F':
			c += 'a' - 'A'
		default:
			return uuidDigits{}, false
		}
		if n == len(digits) {
			return uuidDigits{}, false
		}
		digits[n] = c
		n++
	}
	return digits, n == len(digits)
}

// swapByteOrder swaps the byte order of a UUID's first three fields.
func (d uuidDigits) swapByteOrder() uuidDigits {
	for _, field := range [][2]int{{0, 6}, {2, 4}, {8, 10}, {12, 14}} {
		x, y := field[0], field[1]
		d[x], d[x+1], d[y], d[y+1] = d[y], d[y+1], d[x], d[x+1]
	}
	return d
}

// UUIDKey is a UUID in one spelling, for both byte orders of the first three fields, "" for a UUID that identifies
// nothing.
func UUIDKey(uuid string) string {
	digits, identifies := parseUUID(uuid)
	if !identifies {
		return ""
	}
	if swapped := digits.swapByteOrder(); bytes.Compare(swapped[:], digits[:]) < 0 {
		digits = swapped
	}
	return string(digits[:])
}

// isNoUUID reports whether a UUID identifies nothing.
func isNoUUID(uuid string) bool {
	_, identifies := parseUUID(uuid)
	return !identifies
}

// MACKey is the address of a network card in one spelling, "" for any other text. Given says whether the card's maker
// chose the address (IEEE 802: the second lowest bit of the first byte is 0): many machines share addresses that
// software chose.
func MACKey(mac string) (key string, fromMaker bool) {
	digits := macMarks.Replace(strings.ToLower(strings.TrimSpace(mac)))
	if len(digits) != 12 || strings.Trim(digits, "0") == "" || strings.Trim(digits, "f") == "" {
		return "", false
	}
	pairs := make([]string, 0, 6)
	for at := 0; at < len(digits); at += 2 {
		pairs = append(pairs, digits[at:at+2])
	}
	return strings.Join(pairs, ":"), !strings.Contains("2367abef", digits[1:2])
}

// IsBMCLink reports whether a network card is the link to the BMC over USB: many machines have the same MAC there.
func (n NIC) IsBMCLink() bool {
	return strings.HasPrefix(n.Driver, "cdc_") || strings.HasPrefix(n.Driver, "rndis")
}
