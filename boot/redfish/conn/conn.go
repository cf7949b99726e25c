package conn

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/gitmetal/ingot/boot/logins"
	"github.com/gitmetal/ingot/internal/secret"
)

// Limits of every Conn.
const (
	MaxBody      = 8 << 20             // bytes of an answer, decompressed
	MaxMembers   = 64                  // members read of a collection
	LoginBackoff = logins.SamePassword // pause after a refused login before the same credentials are tried again
)

// Config describes the BMC of one machine.
type Config struct {
	// Address is the https URL of the Redfish service or of the machine's ComputerSystem. The default scheme is https.
	// If the address names no system, the service must have exactly one.
	Address  string
	Username string
	Password secret.Value
	TLS      TLS
	// NewAccount says that the account was just made: its password may be tried again after a refusal, within the
	// account's budget. The caller spaces the logins.
	NewAccount bool
	Connect    time.Duration // deadline of connecting, TLS included; default 10 s
	Answer     time.Duration // deadline of the first byte of an answer to a GET, connecting included; default 25 s
	Request    time.Duration // deadline of a request; default 60 s: some BMCs hold a PATCH that long
	// Now is the clock; default time.Now.
	Now func() time.Time
	// Fence is asked right before each request that changes something; an error keeps the request back. Default: none.
	Fence func() error
	// Count is told of each request with its duration; the error is nil for an answer of any status. Default: nothing.
	Count func(method string, took time.Duration, err error)
	// Dial opens connections; default net.Dialer.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// TLS says which certificate the BMC must show. At most one field is set; none means the system's authorities and the
// host's name.
type TLS struct {
	Fingerprint string // "sha256:<64 hex>" of the leaf certificate's DER
	CA          string // PEM
	// FirstUse trusts the first certificate, and no different certificate for the Conn's life. A person in the middle
	// could take the password; meant for `ingot bmc check`.
	FirstUse bool
}

// Conn is a conversation with a BMC. The methods are safe for concurrent use; requests go out one at a time.
type Conn struct {
	config Config
	base   *url.URL // scheme and host only
	system string   // path of the ComputerSystem in the address, or empty
	trust  *tls.Config

	login sync.Mutex // held while logging in

	mu          sync.Mutex // guards the fields below
	root        *Root
	session     session
	basicUntil  time.Time // Basic authentication is used until then, because no session could be had
	compressed  bool      // Accept-Encoding: identity was refused
	fingerprint string    // of the last certificate
	http        idleHTTP
}

type session struct {
	token    string
	location string // path to DELETE
}

// Open checks the configuration and sends nothing. Close ends the session.
func Open(config Config) (*Conn, error) {
	base, system, err := parseAddress(config.Address)
	if err != nil {
		return nil, err
	}
	if config.Username == "" || config.Password.Empty() {
		return nil, errors.New("open bmc: username and password are needed; put both keys into the Secret that " +
			"spec.bmc.credentials names")
	}
	if config.Connect == 0 {
		config.Connect = 10 * time.Second
	}
	if config.Answer == 0 {
		config.Answer = 25 * time.Second
	}
	if config.Request == 0 {
		config.Request = 60 * time.Second
	}
	if config.Count == nil {
		config.Count = func(string, time.Duration, error) {}
	}
	if config.Now == nil {
		config.Now = time.Now
	}
	if config.Dial == nil {
		config.Dial = (&net.Dialer{}).DialContext
	}
	c := &Conn{config: config, base: base, system: system}
	if c.trust, err = c.tlsConfig(); err != nil {
		return nil, err
	}
	return c, nil
}

func parseAddress(address string) (base *url.URL, system string, err error) {
	if !strings.Contains(address, "://") {
		address = "https://" + address
	}
	at, err := url.Parse(address)
	if err != nil {
		return nil, "", errors.New("open bmc: the address is no URL; write https://HOST/redfish/v1/Systems/ID")
	}
	if at.Scheme != "https" || at.Host == "" || at.User != nil || at.RawQuery != "" || at.Fragment != "" {
		return nil, "", errors.New("open bmc: the address must be https with a host, without credentials, query or " +
			"fragment")
	}
	path := strings.TrimSuffix(at.Path, "/")
	switch {
	case path == "" || path == "/redfish" || path == "/redfish/v1":
		path = ""
	case !strings.HasPrefix(path, "/redfish/v1/"):
		return nil, "", fmt.Errorf("open bmc: the path %q of the address is not below /redfish/v1", path)
	}
	return &url.URL{Scheme: at.Scheme, Host: at.Host}, path, nil
}

// Base is the URL of the BMC: scheme, host and port.
func (c *Conn) Base() string { return c.base.String() }

// System is the path of the ComputerSystem in the address, or empty.
func (c *Conn) System() string { return c.system }

// Now is the Conn's clock.
func (c *Conn) Now() time.Time { return c.config.Now() }

// Session is the path of the open session, or empty.
func (c *Conn) Session() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.session.location
}

// Fingerprint is "sha256:<hex>" of the BMC's last certificate, or "" before the first answer.
func (c *Conn) Fingerprint() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.fingerprint
}

// Close deletes the session, if there is one. The Conn may be used again; a new session is made then.
func (c *Conn) Close(ctx context.Context) error {
	defer c.dropHTTP()
	c.mu.Lock()
	open := c.session
	c.mu.Unlock()
	if open.token == "" {
		return nil
	}
	defer c.forgetSession(open.token)
	const doing = "close the session"
	got, err := c.sendRequest(ctx, request{method: http.MethodDelete, path: open.location, doing: doing},
		credentials{token: open.token})
	if err != nil {
		return err
	}
	if got.status >= 300 && got.status != http.StatusUnauthorized && got.status != http.StatusNotFound {
		return c.refusalError(doing, got)
	}
	return nil
}

// forgetSession drops a session that has ended.
func (c *Conn) forgetSession(token string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.session.token == token {
		c.session = session{}
	}
}
