package hardware

import (
	"slices"
	"strings"
)

// macMarks are the separators of MACs.
var macMarks = strings.NewReplacer(":", "", "-", "", ".", "")

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

// usbDrivers are prefixes of the drivers of network cards on USB, which are built into no machine.
var usbDrivers = []string{"cdc_", "rndis", "r8152", "asix", "ax88", "aqc111", "smsc75", "smsc95",
	"lan78", "dm9601", "pegasus", "rtl8150", "mcs7830", "sr9", "qmi_wwan", "huawei_cdc", "ipheth", "ch9200"}

// BuiltInMACs are the makers' addresses of the network cards, without cards on USB; sorted.
func (f *Facts) BuiltInMACs() []string {
	var macs []string
	for _, nic := range f.NICs {
		onUSB := slices.ContainsFunc(usbDrivers, func(prefix string) bool { return strings.HasPrefix(nic.Driver, prefix) })
		if mac, given := MACKey(nic.MAC); given && !onUSB {
			macs = append(macs, mac)
		}
	}
	slices.Sort(macs)
	return slices.Compact(macs)
}
