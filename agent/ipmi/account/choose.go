package account

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/gitmetal/ingot/agent/ipmi"
	"github.com/gitmetal/ingot/agent/wire"
)

// table is what was read of a BMC before anything is changed.
type table struct {
	networks []network
	users    []user // from slot 1 on, without gaps
	fixed    int    // slots whose names cannot be changed, from 1 on
}

// network is a network channel.
type network struct {
	channel   byte
	mac       string
	addresses []netip.Addr
}

// user is a slot of the BMC's table of users.
type user struct {
	slot   byte
	name   string
	status ipmi.UserStatus
	access map[byte]ipmi.Access // by channel
}

// reserved is the slot of the null user (section 22.28), which cannot have a name.
const reserved = 1

// problem is a reason not to go on, with a text for people.
type problem struct {
	kind string // a problem of wire.AccountReport
	text string
}

func (p *problem) Error() string { return p.text }

func problemf(kind, format string, arguments ...any) *problem {
	return &problem{kind, fmt.Sprintf(format, arguments...)}
}

// isFree reports whether a slot is nobody's: it has no name, and nobody can log in with it. A BMC of IPMI 1.5 does not
// say whether a user is enabled: there a slot is free if it may do nothing on any network.
func (u user) isFree() bool {
	return u.name == "" && u.isDisabled()
}

func (u user) isDisabled() bool {
	if u.status != ipmi.StatusUnknown {
		return u.status == ipmi.StatusDisabled
	}
	for _, a := range u.access {
		if a.Messaging || (a.Privilege != ipmi.PrivilegeNone && a.Privilege != 0) {
			return false
		}
	}
	return true
}

// chooseSlot chooses the first free slot for an account that nobody has yet.
func (t table) chooseSlot(name string) (byte, *problem) {
	if at := t.findName(name, 0); at != 0 {
		return 0, problemf(wire.AccountNameTaken, "slot %d of the BMC already has an account %s", at, name)
	}
	for _, u := range t.users {
		if int(u.slot) > max(reserved, t.fixed) && u.isFree() {
			return u.slot, nil
		}
	}
	return 0, problemf(wire.AccountFull, "none of the BMC's %d accounts is free: delete one that is not used, in the BMC's "+
		"own interface", len(t.users))
}

// checkSlot reports whether an order may use its slot: the slot is free, or holds what an earlier try of the same order
// left. The survey found the name nowhere, so an account of this name in this slot is the daemon's.
func (t table) checkSlot(order wire.AccountOrder) *problem {
	slot := byte(order.Slot)
	if order.Slot <= reserved || order.Slot > len(t.users) || order.Slot <= t.fixed {
		return problemf(wire.AccountSlotTaken, "the BMC has no slot %d that can be given a name", order.Slot)
	}
	if at := t.findName(order.Name, slot); at != 0 {
		return problemf(wire.AccountNameTaken, "slot %d of the BMC already has an account %s", at, order.Name)
	}
	if u := t.users[slot-1]; u.name != order.Name && !u.isFree() {
		return problemf(wire.AccountSlotTaken, "slot %d of the BMC was given to somebody else meanwhile", slot)
	}
	return nil
}

// findName is the slot with a name, but for one slot; 0 if there is none.
func (t table) findName(name string, but byte) byte {
	for _, u := range t.users {
		if u.name == name && u.slot != but {
			return u.slot
		}
	}
	return 0
}

// chooseChannels gives the channels on which an account gets access: the one with the address, or each with any
// address.
func (t table) chooseChannels(address string) ([]byte, *problem) {
	var want netip.Addr
	if address != "" {
		var err error
		if want, err = netip.ParseAddr(address); err != nil {
			return nil, problemf(wire.AccountNotUnderstood, "the order's address is none")
		}
	}
	var channels []byte
	for _, n := range t.networks {
		with := len(n.addresses) > 0
		if want.IsValid() {
			with = slices.Contains(n.addresses, want.Unmap())
		}
		if with {
			channels = append(channels, n.channel)
		}
	}
	switch {
	case len(channels) > 0:
		return channels, nil
	case len(t.networks) == 0:
		return nil, problemf(wire.AccountNoNetwork, "the BMC has no network channel")
	case want.IsValid():
		return nil, problemf(wire.AccountNoNetwork, "no network channel of the BMC has the address %s", want)
	default:
		return nil, problemf(wire.AccountNoNetwork, "no network channel of the BMC has an address: give the BMC one, or "+
			"connect it")
	}
}

// leftAs says what a slot is after an undoing.
func leftAs(u user) string {
	switch {
	case u.isFree():
		return wire.AccountFree
	case u.isDisabled():
		return wire.AccountDisabled
	default:
		return wire.AccountUnknown
	}
}

// shorter is the password as a BMC keeps it that says it takes 20 bytes and keeps 16; "" for a password of up to 16.
func shorter(password string) string {
	const kept = 16
	if len(password) <= kept {
		return ""
	}
	return password[:kept]
}
