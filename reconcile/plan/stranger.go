package plan

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/plan/change"
)

// checkIdentity answers when the BMC speaks for a machine that the host does not mean: nothing is done through the
// BMC. A takeover that names the new machine makes the new machine the known one. A takeover that was used for the
// machine before does not count against a BMC that leaves values out.
func (h host) checkIdentity() (Plan, bool) {
	why, silence := h.findContradiction()
	if why == "" {
		return Plan{}, false
	}
	serial := strings.TrimSpace(h.observed.BMC.System.Serial)
	given := !h.showsUndeclared() && !inventory.IsPlaceholder(serial) &&
		strings.EqualFold(h.desired.Consent.Takeover, serial)
	// A takeover stays in the file, and BMCs that start anew leave values out for a while.
	used := silence && strings.EqualFold(h.record.Adopted, serial)
	if given && !used {
		return planAction(Waiting, Action{Kind: RecordTakeover, Serial: serial, Replaced: true, BMC: h.shownIdentity(),
			Reason: "spec.consent.takeover names the machine that is behind the BMC now"}), true
	}
	return h.holdHost(change.Hold{Reason: change.IdentityMismatch, Message: why}), true
}

// showsUndeclared reports whether the BMC shows another serial than spec.identity says.
func (h host) showsUndeclared() bool {
	have := inventory.SerialKey(h.observed.BMC.System.Serial)
	return h.desired.Identity.Serial != "" && have != "" && have != inventory.SerialKey(h.desired.Identity.Serial)
}

// whyStranger says why the BMC speaks for a machine that the host does not mean, or "".
func (h host) whyStranger() string {
	why, _ := h.findContradiction()
	return why
}

// findContradiction is whyStranger, and reports whether the BMC only leaves out a value of before. The first row that
// can tell decides:
//
//	known                                      another machine when the BMC shows
//	spec.identity.serial                       another serial
//	what it showed at the last boot's opening  another serial or UUID, or none where it showed one
//	what the ramdisk's agent reported          another serial or UUID
//	neither serial nor UUID, and another BMC   any serial or UUID
func (h host) findContradiction() (why string, silence bool) {
	if h.observed.BMC.Reach != inventory.Reached {
		return "", false
	}
	address, seen := "", h.observed.BMC.System
	if h.desired.BMC != nil {
		address = h.desired.BMC.Address
	}
	if h.showsUndeclared() {
		return undeclaredMessage(h.desired.Identity.Serial, address, seen.Serial), false
	}
	if known := h.record.BMC; known != nil && (known.Address == address || h.record.Facts != nil) {
		field, was, is := compareIdentity(*known, seen, true)
		switch {
		case field != "" && is == "":
			return silentMessage(address, field, was, seen), true
		case field != "":
			return replacedMessage(address, field+" "+is, was, seen), false
		}
	}
	if field, was, is := compareIdentity(h.reportedIdentity(), seen, false); field != "" {
		return replacedMessage(address, field+" "+is, was, seen), false
	}
	shown := describeIdentity(seen.Serial, seen.UUID)
	if shown != "" && h.lacksIdentity() && h.record.BMC.Address != address {
		return replacedMessage(address, shown, "none, at "+h.record.BMC.Address, seen), false
	}
	return "", false
}

// lacksIdentity reports whether an agent looked at the known machine, and neither BMC nor firmware showed a serial or
// UUID.
func (h host) lacksIdentity() bool {
	pin, facts := h.record.BMC, h.record.Facts
	return pin != nil && facts != nil && describeIdentity(pin.Serial, pin.UUID) == "" &&
		describeIdentity(facts.System.Serial, facts.System.UUID) == ""
}

// describeIdentity is the serial, or else the UUID, of a machine in words; "" without a usable value.
func describeIdentity(serial, uuid string) string {
	switch {
	case inventory.SerialKey(serial) != "":
		return "serial " + serial
	case inventory.UUIDKey(uuid) != "":
		return "UUID " + uuid
	default:
		return ""
	}
}

