package inventory

import (
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

// uuidDigits are the 32 digits of a UUID that identifies a machine, "" for any other text.
func uuidDigits(uuid string) string {
	digits := hexDigits(strings.TrimSpace(uuid))
	if len(digits) != 32 || slices.Contains(commonUUIDs, digits) ||
		slices.Contains(commonUUIDs, swapByteOrder(digits)) ||
		strings.Count(digits, "0") >= 31 || strings.Count(digits, digits[:1]) == 32 ||
		digits == strings.Repeat(digits[:2], 16) {
		return ""
	}
	return digits
}

// hexDigits are the hexadecimal digits of a UUID without its separators, in lower case; "" for any other text. Every look
// asks for them many times.
func hexDigits(uuid string) string {
	if strings.Contains(uuid, ":") {
		uuid = urnMarks.Replace(uuid)
	}
	digits := make([]byte, 0, 32)
	for _, c := range []byte(uuid) {
		switch {
		case c == '-' || c == '{' || c == '}':
		case c >= '0' && c <= '9' || c >= 'a' && c <= 'f':
			digits = append(digits, c)
		case c >= 'A' && c <= 'F':
			digits = append(digits, c-'A'+'a')
		default:
			return ""
		}
	}
	return string(digits)
}

// swapByteOrder swaps the byte order of a UUID's first three fields.
func swapByteOrder(digits string) string {
	b := []byte(digits)
	for _, field := range [][]int{{0, 2, 4, 6}, {8, 10}, {12, 14}} {
		for i, j := 0, len(field)-1; i < j; i, j = i+1, j-1 {
			x, y := field[i], field[j]
			b[x], b[x+1], b[y], b[y+1] = b[y], b[y+1], b[x], b[x+1]
		}
	}
	return string(b)
}

// UUIDKey is a UUID in one spelling, for both byte orders of the first three fields, "" for a UUID that identifies
// nothing.
func UUIDKey(uuid string) string {
	digits := uuidDigits(uuid)
	if digits == "" {
		return ""
	}
	return min(digits, swapByteOrder(digits))
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
