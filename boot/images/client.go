package images

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"syscall"
	"time"
)

// maxRedirects is how many a download follows.
const maxRedirects = 5

// transport dials no address that images do not come from; it uses no proxy, which would dial for us.
func (c Config) transport() *http.Transport {
	return &http.Transport{
		DialContext:           c.dial,
		TLSHandshakeTimeout:   20 * time.Second,
		ResponseHeaderTimeout: c.Idle,
		DisableCompression:    true, // the digest is of the bytes at the URL
	}
}

// checkRedirect implements http.Client.CheckRedirect.
func (c Config) checkRedirect(request *http.Request, via []*http.Request) error {
	switch {
	case len(via) > maxRedirects:
		return fmt.Errorf("more than %d redirects", maxRedirects)
	case via[len(via)-1].URL.Scheme == "https" && request.URL.Scheme != "https":
		return errors.New("a redirect from https to http")
	default:
		return c.allowed(request.URL)
	}
}

// allowed checks a URL by its text, before its host is looked up.
func (c Config) allowed(u *url.URL) error {
	if u.Scheme != "https" && u.Scheme != "http" {
		return fmt.Errorf("scheme %q is not read: use https or http", u.Scheme)
	}
	if u.Hostname() == "" {
		return errors.New("it names no host")
	}
	if len(c.AllowHosts) > 0 && !c.named(u.Host) {
		return fmt.Errorf("host %s is not in the daemon's images.allowHosts", u.Host)
	}
	return nil
}

// named reports whether the configuration names a host, as host or as host:port.
func (c Config) named(hostport string) bool {
	return slices.Contains(c.AllowHosts, hostport) || slices.Contains(c.AllowHosts, (&url.URL{Host: hostport}).Hostname())
}

// dial checks the address behind the name when it is known.
func (c Config) dial(ctx context.Context, network, address string) (net.Conn, error) {
	dialer := net.Dialer{Timeout: 15 * time.Second, Control: func(_, resolved string, _ syscall.RawConn) error {
		return c.dialable(resolved, address)
	}}
	return dialer.DialContext(ctx, network, address)
}

// dialable refuses link-local addresses, where clouds keep their metadata, and loopback ones unless the configuration names the host.
func (c Config) dialable(resolved, host string) error {
	at, err := netip.ParseAddrPort(resolved)
	if err != nil {
		return err
	}
	ip := at.Addr().Unmap().WithZone("")
	if ip.IsLinkLocalUnicast() || ip.IsMulticast() || ip.IsUnspecified() {
		return fmt.Errorf("address %s is not one that images come from", ip)
	}
	if ip.IsLoopback() && !c.named(host) {
		return fmt.Errorf("loopback address %s: name %s in the daemon's images.allowHosts to allow it", ip, host)
	}
	return nil
}
