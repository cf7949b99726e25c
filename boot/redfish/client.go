package redfish

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/gitmetal/ingot/internal/secret"
)

// Limits of every conversation.
const (
	MaxBody      = 8 << 20          // bytes of an answer, decompressed
	LoginBackoff = 20 * time.Minute // after a refused login, before the same credentials are tried again
	maxMembers   = 64               // members of a collection that are looked at
)

// Config is one machine's BMC.
type Config struct {
	// Address is the https URL of the Redfish service or of the machine's ComputerSystem in it. Without a scheme it is https.
	// When it names no system, the service must have exactly one.
	Address  string
	Username string
	Password secret.Value
	TLS      TLS
	Connect  time.Duration // deadline of connecting, TLS included; default 10 s
	Request  time.Duration // deadline of one request; default 60 s: some BMCs hold a PATCH that long
	// Now is the clock; default time.Now.
	Now func() time.Time
	// Dial opens connections; default net.Dialer.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// TLS says which certificate the BMC must show. At most one field is set; none means the system's authorities and the host's name.
type TLS struct {
	Fingerprint string // "sha256:<64 hex>" of the leaf certificate's DER
	CA          string // PEM
	// FirstUse trusts the certificate that is seen first, and only that one for the Client's life. Who can stand between
	// could take the password; meant for `ingot bmc check`.
	FirstUse bool
}

// Client is a conversation with one BMC. Its methods may be called from several goroutines; requests go out one at a time.
type Client struct {
	config Config
	base   *url.URL // scheme and host only
	http   *http.Client

	login sync.Mutex // held while logging in

	mu          sync.Mutex // guards what is below
	system      string     // path of the ComputerSystem, once known
	root        *serviceRoot
	session     session
	basicUntil  time.Time // no session could be had: Basic authentication until then
	compressed  bool      // Accept-Encoding: identity was refused
	slots       []string  // paths of the virtual drives, once known
	insertNeeds []string  // parameters InsertMedia turned out to need
	fingerprint string    // of the certificate shown last
}

type session struct {
	token    string
	location string // path to DELETE
}

// Open checks the configuration; it sends nothing. Close ends the session.
func Open(config Config) (*Client, error) {
	base, system, err := parseAddress(config.Address)
	if err != nil {
		return nil, err
	}
	if config.Username == "" || config.Password.Empty() {
		return nil, errors.New("open bmc: username and password are needed; put both keys into the Secret that spec.bmc.credentials names")
	}
	if config.Connect == 0 {
		config.Connect = 10 * time.Second
	}
	if config.Request == 0 {
		config.Request = 60 * time.Second
	}
	if config.Now == nil {
		config.Now = time.Now
	}
	if config.Dial == nil {
		config.Dial = (&net.Dialer{}).DialContext
	}
	c := &Client{config: config, base: base, system: system}
	trust, err := c.trust()
	if err != nil {
		return nil, err
	}
	c.http = newHTTP(config, trust)
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
		return nil, "", errors.New("open bmc: the address must be https with a host, without credentials, query or fragment")
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

// Fingerprint is "sha256:<hex>" of the certificate the BMC showed last, or "" before the first answer.
func (c *Client) Fingerprint() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.fingerprint
}

// Close deletes the session, when there is one. The Client may be used again afterwards; it then makes a new session.
func (c *Client) Close(ctx context.Context) error {
	defer c.http.CloseIdleConnections()
	c.mu.Lock()
	open := c.session
	c.mu.Unlock()
	if open.token == "" {
		return nil
	}
	defer c.forget(open.token)
	const doing = "close the session"
	got, err := c.exchange(ctx, request{method: http.MethodDelete, path: open.location, doing: doing}, credentials{token: open.token})
	if err != nil {
		return err
	}
	if got.status >= 300 && got.status != http.StatusUnauthorized && got.status != http.StatusNotFound {
		return c.refusal(doing, got)
	}
	return nil
}

// forget drops a session that is no good any more.
func (c *Client) forget(token string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.session.token == token {
		c.session = session{}
	}
}