// undeclaredMessage says that the BMC shows another serial than the fleet declares.
func undeclaredMessage(declared, address, serial string) string {
	return fmt.Sprintf("spec.identity.serial is %s, the BMC at %s belongs to %s: correct spec.bmc.address or "+
		"spec.identity.serial", declared, address, serial)
}

// replacedMessage says that the BMC shows another value than the known machine has.
func replacedMessage(address, shown, known string, seen inventory.System) string {
	return fmt.Sprintf("the BMC at %s shows %s, the known machine has %s: correct spec.bmc.address, or write "+
		"spec.consent.takeover: %q if the machine was replaced", address, shown, known,
		cmp.Or(seen.Serial, "its serial"))
}

// silentMessage says that the BMC shows a value of the known machine no more.
func silentMessage(address, field, known string, seen inventory.System) string {
	return fmt.Sprintf("the BMC at %s shows no %s, the known machine has %s: wait for the BMC to show it again, or "+
		"write "+
		"spec.consent.takeover: %q if the machine was replaced", address, field, known,
		cmp.Or(seen.Serial, "its serial"))
}

// bootedElsewhere reports whether the newest boot was opened through another BMC, on a machine that is not known to
// be this machine, and no agent has reported since. The boot then says nothing about this machine.
func (h host) bootedElsewhere() bool {
	known := h.record.BMC
	if known == nil || h.record.Facts != nil || h.desired.BMC == nil || known.Address == h.desired.BMC.Address {
		return false
	}
	field, _, _ := compareIdentity(*known, h.observed.BMC.System, true)
	return field != "" || inventory.SerialKey(known.Serial) == "" && inventory.UUIDKey(known.UUID) == ""
}

// reportedIdentity is the identity that the ramdisk's agent reported, as far as the BMC showed no value when the
// newest boot was opened: firmware and BMC of a machine may have two serials. Where a takeover of the fleet named the
// serial of the BMC, the serial of the takeover counts.
func (h host) reportedIdentity() inventory.BMCIdentity {
	facts, pinned := h.record.Facts, inventory.BMCIdentity{}
	if facts == nil {
		return pinned
	}
	known := inventory.BMCIdentity{}
	if h.record.BMC != nil {
		known = *h.record.BMC
	}
	if inventory.IsPlaceholder(known.Serial) {
		pinned.Serial = facts.System.Serial
		if h.record.Adopted != "" && h.record.DescribesOtherMachine(h.desired.Identity) == "" {
			pinned.Serial = h.record.Adopted
		}
	}
	if inventory.UUIDKey(known.UUID) == "" {
		pinned.UUID = facts.System.UUID
	}
	return pinned
}

// compareIdentity names the field in which a BMC contradicts a known machine, with both values. With silence, a
// missing value contradicts a known value too.
func compareIdentity(known inventory.BMCIdentity, seen inventory.System, silence bool) (field, was, is string) {
	for _, value := range []struct {
		field, was, is string
		key            func(string) string
	}{{"serial", known.Serial, seen.Serial, inventory.SerialKey}, {"UUID", known.UUID, seen.UUID, inventory.UUIDKey}} {
		was, is := value.key(value.was), value.key(value.is)
		switch {
		case was == "" || was == is || is == "" && !silence:
		case is == "":
			return value.field, value.was, ""
		default:
			return value.field, value.was, value.is
		}
	}
	return "", "", ""
}

// shownIdentity is the identity that the BMC shows now.
func (h host) shownIdentity() *inventory.BMCIdentity {
	pin := inventory.BMCIdentity{Serial: h.observed.BMC.System.Serial, UUID: h.observed.BMC.System.UUID}
	if h.desired.BMC != nil {
		pin.Address = h.desired.BMC.Address
	}
	return &pin
}
