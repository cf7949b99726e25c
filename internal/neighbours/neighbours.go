// Package neighbours finds the addresses of network cards by their MACs, on the networks that this machine is on: what
// answers there is in the kernel's table of neighbours.
package neighbours

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/vishvananda/netlink"
)

// Limits of one search. The kernel's table of neighbours holds 1,024 by default: a batch must leave room for others, and
// is asked three times within three seconds (arp(7): mcast_solicit, retrans_time).
const (
	maxNetwork = 1024 // addresses of a network; a larger one is not searched
	batch      = 128  // addresses that are asked at a time
	batchTime  = 4 * time.Second
	// settleTime is how long an old neighbour takes to be found there again, or not (arp(7): delay_first_probe_time and
	// three probes).
	settleTime = 9 * time.Second
	pollEvery  = 100 * time.Millisecond
)

// discard is the port to which one byte is sent, so that the kernel asks for the card behind an address (RFC 863).
const discard = 9

// Find gives the addresses of network cards, by their MACs in lower case with colons. A card that does not answer now is
// left out. Find asks at the addresses that the kernel remembers, and then at each address of the IPv4 networks of at
// most 1,024 addresses that this machine is on; that takes up to a minute.
func Find(ctx context.Context, macs []string) (map[string]netip.Addr, error) {
	wanted := map[string]bool{}
	for _, mac := range macs {
		wanted[mac] = true
	}
	conn, err := net.ListenUDP("udp", nil)
	if err != nil {
		return nil, fmt.Errorf("look for BMCs on this machine's networks: %w", err)
	}
	defer func() { _ = conn.Close() }()
	remembered, err := listNeighbours(wanted, false)
	if err != nil {
		return nil, err
	}
	found, err := askAll(ctx, conn, wanted, remembered, settleTime)
	if err != nil || len(found) == len(wanted) {
		return found, err
	}
	networks, err := listNetworks()
	if err != nil {
		return nil, err
	}
	for _, network := range networks {
		for addresses := hostsOf(network); len(addresses) > 0 && len(found) < len(wanted); {
			share := addresses[:min(batch, len(addresses))]
			addresses = addresses[len(share):]
			if found, err = askAll(ctx, conn, wanted, share, batchTime); err != nil {
				return nil, err
			}
		}
	}
	return found, nil
}

// askAll has the kernel ask for the cards behind addresses, and gives the wanted cards that are known to be there now.
func askAll(ctx context.Context, conn *net.UDPConn, wanted map[string]bool, addresses []netip.Addr, within time.Duration) (map[string]netip.Addr, error) {
	for _, address := range addresses {
		_, _ = conn.WriteToUDPAddrPort([]byte{0}, netip.AddrPortFrom(address, discard)) // an address without a card is no error
	}
	end := time.After(within)
	for {
		list, err := readTable(wanted, true)
		if err != nil || len(list) == len(wanted) || len(addresses) == 0 {
			return list, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-end:
			return list, nil
		case <-time.After(pollEvery):
		}
	}
}

// listNeighbours gives the addresses of wanted cards that the kernel remembers.
func listNeighbours(wanted map[string]bool, present bool) ([]netip.Addr, error) {
	table, err := readTable(wanted, present)
	addresses := make([]netip.Addr, 0, len(table))
	for _, address := range table {
		addresses = append(addresses, address)
	}
	return addresses, err
}

// readTable gives the kernel's neighbours among the wanted cards; with present only those that answered just now. Of two
// addresses of a card the IPv4 address counts, then the lower one.
func readTable(wanted map[string]bool, present bool) (map[string]netip.Addr, error) {
	entries, err := netlink.NeighList(0, netlink.FAMILY_ALL)
	if err != nil {
		return nil, fmt.Errorf("read the kernel's neighbours: %w", err)
	}
	found := map[string]netip.Addr{}
	for _, entry := range entries {
		address, is := netip.AddrFromSlice(entry.IP)
		address = address.Unmap()
		mac := entry.HardwareAddr.String()
		if !is || !wanted[mac] || address.IsLinkLocalUnicast() || present && entry.State&(netlink.NUD_REACHABLE|netlink.NUD_PERMANENT) == 0 {
			continue
		}
		if old, has := found[mac]; !has || address.Compare(old) < 0 { // IPv4 is less than IPv6
			found[mac] = address
		}
	}
	return found, nil
}

// listNetworks gives the IPv4 networks that this machine is on and that are small enough, the loopback network left out.
func listNetworks() (networks []netip.Prefix, err error) {
	links, err := netlink.LinkList()
	if err != nil {
		return nil, fmt.Errorf("list network cards: %w", err)
	}
	for _, link := range links {
		if flags := link.Attrs().Flags; flags&net.FlagLoopback != 0 || flags&net.FlagUp == 0 {
			continue
		}
		addresses, err := netlink.AddrList(link, netlink.FAMILY_V4)
		if err != nil {
			return nil, fmt.Errorf("list the addresses of %s: %w", link.Attrs().Name, err)
		}
		for _, a := range addresses {
			own, is := netip.AddrFromSlice(a.IP)
			bits, _ := a.Mask.Size()
			network := netip.PrefixFrom(own.Unmap(), bits).Masked()
			if is && own.Unmap().Is4() && 1<<(32-bits) <= maxNetwork && bits <= 30 && !own.IsLinkLocalUnicast() {
				networks = append(networks, network)
			}
		}
	}
	return networks, nil
}

// hostsOf gives the addresses of an IPv4 network, without the first and the last.
func hostsOf(network netip.Prefix) (hosts []netip.Addr) {
	for at := network.Addr().Next(); network.Contains(at.Next()); at = at.Next() {
		hosts = append(hosts, at)
	}
	return hosts
}
