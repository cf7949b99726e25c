// Package lldp listens to what switches say of themselves on the network cards of the machine (IEEE 802.1AB). Listen gives
// a Neighbours that hears on until its context ends; Parse reads one frame. The package sends nothing.
package lldp

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"github.com/gitmetal/ingot/agent/wire"
)

// Types of a TLV (IEEE 802.1AB-2016, 8.4).
const (
	tlvEnd         = 0
	tlvChassis     = 1
	tlvPort        = 2
	tlvPortText    = 4
	tlvSystemName  = 5
	tlvManagement  = 8
	headerLength   = 14 // Ethernet: two addresses and the type
	etherType      = 0x88cc
	maxTLVs        = 64 // of one frame
	maxText        = 255
	subtypeMAC     = 4 // of a chassis id; of a port id it is 3
	subtypeAddress = 5 // of a chassis id; of a port id it is 4
	subtypePortMAC = 3
	familyIPv4     = 1
	familyIPv6     = 2
)

var errShort = errors.New("the frame ends within a TLV")

// Parse reads an Ethernet frame with an LLDP data unit. Chassis and port are there after no error; everything else may be
// missing. Texts are as the switch sent them, without characters that do not print.
func Parse(frame []byte) (wire.LLDP, error) {
	if len(frame) < headerLength || binary.BigEndian.Uint16(frame[12:]) != etherType {
		return wire.LLDP{}, errors.New("no frame of LLDP")
	}
	var seen wire.LLDP
	rest := frame[headerLength:]
	for range maxTLVs {
		if len(rest) < 2 {
			break
		}
		head := binary.BigEndian.Uint16(rest)
		kind, length := head>>9, int(head&0x1ff)
		if len(rest) < 2+length {
			return wire.LLDP{}, errShort
		}
		value := rest[2 : 2+length]
		rest = rest[2+length:]
		if kind == tlvEnd {
			break
		}
		readTLV(&seen, kind, value)
	}
	if seen.Chassis == "" || seen.Port == "" {
		return wire.LLDP{}, errors.New("the frame names no chassis or no port")
	}
	return seen, nil
}

func readTLV(seen *wire.LLDP, kind uint16, value []byte) {
	switch kind {
	case tlvChassis:
		seen.Chassis = readID(value, subtypeMAC, subtypeAddress)
	case tlvPort:
		seen.Port = readID(value, subtypePortMAC, subtypePortMAC+1)
	case tlvPortText:
		seen.PortText = clean(value)
	case tlvSystemName:
		seen.System = clean(value)
	case tlvManagement:
		if len(value) > 1 && seen.Address == "" {
			seen.Address = readAddress(value[1 : 1+min(int(value[0]), len(value)-1)])
		}
	}
}

// readID reads the id of a chassis or port: a subtype, then the id.
func readID(value []byte, mac, address byte) string {
	if len(value) < 2 {
		return ""
	}
	id := value[1:]
	switch {
	case value[0] == mac && len(id) == 6:
		return fmt.Sprintf("%02x:%02x:%02x:%02x:%02x:%02x", id[0], id[1], id[2], id[3], id[4], id[5])
	case value[0] == address:
		return readAddress(id)
	default:
		return clean(id)
	}
}

// readAddress reads an address behind its family (IANA Address Family Numbers).
func readAddress(value []byte) string {
	if len(value) == 0 || value[0] != familyIPv4 && value[0] != familyIPv6 {
		return ""
	}
	ip, ok := netip.AddrFromSlice(value[1:])
	if !ok {
		return ""
	}
	return ip.String()
}

// clean is a text without what steers a terminal.
func clean(value []byte) string {
	text := strings.ToValidUTF8(string(value[:min(len(value), maxText)]), "?")
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return '?'
		}
		return r
	}, text))
}
