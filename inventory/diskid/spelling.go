package diskid

import (
	"encoding/hex"
	"slices"
	"strings"
)

// placeholders are vendors' serial numbers, of machines and of disks, that identify nothing.
var placeholders = []string{"", "0", "none", "n/a", "na", "default string", "default", "system serial number",
	"serial number", "to be filled by o.e.m.", "to be filled by o.e.m", "to be filled by oem", "not specified",
	"not applicable", "not available", "unknown", "unset", "null", "(null)", "empty", "serial", "xxxxxxxxxx",
	"0123456789", "123456789", "1234567890"}

// IsPlaceholder reports whether a serial number, of a machine or of a disk, identifies nothing: a vendor's text, or one
// character again and again.
func IsPlaceholder(serial string) bool {
	text := SerialKey(serial)
	const repeated = 8 // fewer equal characters are a short serial number, but for zeros and f
	return slices.Contains(placeholders, text) || strings.Trim(text, "0") == "" || strings.Trim(text, "f") == "" ||
		strings.Trim(text, ".-x ") == "" || len(text) >= repeated && strings.Trim(text, text[:1]) == ""
}

// SerialKey is a serial number in the spelling that compares: lower case, single spaces.
func SerialKey(serial string) string {
	return strings.ToLower(strings.Join(strings.Fields(serial), " "))
}

// shortestWWN is the fewest digits of a WWN; the shortest formats (NAA, EUI-64) have 16.
const shortestWWN = 8

// IsPlaceholderWWN reports whether a WWN identifies nothing: an empty text, a vendor's placeholder, too few digits,
// equal digits, digits that are zeros or f except for the one digit of the type, or zeros in the part that tells two
// disks of a vendor apart. A type in front (0x, naa., eui., uuid.) is no digit. The kernel's "nvme." and "t10.ATA"
// names consist of model and serial; their serial is judged.
func IsPlaceholderWWN(wwn string) bool {
	name := NormalWWN(wwn)
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
	return wwnMarks.Replace(cutPrefixes(NormalWWN(wwn), "wwn-", "0x", "naa.", "eui.", "uuid."))
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
