package inventory

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/gitmetal/ingot/inventory/diskid"
	"github.com/gitmetal/ingot/inventory/uuid"
	"github.com/gitmetal/ingot/schemas"
)

// MachineID is a machine's permanent identity in ingot: metadata.id of the host, by default the name. Journal keys,
// pages, consents, tokens and releases use the id; names are for people.
type MachineID string

// IsPlaceholder reports whether a serial number identifies nothing.
func IsPlaceholder(serial string) bool { return diskid.IsPlaceholder(serial) }

// SerialKey is a serial number in one spelling, "" for a placeholder.
func SerialKey(serial string) string {
	if IsPlaceholder(serial) {
		return ""
	}
	return strings.ToUpper(strings.TrimSpace(serial))
}

// SameMachine says why the machine is not the declared machine, or "", from what its BMC shows and its agent reports. A
// declared serial or UUID must be said by one of them; a placeholder identifies no machine. Every declared MAC must be
// among the network cards. A host that declares nothing is the machine behind its BMC, whichever answers.
func SameMachine(declared schemas.Identity, bmc *BMCIdentity, facts Facts) string {
	machine := IdentityOf(&facts)
	machine.BMC = bmc
	values := machine.values()
	switch {
	case declared.Serial != "" && IsPlaceholder(declared.Serial):
		return fmt.Sprintf("spec.identity.serial is %q, a placeholder that identifies no machine", declared.Serial)
	case declared.UUID != "" && UUIDKey(declared.UUID) == "":
		return fmt.Sprintf("spec.identity.uuid is %q, a placeholder that identifies no machine", declared.UUID)
	case machine.Denies(declared) != "":
		return machine.Denies(declared)
	case declared.Serial != "" && !values[0].or(values[2]).identifies():
		return fmt.Sprintf("spec.identity.serial is %s, neither BMC nor SMBIOS reports a serial", declared.Serial)
	case declared.UUID != "" && !values[1].or(values[3]).identifies():
		return fmt.Sprintf("spec.identity.uuid is %s, neither BMC nor SMBIOS reports a UUID", declared.UUID)
	}
	for _, mac := range declared.MACs {
		if !facts.HasMAC(mac) {
			return fmt.Sprintf("spec.identity.macs names %s, the machine has no such network card", mac)
		}
	}
	return ""
}

// DescribesOtherMachine says why a record describes another machine than the declared machine, or "": the known machine
// denies a declared serial or UUID, or it says none of them and has no declared MAC. A record of a machine that nothing
// was done to describes no machine.
func (r Record) DescribesOtherMachine(declared schemas.Identity) string {
	if r.Untouched() {
		return ""
	}
	known := r.Identity()
	if why := known.deniesAs("the known machine's", declared); why != "" {
		return why
	}
	if known.Says(declared) || len(declared.MACs) == 0 || r.Facts == nil || len(r.Facts.NICs) == 0 ||
		slices.ContainsFunc(declared.MACs, r.Facts.HasMAC) {
		return ""
	}
	return fmt.Sprintf("spec.identity.macs names no network card of the machine that is known (serial %s)",
		orNone(known.SerialLabel()))
}

// UUIDKey is a UUID in one spelling, "" for a UUID that identifies nothing; package uuid has the rule.
func UUIDKey(text string) string { return uuid.Key(text) }

func orNone(text string) string { return cmp.Or(text, "none") }
