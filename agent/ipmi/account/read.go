package account

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/gitmetal/ingot/agent/ipmi"
	"github.com/gitmetal/ingot/agent/wire"
)

// maxUsers is the most slots that a BMC can have: the field has 6 bits.
const maxUsers = 63

// isAbsent reports whether a BMC says that there is no such thing.
func isAbsent(err error) bool {
	return ipmi.HasCode(err, ipmi.CodeInvalidField, ipmi.CodeOutOfRange, ipmi.CodeNotPresent, ipmi.CodeInvalidCommand,
		ipmi.CodeInvalidForLUN, ipmi.CodeDisabled, ipmi.CodeState, ipmi.CodeUnspecified, 0x80)
}

// ReadNetworks reads the BMC's network channels, for the machine's facts. A channel whose addresses cannot be read is
// there without them.
func ReadNetworks(ctx context.Context, bmc ipmi.BMC) ([]wire.BMCNetwork, error) {
	found, err := readNetworks(ctx, bmc)
	return wireNetworks(found), err
}

func wireNetworks(found []network) (list []wire.BMCNetwork) {
	for _, n := range found {
		w := wire.BMCNetwork{Channel: int(n.channel), MAC: n.mac}
		for _, a := range n.addresses {
			w.Addresses = append(w.Addresses, a.String())
		}
		list = append(list, w)
	}
	return list
}

// readNetworks finds the network channels by their medium. A channel that does not exist is left out; a BMC that gives
// no answer is an error.
func readNetworks(ctx context.Context, bmc ipmi.BMC) ([]network, error) {
	var found []network
	for number := range byte(ipmi.MaxChannel + 1) {
		channel, err := ipmi.Ask(ctx, bmc, ipmi.GetChannelInfo(number))
		switch {
		case isAbsent(err):
			continue
		case err != nil:
			return found, err
		case !channel.LAN():
			continue
		}
		n := network{channel: number}
		if n.mac, err = optional(ctx, bmc, ipmi.GetMAC(number)); err != nil {
			return found, err
		}
		if n.addresses, err = readAddresses(ctx, bmc, number); err != nil {
			return found, err
		}
		found = append(found, n)
	}
	return found, nil
}

func readAddresses(ctx context.Context, bmc ipmi.BMC, channel byte) ([]netip.Addr, error) {
	v4, err := optional(ctx, bmc, ipmi.GetIPv4(channel))
	if err != nil {
		return nil, err
	}
	all := []netip.Addr{v4}
	places, err := optional(ctx, bmc, ipmi.GetIPv6Places(channel))
	if err != nil {
		return nil, err
	}
	var commands []ipmi.Command[netip.Addr]
	for place := range places.Static {
		commands = append(commands, ipmi.GetStaticIPv6(channel, place))
	}
	for place := range places.Dynamic {
		commands = append(commands, ipmi.GetDynamicIPv6(channel, place))
	}
	for _, c := range commands {
		a, err := optional(ctx, bmc, c)
		if err != nil {
			return nil, err
		}
		all = append(all, a)
	}
	all = slices.DeleteFunc(all, func(a netip.Addr) bool { return !a.IsValid() })
	slices.SortFunc(all, netip.Addr.Compare)
	return slices.Compact(all), nil
}

// optional asks for something that a BMC need not have: the zero value where the BMC refuses, or answers oddly.
func optional[T any](ctx context.Context, bmc ipmi.BMC, c ipmi.Command[T]) (T, error) {
	got, err := ipmi.Ask(ctx, bmc, c)
	var refused *ipmi.CodeError
	if errors.As(err, &refused) || errors.Is(err, ipmi.ErrShort) {
		var none T
		return none, nil
	}
	return got, err
}

// readTable reads everything that a change depends on. One thing that cannot be read is an error: nothing is assumed.
func readTable(ctx context.Context, bmc ipmi.BMC) (table, error) {
	var t table
	var err error
	if t.networks, err = readNetworks(ctx, bmc); err != nil {
		return t, err
	}
	if len(t.networks) == 0 {
		return t, nil
	}
	first, err := ipmi.Ask(ctx, bmc, ipmi.GetUserAccess(t.networks[0].channel, reserved))
	if err != nil {
		return t, err
	}
	if first.MostUsers < reserved || first.MostUsers > maxUsers {
		return t, fmt.Errorf("the BMC says that it has %d accounts", first.MostUsers)
	}
	t.fixed = first.Fixed
	for slot := byte(reserved); int(slot) <= first.MostUsers; slot++ {
		u, err := readUser(ctx, bmc, t.networks, slot)
		if err != nil {
			return t, err
		}
		t.users = append(t.users, u)
	}
	return t, nil
}

// readUser reads a slot. Some BMCs refuse to name a slot without a name.
func readUser(ctx context.Context, bmc ipmi.BMC, networks []network, slot byte) (user, error) {
	u := user{slot: slot, access: map[byte]ipmi.Access{}}
	for _, n := range networks {
		access, err := ipmi.Ask(ctx, bmc, ipmi.GetUserAccess(n.channel, slot))
		if err != nil {
			return u, err
		}
		u.access[n.channel] = access
		u.status = mergeStatus(u.status, access.Status)
	}
	name, err := ipmi.Ask(ctx, bmc, ipmi.GetUserName(slot))
	if err != nil && !ipmi.HasCode(err, ipmi.CodeInvalidField, ipmi.CodeNotPresent) {
		return u, err
	}
	u.name = name
	return u, nil
}

// mergeStatus is the status over two channels: enabled on one is enabled.
func mergeStatus(a, b ipmi.UserStatus) ipmi.UserStatus {
	switch {
	case a == ipmi.StatusEnabled || b == ipmi.StatusEnabled:
		return ipmi.StatusEnabled
	case a == ipmi.StatusUnknown:
		return b
	default:
		return a
	}
}
