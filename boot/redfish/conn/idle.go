package conn

import (
	"crypto/tls"
	"net/http"
	"sync"
	"time"
)

// idleTimeout is how long a connection without a request stays open: enough for several requests, shorter than any
// BMC's own.
const idleTimeout = 4 * time.Second

// idleHTTP is the HTTP client of a Conn. A Conn at rest has none: of ten thousand BMCs a few are in use at a time.
type idleHTTP struct {
	client *http.Client
	users  int         // requests that run
	drop   *time.Timer // ends the client; nil before the first request
}

// takeHTTP gives the HTTP client for a request. The caller calls leaveHTTP after the request.
func (c *Conn) takeHTTP() *http.Client {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.http.client == nil {
		c.http.client = newHTTP(c.config, c.trust)
	}
	c.http.users++
	return c.http.client
}

// leaveHTTP ends the use of the HTTP client. The client and its connection end when nobody takes the client for a
// while.
func (c *Conn) leaveHTTP() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.http.users--; c.http.users > 0 {
		return
	}
	if c.http.drop != nil {
		c.http.drop.Stop()
	}
	c.http.drop = time.AfterFunc(idleTimeout, c.dropHTTP)
}

// dropHTTP ends the HTTP client and its connection, unless a request runs.
func (c *Conn) dropHTTP() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.http.users > 0 || c.http.client == nil {
		return
	}
	c.http.client.CloseIdleConnections()
	c.http.client = nil
	c.http.drop.Stop()
}

// tlsSession keeps the last TLS session with a BMC, so that the next connection resumes the session: a BMC needs long
// for a whole handshake. VerifyConnection sees a resumed connection too.
type tlsSession struct {
	mu    sync.Mutex
	state *tls.ClientSessionState
}

var _ tls.ClientSessionCache = (*tlsSession)(nil)

// Get implements tls.ClientSessionCache. A Conn has one server.
func (s *tlsSession) Get(string) (*tls.ClientSessionState, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state, s.state != nil
}

// Put implements tls.ClientSessionCache. A nil state drops the session, as after the server refused to resume it.
func (s *tlsSession) Put(_ string, state *tls.ClientSessionState) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state = state
}
