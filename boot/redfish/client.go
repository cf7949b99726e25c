package redfish

import (
	"context"
	"sync"
	"time"

	"github.com/gitmetal/ingot/boot/redfish/bios"
	"github.com/gitmetal/ingot/boot/redfish/conn"
	"github.com/gitmetal/ingot/boot/redfish/hardware"
	"github.com/gitmetal/ingot/boot/redfish/jobs"
)

// Types of package conn that callers need.
type (
	// Config is one machine's BMC: address, credentials, trust, deadlines.
	Config = conn.Config
	// TLS says which certificate the BMC must show.
	TLS = conn.TLS
	// Error is the error of every method of Client.
	Error = conn.Error
	// Hardware is what the BMC lists of the machine's parts.
	Hardware = hardware.Hardware
	// Kind says how talking to a BMC failed.
	Kind = conn.Kind
)

// The kinds of failure.
const (
	Unreachable  = conn.Unreachable  // no answer within the deadline
	Unauthorized = conn.Unauthorized // the credentials were refused, or are not tried again yet
	Refused      = conn.Refused      // the BMC answered with an error
	Protocol     = conn.Protocol     // the answer is not Redfish, leads elsewhere, or is too large
	NotSent      = conn.NotSent      // the request was kept back: this daemon may change nothing now
)

// LoginBackoff is the time during which refused credentials are not tried again.
const LoginBackoff = conn.LoginBackoff

// Client is one machine seen through its BMC. The methods are safe for concurrent use; requests go out one at a time.
type Client struct {
	conn *conn.Conn
	bios bios.BIOS
	jobs jobs.Jobs

	mu             sync.Mutex // guards the fields below
	system         string     // path of the ComputerSystem, once known
	drives         driveMap   // what was learned of the virtual drives
	insertNeeds    []string   // optional parameters that InsertMedia turned out to need
	override       overrideHabits
	console        *SerialConsole
	managerConsole *SerialConsole             // as a manager names it
	managersAsked  bool                       // for a console
	systemRead     bool                       // console was read
	managers       map[string]managerDocument // as read last, for those who look for drives soon after
	managersAt     time.Time                  // when the last of them was read
	recent         *computer                  // as System read it last, until something is changed
	recentAt       time.Time
	drop           *time.Timer // drops recent, and the last reading of drives; nil before the first reading
	// when the first of the last readings in a row said Off; zero unless the last reading said Off
	offSince time.Time
	off      offRow // power-offs that were accepted
}

// Open checks the configuration and sends nothing. Close ends the session.
func Open(config Config) (*Client, error) {
	opened, err := conn.Open(config)
	if err != nil {
		return nil, err
	}
	return &Client{conn: opened, system: opened.System()}, nil
}

// Inventory reads the machine's parts, with a request per part.
func (c *Client) Inventory(ctx context.Context) (Hardware, error) {
	w := c.conn.Call(ctx, "read the hardware")
	system, err := c.readSystem(w)
	if err != nil {
		return Hardware{}, err
	}
	return hardware.Read(w, system.Raw)
}

// Fingerprint is "sha256:<hex>" of the BMC's last certificate, or "" before the first answer.
func (c *Client) Fingerprint() string { return c.conn.Fingerprint() }

// Close deletes the session, if there is one. The Client may be used again; a new session is made then.
func (c *Client) Close(ctx context.Context) error { return c.conn.Close(ctx) }
