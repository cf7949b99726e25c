package remote

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	nethttp "net/http"
	"net/url"
	"time"

	"github.com/go-git/go-git/v5/plumbing/transport"
	"github.com/go-git/go-git/v5/plumbing/transport/client"
	"github.com/go-git/go-git/v5/plumbing/transport/http"
	"github.com/go-git/go-git/v5/plumbing/transport/ssh"
	"golang.org/x/net/proxy"
)

// dialerScheme names our dialer to go-git's ssh transport, which takes no context: without the dialer a silent server
// would hold a fetch for ever.
const dialerScheme = "ingot-deadline"

func init() {
	proxy.RegisterDialerType(dialerScheme, func(u *url.URL, _ proxy.Dialer) (proxy.Dialer, error) {
		limit, err := time.ParseDuration(u.Host)
		return deadlineDialer{limit}, err
	})
	client.InstallProtocol("http", ackTransport{webClient()})
	client.InstallProtocol("https", ackTransport{webClient()})
	client.InstallProtocol("ssh", ackTransport{ssh.DefaultClient})
}

// webClient is the http client of go-git. Credentials do not follow a redirect to another host.
func webClient() transport.Transport {
	return http.NewClient(&nethttp.Client{CheckRedirect: noteRedirect, Transport: watchedTransport{newWebTransport(nil)}})
}

// newWebTransport makes a transport that trusts the given authorities, or those of the system where they are nil. A
// connection serves one request, so that none is left open.
func newWebTransport(authorities *x509.CertPool) *nethttp.Transport {
	dialer := &net.Dialer{Timeout: dialTimeout}
	return &nethttp.Transport{
		Proxy: nethttp.ProxyFromEnvironment, DisableKeepAlives: true, TLSHandshakeTimeout: dialTimeout,
		ForceAttemptHTTP2: false, TLSClientConfig: &tls.Config{RootCAs: authorities, MinVersion: tls.VersionTLS12},
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := dialer.DialContext(ctx, network, address)
			if err != nil {
				return nil, err
			}
			return &limitedConn{Conn: conn, left: maxReceived}, nil
		},
	}
}

// readAuthorities gives the authorities of the system with those of fleet.ca.
func readAuthorities(pem []byte) (*x509.CertPool, error) {
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(pem) {
		return nil, errors.New("fleet.ca holds no certificate in PEM")
	}
	return pool, nil
}

// maxReceived bounds the bytes that one connection may receive: history and trees, compressed.
const maxReceived = 1 << 30

// dialTimeout bounds a connection attempt.
const dialTimeout = 15 * time.Second

var errTooMuch = fmt.Errorf("the server sent more than %d bytes", maxReceived)

// limitedConn fails when more bytes arrive than one fetch may have.
type limitedConn struct {
	net.Conn
	left int64
}

func (c *limitedConn) Read(p []byte) (int, error) {
	if c.left <= 0 {
		return 0, errTooMuch
	}
	n, err := c.Conn.Read(p[:min(int64(len(p)), c.left)])
	c.left -= int64(n)
	return n, err
}

// deadlineDialer makes connections that end after a time.
type deadlineDialer struct{ limit time.Duration }

func (d deadlineDialer) Dial(network, address string) (net.Conn, error) {
	return d.DialContext(context.Background(), network, address)
}

func (d deadlineDialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	dialer := net.Dialer{Timeout: min(dialTimeout, d.limit)}
	conn, err := dialer.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return &limitedConn{Conn: conn, left: maxReceived}, conn.SetDeadline(time.Now().Add(d.limit))
}
