// Package uuid has the rule of what a UUID of a machine says: many boards have the same UUID, and firmware swaps the
// byte order of its first fields. Call Key for the spelling that compares, and IsNone where only a UUID is asked for
// that identifies a machine. Do not compare UUIDs as texts. The package is pure.
package uuid

import (
	"bytes"
	"slices"
	"strings"
)

// common are UUIDs of reference boards (AMI's and others), left in many machines.
var common = []string{"03000200040005000006000700080009", "00020003000400050006000700080009",
	"12345678123456781234567812345678", "12345678123456789012123456789012", "1234567812345678123456789abcdef0"}

var urnMarks = strings.NewReplacer("urn:uuid:", "", "URN:UUID:", "")

// Key is a UUID in one spelling, for both byte orders of the first three fields, "" for a UUID that identifies nothing.
func Key(uuid string) string {
	digits, identifies := parse(uuid)
	if !identifies {
		return ""
	}
	if swapped := digits.swapByteOrder(); bytes.Compare(swapped[:], digits[:]) < 0 {
		digits = swapped
	}
	return string(digits[:])
}

// IsNone reports whether a UUID identifies nothing.
func IsNone(uuid string) bool {
	_, identifies := parse(uuid)
	return !identifies
}

// digits32 are the hexadecimal digits of a UUID, in lower case. A value, as every look compares many.
type digits32 [32]byte

// parse reads the digits of a UUID that identifies a machine; false for any other text.
func parse(uuid string) (digits32, bool) {
	if uuid == "" {
		return digits32{}, false
	}
	digits, whole := hexDigits(strings.TrimSpace(uuid))
	if !whole || isCommon(digits) || isCommon(digits.swapByteOrder()) || digits.repeatsPair() ||
		bytes.Count(digits[:], []byte("0")) >= 31 {
		return digits32{}, false
	}
	return digits, true
}

func isCommon(digits digits32) bool {
	return slices.ContainsFunc(common, func(text string) bool { return text == string(digits[:]) })
}

// repeatsPair reports whether the digits are their first two again and again.
func (d digits32) repeatsPair() bool {
	for i := range d {
		if d[i] != d[i%2] {
			return false
		}
	}
	return true
}

// hexDigits are the hexadecimal digits of a UUID without its separators; false for any other text.
func hexDigits(uuid string) (digits digits32, whole bool) {
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
			return digits32{}, false
		}
		if n == len(digits) {
			return digits32{}, false
		}
		digits[n] = c
		n++
	}
	return digits, n == len(digits)
}

// swapByteOrder swaps the byte order of a UUID's first three fields.
func (d digits32) swapByteOrder() digits32 {
	for _, field := range [][2]int{{0, 6}, {2, 4}, {8, 10}, {12, 14}} {
		x, y := field[0], field[1]
		d[x], d[x+1], d[y], d[y+1] = d[y], d[y+1], d[x], d[x+1]
	}
	return d
}
