package plan

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/plan/change"
)

// checkIdentity answers when the BMC speaks for another machine than the one that is meant: nothing is done through it, whatever was begun. A takeover that names
// that machine makes it the one that is meant; one that was used for it before does not count against a BMC that leaves out what it showed.
func (h host) checkIdentity() (Plan, bool) {
	why, silence := h.findContradiction()
	if why == "" {
		return Plan{}, false
	}
	serial := strings.TrimSpace(h.observed.BMC.System.Serial)
	given := !h.showsUndeclared() && !inventory.IsPlaceholder(serial) &&
		strings.EqualFold(h.desired.Consent.Takeover, serial)
	// a takeover stays in the file, and BMCs that start anew leave values out for a while
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

// whyStranger says why the BMC speaks for another machine than the one that is meant, or "".
func (h host) whyStranger() string {
	why, _ := h.findContradiction()
	return why
}

// findContradiction is stranger, and reports whether the BMC only leaves out what it showed before. The first row that can tell decides:
//
//	known                                      another machine when the BMC shows
//	spec.identity.serial                       another serial
//	what it showed at the last boot's opening  another serial or UUID, or none where it showed one
//	what the ramdisk's agent reported          another serial or UUID
func (h host) findContradiction() (why string, silence bool) {
	if h.observed.BMC.Reach != inventory.Reached {
		return "", false
	}
	address, seen := "", h.observed.BMC.System
	if h.desired.BMC != nil {
		address = h.desired.BMC.Address
	}
	if h.showsUndeclared() {
		return fmt.Sprintf("spec.identity.serial is %s, the BMC at %s belongs to %s: correct spec.bmc.address or "+
			"spec.identity.serial", h.desired.Identity.Serial, address, seen.Serial), false
	}
	const (
		lost = "the BMC at %s shows %s, the machine that is known has %s: correct spec.bmc.address, or, if that " +
			"machine was replaced, write spec.consent.takeover: %q"
		silent = "the BMC at %s shows no %s, the machine that is known has %s: it goes on when the BMC shows that " +
			"again; else correct spec.bmc.address, or, if that machine was replaced, write spec.consent.takeover: %q"
	)
	if known := h.record.BMC; known != nil && (known.Address == address || h.record.Facts != nil) {
		switch field, was, is := compareIdentity(*known, seen, true); {
		case field != "" && is == "":
			return fmt.Sprintf(silent, address, field, was, cmp.Or(seen.Serial, "its serial")), true
		case field != "":
			return fmt.Sprintf(lost, address, field+" "+is, was, cmp.Or(seen.Serial, "its serial")), false
		}
	}
	if field, was, is := compareIdentity(h.reportedIdentity(), seen, false); field != "" {
		return fmt.Sprintf(lost, address, field+" "+is, was, cmp.Or(seen.Serial, "its serial")), false
	}
	return "", false
}

// bootedElsewhere reports whether the newest boot was opened through another BMC, on a machine that is not known to be this one,
// and no agent reported since: nothing that the boot stands for is true of this machine.
func (h host) bootedElsewhere() bool {
	known := h.record.BMC
	if known == nil || h.record.Facts != nil || h.desired.BMC == nil || known.Address == h.desired.BMC.Address {
		return false
	}
	field, _, _ := compareIdentity(*known, h.observed.BMC.System, true)
	return field != "" || inventory.SerialKey(known.Serial) == "" && inventory.UUIDKey(known.UUID) == ""
}

// reportedIdentity is what the ramdisk's agent reported of the machine, as far as its BMC showed nothing when the newest boot was opened: firmware and BMC of one machine
// may have two serials. Where the fleet said by a takeover which one the BMC shows, it is that.
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

// compareIdentity names the field in which a BMC shows another machine than a known one, with both values. Where a value was shown, none is another one if
// silence counts.
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

// shownIdentity is what the BMC shows of its machine now.
func (h host) shownIdentity() *inventory.BMCIdentity {
	pin := inventory.BMCIdentity{Serial: h.observed.BMC.System.Serial, UUID: h.observed.BMC.System.UUID}
	if h.desired.BMC != nil {
		pin.Address = h.desired.BMC.Address
	}
	return &pin
}
