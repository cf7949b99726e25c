// Package inband is the side of a virtual BMC that its own machine talks to: IPMI messages, and QEMU's serial protocol
// for them. The accounts are those of the BMC's Redfish service.
//
//	c := inband.New(list, inband.Config{...})
//	code, data := c.Answer(0x06, 0x01, nil)   // one message
//	go c.Serve(ctx, listener)                 // QEMU's ipmi-bmc-extern connects here
//
// Faults make the BMC behave like real ones that refuse, or that say success and do something else. Sections are those
// of the IPMI specification, v2.0 rev. 1.1.
package inband

import (
	"net/netip"
	"sync"

	"github.com/gitmetal/ingot/internal/lab/bmc/accounts"
)

// Channel is a channel of the BMC.
type Channel struct {
	Number byte
	Medium byte // table 6-3; 4 is a network
	// Redfish says that the access on this channel is the access to the Redfish service.
	Redfish bool
	MAC     [6]byte
	IPv4    netip.Addr
	IPv6    []netip.Addr // static
}

// Config of the in-band side.
type Config struct {
	Channels []Channel
	// Slots is how many users there are, the null user included; default 10.
	Slots  int
	Faults Faults
	// Note is told of each message that changes an account: the command's name with the slot. Default: nothing.
	Note func(change string)
}

// Faults of real BMCs. The zero Faults is a well-behaved BMC.
type Faults struct {
	Codes        map[byte]byte // completion codes of commands of the function App, in place of carrying them out
	RefuseLong   bool          // a password of 20 bytes is refused
	KeepShort    bool          // a password of 20 bytes is accepted, and 16 of its bytes are kept
	RefusePlain  bool          // a password without one of - _ . is refused
	NoTest       bool          // the operation to test a password is unknown
	IgnoreAccess bool          // the access is accepted, and stays
	KeepName     bool          // an empty name is refused
	WantPadding  bool          // enable and disable want a password behind
	NoStatus     bool          // whether a user is enabled is not said, as in IPMI 1.5
	Deaf         bool          // no message is answered
}

// Controller is the in-band side. Safe for concurrent use.
type Controller struct {
	accounts *accounts.List
	config   Config

	mu     sync.Mutex
	faults Faults
	texts  map[byte][]byte // system info by parameter: the first block
	log    []string
}

// New makes the in-band side of a BMC with these accounts.
func New(list *accounts.List, config Config) *Controller {
	if config.Slots == 0 {
		config.Slots = 10
	}
	if config.Note == nil {
		config.Note = func(string) {}
	}
	return &Controller{accounts: list, config: config, faults: config.Faults, texts: map[byte][]byte{}}
}

// Inject changes the faults.
func (c *Controller) Inject(change func(*Faults)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	change(&c.faults)
}

// Channels are the BMC's channels.
func (c *Controller) Channels() []Channel { return c.config.Channels }

// Log are the messages that changed an account, in their order.
func (c *Controller) Log() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]string(nil), c.log...)
}

// IsDeaf reports whether no message is answered.
func (c *Controller) IsDeaf() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.faults.Deaf
}

func (c *Controller) note(change string) {
	c.mu.Lock()
	c.log = append(c.log, change)
	c.mu.Unlock()
	c.config.Note(change)
}

func (c *Controller) channel(number byte) (Channel, bool) {
	for _, found := range c.config.Channels {
		if found.Number == number {
			return found, true
		}
	}
	return Channel{}, false
}
