package redfish

import "strings"

// What cannot be seen in an answer, by manufacturer. Sources: release notes and threads of OpenStack's sushy and Ironic.
// Everything else is negotiated where it shows.

// dell: SerialNumber is the board's, the label's service tag is the SKU.
func dell(manufacturer string) bool { return has(manufacturer, "dell") }

// wantsWholeOverride: these keep an old part of the override unless target, enabled and mode come together (AMI's firmware,
// under several names), or fall back to Once unless Enabled is sent every time (Supermicro).
func wantsWholeOverride(manufacturer string) bool {
	return has(manufacturer, "supermicro") || has(manufacturer, "american megatrends") || has(manufacturer, "ami") || has(manufacturer, "asrock")
}

// prefersUSBCD: Supermicro starts virtual media as UsbCd where it offers that.
func prefersUSBCD(manufacturer string) bool { return has(manufacturer, "supermicro") }

// has looks for whole words, so that "ami" is not found in "Dynamic".
func has(manufacturer, name string) bool {
	padded := " " + strings.Join(strings.FieldsFunc(strings.ToLower(manufacturer), func(r rune) bool {
		return r != '&' && (r < 'a' || r > 'z') && (r < '0' || r > '9')
	}), " ") + " "
	return strings.Contains(padded, " "+name+" ")
}
