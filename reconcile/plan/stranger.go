package plan

import (
	"fmt"
	"strings"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/plan/change"
)

// identity answers when the BMC speaks for another machine than the one that is meant: nothing is done through it, whatever was begun. A takeover that names
// that machine makes it the one that is meant; one that was used for it before does not count against a BMC that leaves out what it showed.
func (h host) identity() (Plan, bool) {
	why, silence := h.contradicted()
	if why == "" {
		return Plan{}, false
	}
	serial := strings.TrimSpace(h.o.BMC.System.Serial)
	given := !h.undeclared() && !inventory.IsPlaceholder(serial) && strings.EqualFold(h.d.Consent.Takeover, serial)
	used := silence && strings.EqualFold(h.rec.Adopted, serial) // a takeover stays in the file, and BMCs that start anew leave values out for a while
	if given && !used {
		return act(Waiting, Action{Kind: RecordTakeover, Serial: serial, Replaced: true, BMC: h.shown(), Reason: "spec.consent.takeover names the machine that is behind the BMC now"}), true
	}
	return h.held(change.Hold{Reason: change.IdentityMismatch, Message: why}), true
}

// undeclared reports whether the BMC shows another serial than spec.identity says.
func (h host) undeclared() bool {
	have := inventory.SerialKey(h.o.BMC.System.Serial)
	return h.d.Identity.Serial != "" && have != "" && have != inventory.SerialKey(h.d.Identity.Serial)
}

// stranger says why the BMC speaks for another machine than the one that is meant, or "".
func (h host) stranger() string {
	why, _ := h.contradicted()
	return why
}

// contradicted is stranger, and reports whether the BMC only leaves out what it showed before. The first row that can tell decides:
//
//	known                                      another machine when the BMC shows
//	spec.identity.serial                       another serial
//	what it showed at the last boot's opening  another serial or UUID, or none where it showed one
//	what the ramdisk's agent reported          another serial or UUID
//	neither serial nor UUID, and another BMC   any serial or UUID
func (h host) contradicted() (why string, silence bool) {
	if h.o.BMC.Reach != inventory.Reached {
		return "", false
	}
	address, seen := "", h.o.BMC.System
	if h.d.BMC != nil {
		address = h.d.BMC.Address
	}
	if h.undeclared() {
		return fmt.Sprintf("spec.identity.serial is %s, the BMC at %s belongs to %s: correct spec.bmc.address or spec.identity.serial", h.d.Identity.Serial, address, seen.Serial), false
	}
	const (
		lost   = "the BMC at %s shows %s, the machine that is known has %s: correct spec.bmc.address, or, if that machine was replaced, write spec.consent.takeover: %q"
		silent = "the BMC at %s shows no %s, the machine that is known has %s: it goes on when the BMC shows that again; else correct spec.bmc.address, or, if that machine was replaced, write spec.consent.takeover: %q"
	)
	if known := h.rec.BMC; known != nil && (known.Address == address || h.rec.Facts != nil) {
		switch field, was, is := contradiction(*known, seen, true); {
		case field != "" && is == "":
			return fmt.Sprintf(silent, address, field, was, or(seen.Serial, "its serial")), true
		case field != "":
			return fmt.Sprintf(lost, address, field+" "+is, was, or(seen.Serial, "its serial")), false
		}
	}
	if field, was, is := contradiction(h.reported(), seen, false); field != "" {
		return fmt.Sprintf(lost, address, field+" "+is, was, or(seen.Serial, "its serial")), false
	}
	if shows := nameOf(seen.Serial, seen.UUID); shows != "" && h.nameless() && h.rec.BMC.Address != address {
		return fmt.Sprintf(lost, address, shows, "none, at "+h.rec.BMC.Address, or(seen.Serial, "its serial")), false
	}
	return "", false
}

// nameless reports whether an agent looked at the known machine, and neither its BMC nor its firmware said who it is.
func (h host) nameless() bool {
	pin, facts := h.rec.BMC, h.rec.Facts
	return pin != nil && facts != nil && nameOf(pin.Serial, pin.UUID) == "" &&
		nameOf(facts.System.Serial, facts.System.UUID) == ""
}

// nameOf is the serial, or else the UUID, of a machine, in words; "" where neither tells it from others.
func nameOf(serial, uuid string) string {
	switch {
	case inventory.SerialKey(serial) != "":
		return "serial " + serial
	case inventory.UUIDKey(uuid) != "":
		return "UUID " + uuid
	default:
		return ""
	}
}

// elsewhere reports whether the newest boot was opened through another BMC, on a machine that is not known to be this one,
// and no agent reported since: nothing that the boot stands for is true of this machine.
func (h host) elsewhere() bool {
	known := h.rec.BMC
	if known == nil || h.rec.Facts != nil || h.d.BMC == nil || known.Address == h.d.BMC.Address {
		return false
	}
	field, _, _ := contradiction(*known, h.o.BMC.System, true)
	return field != "" || inventory.SerialKey(known.Serial) == "" && inventory.UUIDKey(known.UUID) == ""
}

// reported is what the ramdisk's agent reported of the machine, as far as its BMC showed nothing when the newest boot was opened: firmware and BMC of one machine
// may have two serials. Where the fleet said by a takeover which one the BMC shows, it is that.
func (h host) reported() inventory.BMCIdentity {
	facts, pinned := h.rec.Facts, inventory.BMCIdentity{}
	if facts == nil {
		return pinned
	}
	known := inventory.BMCIdentity{}
	if h.rec.BMC != nil {
		known = *h.rec.BMC
	}
	if inventory.IsPlaceholder(known.Serial) {
		pinned.Serial = facts.System.Serial
		if h.rec.Adopted != "" && h.rec.DescribesOtherMachine(h.d.Identity) == "" {
			pinned.Serial = h.rec.Adopted
		}
	}
	if inventory.UUIDKey(known.UUID) == "" {
		pinned.UUID = facts.System.UUID
	}
	return pinned
}

// contradiction names the field in which a BMC shows another machine than a known one, with both values. Where a value was shown, none is another one if
// silence counts.
func contradiction(known inventory.BMCIdentity, seen inventory.System, silence bool) (field, was, is string) {
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

// shown is what the BMC shows of its machine now.
func (h host) shown() *inventory.BMCIdentity {
	pin := inventory.BMCIdentity{Serial: h.o.BMC.System.Serial, UUID: h.o.BMC.System.UUID}
	if h.d.BMC != nil {
		pin.Address = h.d.BMC.Address
	}
	return &pin
}
