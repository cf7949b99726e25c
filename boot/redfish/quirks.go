package redfish

import "strings"

// Faults that no answer shows, by manufacturer. Sources: release notes and threads of OpenStack's sushy and Ironic.
// Further faults are handled where they show.

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
