package diskid

import (
	"bytes"
	"encoding/hex"
	"strings"
)

// placeholders are vendors' serial numbers, of machines and of disks, that identify nothing.
var placeholders = map[string]bool{"": true, "0": true, "none": true, "n/a": true, "na": true, "default string": true,
	"default": true, "system serial number": true, "serial number": true, "to be filled by o.e.m.": true,
	"to be filled by o.e.m": true, "to be filled by oem": true, "not specified": true, "not applicable": true,
	"not available": true, "unknown": true, "unset": true, "null": true, "(null)": true, "empty": true, "serial": true,
	"xxxxxxxxxx": true, "0123456789": true, "123456789": true, "1234567890": true}

// IsPlaceholder reports whether a serial number, of a machine or of a disk, identifies nothing: a vendor's text, or one
// character again and again.
func IsPlaceholder(serial string) bool {
	if serial == "" {
		return true
	}
	var room [64]byte // longer serial numbers are rare; every look asks many times
	text := appendSerialKey(room[:0], serial)
	const repeated = 8 // fewer equal characters are a short serial number, but for zeros and f
	if placeholders[string(text)] {
		return true
	}
	switch equal := bytes.Count(text, text[:1]) == len(text); text[0] {
	case '0', 'f':
		return equal
	case '.', '-', 'x', ' ':
		return hasOnly(text, ".-x ") || equal && len(text) >= repeated
	default:
		return equal && len(text) >= repeated
	}
}

// hasOnly reports whether a text has none but the given characters.
func hasOnly(text []byte, characters string) bool { return len(bytes.Trim(text, characters)) == 0 }

// SerialKey is a serial number in the spelling that compares: lower case, single spaces.
func SerialKey(serial string) string {
	if strings.ContainsFunc(serial, isNotPlain) {
		serial = strings.Join(strings.Fields(serial), " ")
	}
	return strings.ToLower(serial)
}

// appendSerialKey appends the SerialKey of a serial number to a text.
func appendSerialKey(text []byte, serial string) []byte {
	begin := len(text)
	for i := range len(serial) {
		c := serial[i]
		if isNotPlain(rune(c)) {
			return append(text[:begin], SerialKey(serial)...)
		}
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		text = append(text, c)
	}
	return text
}

// isNotPlain reports whether a character is none of printable ASCII, or a space.
func isNotPlain(r rune) bool { return r <= ' ' || r > '~' }

// shortestWWN is the fewest digits of a WWN; the shortest formats (NAA, EUI-64) have 16.
const shortestWWN = 8

// IsPlaceholderWWN reports whether a WWN identifies nothing: an empty text, a vendor's placeholder, too few digits,
// equal digits, digits that are zeros or f except for the one digit of the type, or zeros in the part that tells two
// disks of a vendor apart. A type in front (0x, naa., eui., uuid.) is no digit. The kernel's "nvme." and "t10.ATA"
// names consist of model and serial; their serial is judged.
func IsPlaceholderWWN(wwn string) bool { return isPlaceholderName(NormalWWN(wwn)) }

// isPlaceholderName is IsPlaceholderWWN of a NormalWWN.
func isPlaceholderName(name string) bool {
	if name == "" {
		return true
	}
	if rest, vendor := strings.CutPrefix(name, "nvme."); vendor {
		parts := strings.Split(rest, "-") // vendor id, serial and model (hex of their text), namespace
		if len(parts) != 4 {
			return true
		}
		serial, err := hex.DecodeString(parts[1])
		return err != nil || IsPlaceholder(strings.Trim(string(serial), "\x00 "))
	}
	if rest, ata := strings.CutPrefix(name, "t10.ata"); ata {
		const vendor, model = len("     "), 40 // SAT: vendor in 8 bytes, model in 40, serial in 20
		return len(rest) <= vendor+model || IsPlaceholder(rest[vendor+model:])
	}
	digits := WWNKey(name)
	digitsBut := func(digit string) int { return len(digits) - strings.Count(digits, digit) }
	// EUI-64: a vendor's 6 digits, and 10
	unset := len(digits) == 16 && (strings.HasPrefix(name, "eui.") && strings.HasSuffix(digits, "0000000000") ||
		// NAA 5: a vendor's 6 digits after the 5, and 9
		strings.HasPrefix(digits, "5") && strings.HasSuffix(digits, "000000000"))
	return IsPlaceholder(name) || len(digits) < shortestWWN || digitsBut("0") <= 1 || digitsBut("f") <= 1 ||
		digitsBut(digits[:1]) == 0 || unset
}

// NormalWWN is a WWN in the spelling of labels: lower case, without surrounding spaces, and without the marks wwn-, 0x
// and naa. in front. The types eui. and uuid. stay, as the kernel reports them.
func NormalWWN(wwn string) string {
	return cutPrefixes(strings.ToLower(strings.TrimSpace(wwn)), "wwn-", "0x", "naa.")
}

// wwnMarks are what WWNs are written with beside their digits.
var wwnMarks = strings.NewReplacer("-", "", ":", "", " ", "")

// WWNKey is a WWN in the spelling that compares: its digits, without type and separators.
func WWNKey(wwn string) string {
	if wwn == "" {
		return ""
	}
	digits := cutPrefixes(NormalWWN(wwn), "wwn-", "0x", "naa.", "eui.", "uuid.")
	if !strings.ContainsAny(digits, "-: ") {
		return digits
	}
	return wwnMarks.Replace(digits)
}

// cutPrefixes cuts prefixes, each as often as it stands in front.
func cutPrefixes(text string, prefixes ...string) string {
	for {
		before := text
		for _, prefix := range prefixes {
			text = strings.TrimPrefix(text, prefix)
		}
		if text == before {
			return text
		}
	}
}
