package redfish

import (
	"context"
	"sync"
	"time"

	"github.com/gitmetal/ingot/boot/redfish/conn"
)

// What a caller needs of the conversation underneath.
type (
	// Config is one machine's BMC: address, credentials, trust, deadlines.
	Config = conn.Config
	// TLS says which certificate the BMC must show.
	TLS = conn.TLS
	// Error is how every method of Client fails.
	Error = conn.Error
	// Kind says how talking to a BMC failed.
	Kind = conn.Kind
)

// The four kinds of failure.
const (
	Unreachable  = conn.Unreachable  // no answer within the deadline
	Unauthorized = conn.Unauthorized // the credentials were refused, or are not tried again yet
	Refused      = conn.Refused      // it answered with an error
	Protocol     = conn.Protocol     // it answered with something that is not Redfish, not itself, or too much
)

// LoginBackoff is how long refused credentials are not tried again.
const LoginBackoff = conn.LoginBackoff

// Client is one machine seen through its BMC. Its methods may be called from several goroutines; requests go out one at a time.
type Client struct {
	conn *conn.Conn

	mu          sync.Mutex // guards what was learned
	system      string     // path of the ComputerSystem, once known
	slots       []string   // paths of the virtual drives, once known
	insertNeeds []string   // parameters InsertMedia turned out to need
	console     *SerialConsole
	systemRead  bool      // console is what it said
	offSince    time.Time // the first of the readings in a row that said Off; zero when the last one did not
}

// Open checks the configuration; it sends nothing. Close ends the session.
func Open(config Config) (*Client, error) {
	opened, err := conn.Open(config)
	if err != nil {
		return nil, err
	}
	return &Client{conn: opened, system: opened.System()}, nil
}

// Fingerprint is "sha256:<hex>" of the certificate the BMC showed last, or "" before the first answer.
func (c *Client) Fingerprint() string { return c.conn.Fingerprint() }

// Session is the path of the open session, or "". A daemon records it, so that the one which takes its hosts over can end it.
func (c *Client) Session() string { return c.conn.Session() }

// EndSession ends a session by the path that Session gave, also another process's: from then on that one cannot write. A session
// that is gone already is a success.
func (c *Client) EndSession(ctx context.Context, path string) error {
	return c.conn.EndSession(ctx, path)
}

// Close deletes the session, when there is one. The Client may be used again afterwards; it then makes a new session.
func (c *Client) Close(ctx context.Context) error { return c.conn.Close(ctx) }
