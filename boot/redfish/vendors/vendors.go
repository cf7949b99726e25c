// Package vendors is the table of BMC faults that no answer shows, by manufacturer. FindName gives the manufacturer's
// name, which the other functions ask for. Faults that an answer shows are handled where they show, without a vendor's
// name: do not add those here. Sources: release notes and threads of OpenStack's sushy and Ironic.
package vendors

import (
	"encoding/json"
	"strings"
)

// FindName is the manufacturer that a System names, or else the vendor whose own members it has (Dell M640: the
// manufacturer is empty).
func FindName(manufacturer string, oem map[string]json.RawMessage) string {
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

// ReadDellNode is the service tag among Dell's own members of a System.
func ReadDellNode(oem json.RawMessage) string {
	var said struct{ DellSystem struct{ NodeID string } }
	_ = json.Unmarshal(oem, &said) // members of another shape count as absent
	return strings.TrimSpace(said.DellSystem.NodeID)
}

// ConsoleCommand enters the serial console from a BMC's command line, where the BMC does not say; empty if unknown.
// Sources: Dell's and HPE's guides of iDRAC and iLO.
func ConsoleCommand(vendor string) string {
	switch {
	case IsDell(vendor):
		return "console com2"
	case hasWord(vendor, "hpe"), hasWord(vendor, "hp"):
		return "vsp"
	default:
		return ""
	}
}

// IsDell: SerialNumber is the board's, the label's service tag is the SKU.
func IsDell(manufacturer string) bool { return hasWord(manufacturer, "dell") }

// WantsWholeOverride: firmware that keeps an old part of the override unless target, enabled and mode are sent together
// (AMI, under several names), or that falls back to Once unless Enabled is always sent (Supermicro).
func WantsWholeOverride(manufacturer string) bool {
	return hasWord(manufacturer, "supermicro") || hasWord(manufacturer, "american megatrends") ||
		hasWord(manufacturer, "ami") || hasWord(manufacturer, "asrock")
}

// PrefersUSBCD: Supermicro starts virtual media as UsbCd where UsbCd is offered.
func PrefersUSBCD(manufacturer string) bool { return hasWord(manufacturer, "supermicro") }

// hasWord looks for whole words, so that "ami" is not found in "Dynamic".
func hasWord(manufacturer, name string) bool {
	padded := " " + strings.Join(strings.FieldsFunc(strings.ToLower(manufacturer), func(r rune) bool {
		return r != '&' && (r < 'a' || r > 'z') && (r < '0' || r > '9')
	}), " ") + " "
	return strings.Contains(padded, " "+name+" ")
}

// WantsBIOSJob: iDRACs that declare no apply times keep a change of the BIOS, and apply it by a job that the client
// asks for. Source: Dell's guide of the iDRAC's Redfish service, and its scripts.
func WantsBIOSJob(manufacturer string, applies []string) bool {
	return IsDell(manufacturer) && len(applies) == 0
}
