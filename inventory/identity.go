package inventory

import (
	"fmt"
	"slices"
	"strings"

	"github.com/gitmetal/ingot/schemas"
)

// MachineID is a machine's permanent identity in ingot: metadata.id of the host, by default the name. Journal keys,
// pages, consents, tokens and releases use the id; names are for people.
type MachineID string

// placeholders are vendors' serial numbers that identify nothing.
var placeholders = []string{"", "0", "none", "n/a", "na", "default string", "system serial number",
	"to be filled by o.e.m.", "not specified", "not applicable", "unknown", "serial", "xxxxxxxxxx", "0123456789",
	"123456789", "1234567890"}

// IsPlaceholder reports whether a serial number identifies nothing.
func IsPlaceholder(serial string) bool {
	text := strings.ToLower(strings.TrimSpace(serial))
	return slices.Contains(placeholders, text) || strings.Trim(text, "0") == "" || strings.Trim(text, "f") == "" ||
		strings.Trim(text, ".-x ") == ""
}

// SerialKey is a serial number in one spelling, "" for a placeholder.
func SerialKey(serial string) string {
	if IsPlaceholder(serial) {
		return ""
	}
	return strings.ToUpper(strings.TrimSpace(serial))
}

// SameMachine says why the machine with these facts is not the declared machine, or "". A declared serial must be
// reported, in any case; a placeholder identifies no machine. Every declared MAC must be among the network cards. A
// host that declares neither is the machine behind its BMC, whichever answers.
func SameMachine(identity schemas.Identity, facts Facts) string {
	if identity.Serial != "" && IsPlaceholder(identity.Serial) {
		return fmt.Sprintf("spec.identity.serial is %q, a placeholder that identifies no machine", identity.Serial)
	}
	if identity.Serial != "" && !strings.EqualFold(strings.TrimSpace(identity.Serial),
		strings.TrimSpace(facts.System.Serial)) {
		return fmt.Sprintf("spec.identity.serial is %s, the machine reports %s", identity.Serial,
			orNone(facts.System.Serial))
	}
	for _, mac := range identity.MACs {
		if !slices.ContainsFunc(facts.NICs, func(nic NIC) bool { return strings.EqualFold(nic.MAC, mac) }) {
			return fmt.Sprintf("spec.identity.macs names %s, the machine has no such network card", mac)
		}
	}
	return ""
}

// DescribesOtherMachine says why a record describes another machine than the declared machine, or "": the serials
// differ, or, where the serials cannot be compared, no declared MAC is among the recorded network cards.
func (r Record) DescribesOtherMachine(declared schemas.Identity) string {
	if r.Facts == nil {
		return ""
	}
	known := r.Facts.System.Serial
	if !IsPlaceholder(declared.Serial) && !IsPlaceholder(known) {
		if strings.EqualFold(strings.TrimSpace(declared.Serial), strings.TrimSpace(known)) {
			return ""
		}
		return fmt.Sprintf("spec.identity.serial is %s, and what is known is of machine %s", declared.Serial, known)
	}
	has := func(mac string) bool {
		return slices.ContainsFunc(r.Facts.NICs, func(nic NIC) bool { return strings.EqualFold(nic.MAC, mac) })
	}
	if len(declared.MACs) == 0 || len(r.Facts.NICs) == 0 || slices.ContainsFunc(declared.MACs, has) {
		return ""
	}
	return fmt.Sprintf("spec.identity.macs names no network card of the machine that is known (serial %s)",
		orNone(known))
}
