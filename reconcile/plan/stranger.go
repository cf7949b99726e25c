package plan

import (
	"fmt"
	"strings"

	"github.com/gitmetal/ingot/inventory"
)

// identity answers when the BMC speaks for another machine than the one that is meant: nothing is done through it, whatever was begun. A takeover that names
// that machine makes it the one that is meant.
func (h host) identity() (Plan, bool) {
	why := h.stranger()
	if why == "" {
		return Plan{}, false
	}
	serial := h.o.BMC.System.Serial
	if !h.undeclared() && !inventory.Placeholder(serial) && strings.EqualFold(h.d.Consent.Takeover, strings.TrimSpace(serial)) {
		return act(Waiting, Action{Kind: RecordTakeover, Serial: strings.TrimSpace(serial), Replaced: true, BMC: h.shown(), Reason: "spec.consent.takeover names the machine that is behind the BMC now"}), true
	}
	return h.held(Hold{Reason: IdentityMismatch, Message: why}), true
}

// undeclared reports whether the BMC shows another serial than spec.identity says.
func (h host) undeclared() bool {
	want, have := h.d.Identity.Serial, h.o.BMC.System.Serial
	return want != "" && !inventory.Placeholder(have) && !strings.EqualFold(strings.TrimSpace(want), strings.TrimSpace(have))
}

// stranger says why the BMC speaks for another machine than the one that is meant, or "". The first row that can tell decides:
//
//	known                                      another machine when the BMC shows
//	spec.identity.serial                       another serial
//	what it showed at the last boot's opening  another serial or UUID, or none where it showed one
//	what the ramdisk's agent reported          another serial or UUID
func (h host) stranger() string {
	if h.o.BMC.Reach != inventory.Reached {
		return ""
	}
	address, seen := "", h.o.BMC.System
	if h.d.BMC != nil {
		address = h.d.BMC.Address
	}
	if h.undeclared() {
		return fmt.Sprintf("spec.identity.serial is %s, the BMC at %s belongs to %s: correct spec.bmc.address or spec.identity.serial", h.d.Identity.Serial, address, seen.Serial)
	}
	const lost = "the BMC at %s shows %s, the machine that is known has %s: correct spec.bmc.address, or, if that machine was replaced, write spec.consent.takeover: %q"
	known, facts := h.rec.BMC, h.rec.Facts
	switch {
	case known != nil && (known.Address == address || facts != nil):
		if field, was, is := contradiction(*known, seen, true); field != "" {
			return fmt.Sprintf(lost, address, field+" "+or(is, "none"), was, or(seen.Serial, "its serial"))
		}
	case facts != nil:
		pinned := inventory.BMCIdentity{Serial: facts.System.Serial, UUID: facts.System.UUID}
		if field, was, is := contradiction(pinned, seen, false); field != "" {
			return fmt.Sprintf(lost, address, field+" "+is, was, or(seen.Serial, "its serial"))
		}
	}
	return ""
}

// contradiction names the field in which a BMC shows another machine than a known one, with both values. Where a value was shown, none is another one if
// silence counts.
func contradiction(known inventory.BMCIdentity, seen inventory.System, silence bool) (field, was, is string) {
	real := func(serial string) bool { return !inventory.Placeholder(serial) }
	switch {
	case real(known.Serial) && real(seen.Serial) && !strings.EqualFold(strings.TrimSpace(known.Serial), strings.TrimSpace(seen.Serial)):
		return "serial", known.Serial, seen.Serial
	case real(known.Serial) && !real(seen.Serial) && silence:
		return "serial", known.Serial, ""
	case inventory.RealUUID(known.UUID) && inventory.RealUUID(seen.UUID) && !inventory.SameUUID(known.UUID, seen.UUID):
		return "UUID", known.UUID, seen.UUID
	case inventory.RealUUID(known.UUID) && !inventory.RealUUID(seen.UUID) && silence:
		return "UUID", known.UUID, ""
	default:
		return "", "", ""
	}
}

// shown is what the BMC shows of its machine now.
func (h host) shown() *inventory.BMCIdentity {
	pin := inventory.BMCIdentity{Serial: h.o.BMC.System.Serial, UUID: h.o.BMC.System.UUID}
	if h.d.BMC != nil {
		pin.Address = h.d.BMC.Address
	}
	return &pin
}
