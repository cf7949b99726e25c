package ipmi

import (
	"encoding/binary"
	"fmt"
	"net/netip"
)

// Codes of commands of the network functions App and Transport.
const (
	codeGetDeviceID    byte = 0x01
	codeGetChannelInfo byte = 0x42
	codeGetLAN         byte = 0x02 // Transport
)

// DeviceID says who the BMC is (section 20.1).
type DeviceID struct {
	Device       byte
	Firmware     string // "2.10"
	Version      string // of IPMI, "2.0"
	Manufacturer uint32 // IANA enterprise number
	Product      uint16
	Updating     bool // the BMC starts, or its firmware is being updated
}

// GetDeviceID asks who the BMC is (section 20.1).
func GetDeviceID() Command[DeviceID] {
	return Command[DeviceID]{Request{"Get Device ID", netFnApp, codeGetDeviceID, nil}, func(d []byte) (DeviceID, error) {
		if len(d) < 11 {
			return DeviceID{}, ErrShort
		}
		return DeviceID{
			Device:   d[0],
			Updating: d[2]&0x80 != 0,
			Firmware: fmt.Sprintf("%d.%x", d[2]&0x7f, d[3]),
			// binary coded decimal, the major digit in the low half
			Version:      fmt.Sprintf("%x.%x", d[4]&0x0f, d[4]>>4),
			Manufacturer: uint32(d[6]) | uint32(d[7])<<8 | uint32(d[8]&0x0f)<<16,
			Product:      binary.LittleEndian.Uint16(d[9:11]),
		}, nil
	}}
}

// Medium types of a channel (table 6-3).
const (
	MediumLAN      byte = 0x04 // 802.3
	MediumOtherLAN byte = 0x06
	MediumSystem   byte = 0x0c // the interface that these messages go through
)

// MaxChannel is the last channel that a BMC may have beside the system interface (table 6-1).
const MaxChannel = 0x0b

// Channel is a way to the BMC.
type Channel struct {
	Number   byte
	Medium   byte
	Protocol byte
	// Sessions says that the channel needs a login.
	Sessions bool
}

// LAN reports whether the channel is a network.
func (c Channel) LAN() bool { return c.Medium == MediumLAN || c.Medium == MediumOtherLAN }

// GetChannelInfo asks for a channel (section 22.24). A channel that does not exist is refused with CodeInvalidField,
// with CodeOutOfRange, or has the medium 0.
func GetChannelInfo(channel byte) Command[Channel] {
	return Command[Channel]{Request{"Get Channel Info", netFnApp, codeGetChannelInfo, []byte{channel & 0x0f}},
		func(d []byte) (Channel, error) {
			if len(d) < 4 {
				return Channel{}, ErrShort
			}
			return Channel{Number: d[0] & 0x0f, Medium: d[1] & 0x7f, Protocol: d[2] & 0x1f, Sessions: d[3]>>6 != 0}, nil
		}}
}

// Parameters of a LAN channel (table 23-4).
const (
	lanAddress       byte = 3
	lanMAC           byte = 5
	lanIPv6Status    byte = 55
	lanIPv6Static    byte = 56
	lanIPv6Dynamic   byte = 59
	maxIPv6Addresses      = 16 // a reader's bound; the specification allows 255
)

// lanParameter asks for a parameter of a LAN channel (section 23.2). parse gets the data behind the revision.
func lanParameter[T any](channel, parameter, set byte, parse func([]byte) (T, error)) Command[T] {
	request := Request{"Get LAN Configuration Parameters", netFnTransport, codeGetLAN,
		[]byte{channel & 0x0f, parameter, set, 0}}
	return Command[T]{request, func(d []byte) (T, error) {
		if len(d) < 1 {
			var none T
			return none, ErrShort
		}
		return parse(d[1:])
	}}
}

// GetIPv4 asks for a channel's IPv4 address; the zero address where it has none.
func GetIPv4(channel byte) Command[netip.Addr] {
	return lanParameter(channel, lanAddress, 0, func(d []byte) (netip.Addr, error) {
		if len(d) < 4 {
			return netip.Addr{}, ErrShort
		}
		return usable(netip.AddrFrom4([4]byte(d[:4]))), nil
	})
}

// GetMAC asks for a channel's MAC address, as lower case hex with colons; "" where it has none.
func GetMAC(channel byte) Command[string] {
	return lanParameter(channel, lanMAC, 0, func(d []byte) (string, error) {
		if len(d) < 6 {
			return "", ErrShort
		}
		if [6]byte(d[:6]) == [6]byte{} || [6]byte(d[:6]) == [6]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff} {
			return "", nil
		}
		return fmt.Sprintf("%02x:%02x:%02x:%02x:%02x:%02x", d[0], d[1], d[2], d[3], d[4], d[5]), nil
	})
}

// IPv6Places says how many IPv6 addresses a channel may have.
type IPv6Places struct{ Static, Dynamic int }

// GetIPv6Places asks how many IPv6 addresses a channel may have. An older BMC does not know the parameter.
func GetIPv6Places(channel byte) Command[IPv6Places] {
	return lanParameter(channel, lanIPv6Status, 0, func(d []byte) (IPv6Places, error) {
		if len(d) < 2 {
			return IPv6Places{}, ErrShort
		}
		return IPv6Places{Static: min(int(d[0]), maxIPv6Addresses), Dynamic: min(int(d[1]), maxIPv6Addresses)}, nil
	})
}

// GetStaticIPv6 asks for an address that was set; the zero address where the place is not in use.
func GetStaticIPv6(channel byte, place int) Command[netip.Addr] {
	return lanParameter(channel, lanIPv6Static, byte(place), func(d []byte) (netip.Addr, error) {
		// set selector, enabled and source, address, prefix length, status
		if len(d) < 20 {
			return netip.Addr{}, ErrShort
		}
		if d[1]&0x80 == 0 {
			return netip.Addr{}, nil
		}
		return activeIPv6(d), nil
	})
}

// GetDynamicIPv6 asks for an address that the network gave; the zero address where the place is not in use.
func GetDynamicIPv6(channel byte, place int) Command[netip.Addr] {
	return lanParameter(channel, lanIPv6Dynamic, byte(place), func(d []byte) (netip.Addr, error) {
		if len(d) < 20 {
			return netip.Addr{}, ErrShort
		}
		return activeIPv6(d), nil
	})
}

// activeIPv6 is the address of a set that says that it is active.
func activeIPv6(d []byte) netip.Addr {
	const active = 0
	if d[19] != active {
		return netip.Addr{}
	}
	return usable(netip.AddrFrom16([16]byte(d[2:18])))
}

// usable is an address at which a daemon could find the BMC, or the zero address.
func usable(a netip.Addr) netip.Addr {
	if a.IsUnspecified() || a.IsLoopback() || a.IsMulticast() || a.IsLinkLocalUnicast() {
		return netip.Addr{}
	}
	return a
}
