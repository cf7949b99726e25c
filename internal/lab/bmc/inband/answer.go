package inband

import "bytes"

// Network functions and completion codes (tables 5-1 and 5-2).
const (
	app       = 0x06
	transport = 0x0c
	chassis   = 0x00

	good           = 0x00
	unknownCommand = 0xc1
	wrongLength    = 0xc7
	outOfRange     = 0xc9
	invalidField   = 0xcc
	noParameter    = 0x80
)

// handler answers one command.
type handler func(c *Controller, data []byte) (code byte, answer []byte)

// handlers by command, of the function App.
var handlers = map[byte]handler{
	0x01: (*Controller).deviceID,
	0x2e: func(*Controller, []byte) (byte, []byte) { return good, nil },              // Set BMC Global Enables
	0x2f: func(*Controller, []byte) (byte, []byte) { return good, []byte{0} },        // Get BMC Global Enables
	0x30: func(*Controller, []byte) (byte, []byte) { return good, nil },              // Clear Message Flags
	0x31: func(*Controller, []byte) (byte, []byte) { return good, []byte{0} },        // Get Message Flags
	0x35: func(*Controller, []byte) (byte, []byte) { return noParameter, nil },       // Read Event Message Buffer: empty
	0x08: func(*Controller, []byte) (byte, []byte) { return good, make([]byte, 16) }, // Get Device GUID
	0x42: (*Controller).channelInfo,
	0x43: (*Controller).setAccess,
	0x44: (*Controller).getAccess,
	0x45: (*Controller).setName,
	0x46: (*Controller).getName,
	0x47: (*Controller).setPassword,
	0x58: (*Controller).setText,
	0x59: (*Controller).getText,
}

// Answer answers one message.
func (c *Controller) Answer(netFn, command byte, data []byte) (code byte, answer []byte) {
	c.mu.Lock()
	fault, failed := c.faults.Codes[command]
	c.mu.Unlock()
	switch {
	case netFn == app && failed:
		return fault, nil
	case netFn == app && handlers[command] != nil:
		return handlers[command](c, data)
	case netFn == transport && command == 0x02:
		return c.getLAN(data)
	case netFn == chassis:
		c.note("chassis command") // nobody may send one in-band here
		return unknownCommand, nil
	default:
		return unknownCommand, nil
	}
}

func (c *Controller) deviceID([]byte) (byte, []byte) {
	return good, []byte{0x20, 0x01, 0x02, 0x10, 0x02, 0x80, 0xf2, 0x1b, 0x00, 0x01, 0x00}
}

// channelInfo is Get Channel Info (section 22.24).
func (c *Controller) channelInfo(data []byte) (byte, []byte) {
	if len(data) < 1 {
		return wrongLength, nil
	}
	number := data[0] & 0x0f
	if number == 0x0e || number == 0x0f { // this channel, the system interface
		return good, []byte{0x0f, 0x0c, 0x05, 0x00, 0xf2, 0x1b, 0x00, 0, 0}
	}
	found, known := c.channel(number)
	if !known {
		return invalidField, nil
	}
	sessions := byte(0)
	if found.Medium == 4 {
		sessions = 0x80
	}
	return good, []byte{number, found.Medium, 0x01, sessions, 0xf2, 0x1b, 0x00, 0, 0}
}

// getLAN is Get LAN Configuration Parameters (section 23.2, table 23-4).
func (c *Controller) getLAN(data []byte) (byte, []byte) {
	if len(data) != 4 {
		return wrongLength, nil
	}
	found, known := c.channel(data[0] & 0x0f)
	if !known || found.Medium != 4 {
		return invalidField, nil
	}
	const revision = 0x11
	switch set := int(data[2]); data[1] {
	case 3:
		address := [4]byte{}
		if found.IPv4.Is4() {
			address = found.IPv4.As4()
		}
		return good, append([]byte{revision}, address[:]...)
	case 5:
		return good, append([]byte{revision}, found.MAC[:]...)
	case 55:
		return good, []byte{revision, byte(len(found.IPv6)), 0, 0}
	case 56:
		if set >= len(found.IPv6) {
			return outOfRange, nil
		}
		address := found.IPv6[set].As16()
		return good, append(append([]byte{revision, byte(set), 0x80}, address[:]...), 64, 0)
	default:
		return noParameter, nil
	}
}

// setText is Set System Info Parameters (section 22.14a); one block is kept.
func (c *Controller) setText(data []byte) (byte, []byte) {
	if len(data) < 2 {
		return wrongLength, nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.texts[data[0]] = bytes.Clone(data[1:])
	return good, nil
}

// getText is Get System Info Parameters (section 22.14b).
func (c *Controller) getText(data []byte) (byte, []byte) {
	if len(data) < 4 {
		return wrongLength, nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	text := c.texts[data[1]]
	if text == nil {
		return noParameter, nil
	}
	return good, append([]byte{0x11}, text...)
}
