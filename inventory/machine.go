package inventory

import (
	"strings"

	"github.com/gitmetal/ingot/inventory/uuid"
)

// macMarks are the separators of MACs.
var macMarks = strings.NewReplacer(":", "", "-", "", ".", "")

// UUIDKey is a UUID in one spelling, "" for a UUID that identifies nothing; package uuid has the rule.
func UUIDKey(text string) string { return uuid.Key(text) }

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
