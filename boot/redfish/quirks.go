package redfish

import (
	"encoding/json"
	"strings"
)

// Faults that no answer shows, by manufacturer. Sources: release notes and threads of OpenStack's sushy and Ironic.
// Further faults are handled where they show.

// vendorName is the manufacturer that a System names, or else the vendor whose own members it has (Dell M640: the
// manufacturer is empty).
func vendorName(manufacturer string, oem map[string]json.RawMessage) string {
	if strings.TrimSpace(manufacturer) != "" {
		return manufacturer
	}
	for _, vendor := range []string{"Dell", "Hpe", "Hp", "Lenovo", "Supermicro", "Ami"} {
		if len(oem[vendor]) > 0 {
			return vendor
		}
	}
	return ""
}

// dellNode is the service tag among Dell's own members of a System.
func dellNode(oem json.RawMessage) string {
	var said struct{ DellSystem struct{ NodeID string } }
	_ = json.Unmarshal(oem, &said) // members of another shape count as absent
	return strings.TrimSpace(said.DellSystem.NodeID)
}

// consoleCommand enters the serial console from a BMC's command line, where the BMC does not say; empty if unknown.
// Sources: Dell's and HPE's guides of iDRAC and iLO.
func consoleCommand(vendor string) string {
	switch {
	case isDell(vendor):
		return "console com2"
	case hasWord(vendor, "hpe"), hasWord(vendor, "hp"):
		return "vsp"
	default:
		return ""
	}
}

// isDell: SerialNumber is the board's, the label's service tag is the SKU.
func isDell(manufacturer string) bool { return hasWord(manufacturer, "dell") }

// wantsWholeOverride: firmware that keeps an old part of the override unless target, enabled and mode are sent together
// (AMI, under several names), or that falls back to Once unless Enabled is always sent (Supermicro).
func wantsWholeOverride(manufacturer string) bool {
	return hasWord(manufacturer, "supermicro") || hasWord(manufacturer, "american megatrends") ||
		hasWord(manufacturer, "ami") || hasWord(manufacturer, "asrock")
}

// prefersUSBCD: Supermicro starts virtual media as UsbCd where UsbCd is offered.
func prefersUSBCD(manufacturer string) bool { return hasWord(manufacturer, "supermicro") }

// hasWord looks for whole words, so that "ami" is not found in "Dynamic".
func hasWord(manufacturer, name string) bool {
	padded := " " + strings.Join(strings.FieldsFunc(strings.ToLower(manufacturer), func(r rune) bool {
		return r != '&' && (r < 'a' || r > 'z') && (r < '0' || r > '9')
	}), " ") + " "
	return strings.Contains(padded, " "+name+" ")
}
