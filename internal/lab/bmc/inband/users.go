package inband

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/gitmetal/ingot/internal/lab/bmc/accounts"
	"github.com/gitmetal/ingot/internal/secret"
)

// noAccess is the privilege of a user that may do nothing on a channel (table 6-4).
const noAccess = 0x0f

// roles of the Redfish service by privilege.
var roles = map[byte]string{4: accounts.Administrator, 3: accounts.Operator, 2: accounts.ReadOnly}

// slot checks the number of a user.
func (c *Controller) slot(data []byte, at int) (int, bool) {
	if len(data) <= at {
		return 0, false
	}
	slot := int(data[at] & 0x3f)
	return slot, slot >= 1 && slot <= c.config.Slots
}

// privilege of an account on a channel.
func privilege(a accounts.Account, channel Channel) byte {
	if channel.Redfish {
		for p, role := range roles {
			if role == a.Role {
				return p
			}
		}
		return noAccess
	}
	if p, set := a.Channels[channel.Number]; set {
		return p
	}
	return noAccess
}

// getAccess is Get User Access (section 22.27).
func (c *Controller) getAccess(data []byte) (byte, []byte) {
	slot, known := c.slot(data, 1)
	if !known {
		return outOfRange, nil
	}
	channel, found := c.channel(data[0] & 0x0f)
	if !found {
		return invalidField, nil
	}
	enabled := 0
	for at := accounts.FirstSlot; at <= c.config.Slots; at++ {
		if c.accounts.At(at).Enabled {
			enabled++
		}
	}
	a, status := c.accounts.At(slot), byte(0x80)
	if a.Enabled {
		status = 0x40
	}
	if c.currentFaults().NoStatus {
		status = 0
	}
	access := privilege(a, channel)
	if access != noAccess {
		access |= 0x30
	}
	return good, []byte{byte(c.config.Slots), status | byte(enabled), 1, access}
}

// setAccess is Set User Access (section 22.26).
func (c *Controller) setAccess(data []byte) (byte, []byte) {
	slot, known := c.slot(data, 1)
	if !known || len(data) < 3 {
		return outOfRange, nil
	}
	channel, found := c.channel(data[0] & 0x0f)
	if !found || slot < accounts.FirstSlot {
		return invalidField, nil
	}
	limit := data[2] & 0x0f
	if data[0]&0x80 != 0 && data[0]&0x10 == 0 {
		limit = noAccess // no messages
	}
	c.note(fmt.Sprintf("access of slot %d on channel %d: %d", slot, channel.Number, limit))
	if c.currentFaults().IgnoreAccess {
		return good, nil
	}
	c.accounts.ChangeSlot(slot, func(a *accounts.Account) bool {
		if channel.Redfish {
			a.Role = roles[limit]
			return true
		}
		if a.Channels == nil {
			a.Channels = map[byte]byte{}
		}
		a.Channels[channel.Number] = limit
		return true
	})
	return good, nil
}

// getName is Get User Name (section 22.29).
func (c *Controller) getName(data []byte) (byte, []byte) {
	slot, known := c.slot(data, 0)
	if !known {
		return outOfRange, nil
	}
	name := make([]byte, 16)
	copy(name, c.accounts.At(slot).User)
	return good, name
}

// setName is Set User Name (section 22.28).
func (c *Controller) setName(data []byte) (byte, []byte) {
	slot, known := c.slot(data, 0)
	switch {
	case !known || slot < accounts.FirstSlot:
		return invalidField, nil
	case len(data) != 17:
		return wrongLength, nil
	}
	name := string(bytes.TrimRight(data[1:], "\x00"))
	c.note(fmt.Sprintf("name of slot %d: %q", slot, name))
	if name == "" && c.currentFaults().KeepName {
		return invalidField, nil
	}
	c.accounts.ChangeSlot(slot, func(a *accounts.Account) bool { a.User = name; return true })
	return good, nil
}

// setPassword is Set User Password (section 22.30).
func (c *Controller) setPassword(data []byte) (byte, []byte) {
	slot, known := c.slot(data, 0)
	if !known || len(data) < 2 || slot < accounts.FirstSlot {
		return outOfRange, nil
	}
	faults, long := c.currentFaults(), data[0]&0x80 != 0
	switch operation := data[1] & 0x03; operation {
	case 0, 1:
		if faults.WantPadding && len(data) < 18 {
			return wrongLength, nil
		}
		c.note(fmt.Sprintf("slot %d enabled: %t", slot, operation == 1))
		c.accounts.ChangeSlot(slot, func(a *accounts.Account) bool { a.Enabled = operation == 1; return true })
		return good, nil
	case 2:
		return c.keepPassword(slot, long, data[2:], faults)
	default:
		return c.testPassword(slot, long, data[2:], faults)
	}
}

func (c *Controller) keepPassword(slot int, long bool, field []byte, faults Faults) (byte, []byte) {
	c.note(fmt.Sprintf("password of slot %d: %d bytes", slot, len(field)))
	password := string(bytes.TrimRight(field, "\x00"))
	switch {
	case len(field) != map[bool]int{false: 16, true: 20}[long]:
		return wrongLength, nil
	case long && faults.RefuseLong, faults.RefusePlain && !strings.ContainsAny(password, "-_."):
		return invalidField, nil
	case long && faults.KeepShort:
		password = password[:min(16, len(password))]
	}
	c.accounts.ChangeSlot(slot, func(a *accounts.Account) bool { a.Password = secret.New(password); return true })
	return good, nil
}

// testPassword says 80h for another password, and 81h for one of another length.
func (c *Controller) testPassword(slot int, long bool, field []byte, faults Faults) (byte, []byte) {
	const mismatch, size = 0x80, 0x81
	kept, asked := c.accounts.At(slot).Password, string(bytes.TrimRight(field, "\x00"))
	switch {
	case faults.NoTest:
		return invalidField, nil
	case faults.KeepShort && long:
		asked = asked[:min(16, len(asked))]
	case long != (len(kept.Reveal()) > 16):
		return size, nil
	}
	if !kept.Equal(secret.New(asked)) {
		return mismatch, nil
	}
	return good, nil
}

func (c *Controller) currentFaults() Faults {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.faults
}
