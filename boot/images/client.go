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

// maxRedirects is how many redirects a download follows.
const maxRedirects = 5

// newTransport dials only addresses from which images may come. No proxy is used, because a proxy would dial unchecked.
func (c Config) newTransport() *http.Transport {
	return &http.Transport{
		DialContext:           c.dialAllowed,
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
		return c.checkURL(request.URL)
	}
}

// checkURL checks a URL by its text, before the host is looked up.
func (c Config) checkURL(u *url.URL) error {
	if u.Scheme != "https" && u.Scheme != "http" {
		return fmt.Errorf("scheme %q is not read: use https or http", u.Scheme)
	}
	if u.Hostname() == "" {
		return errors.New("it names no host")
	}
	if len(c.AllowHosts) > 0 && !c.namesHost(u.Host) {
		return fmt.Errorf("host %s is not in the daemon's images.allowHosts", u.Host)
	}
	return nil
}

// namesHost reports whether AllowHosts has a host, as host or as host:port.
func (c Config) namesHost(hostport string) bool {
	return slices.Contains(c.AllowHosts, hostport) ||
		slices.Contains(c.AllowHosts, (&url.URL{Host: hostport}).Hostname())
}

// dialAllowed checks the resolved address before the connection is made.
func (c Config) dialAllowed(ctx context.Context, network, address string) (net.Conn, error) {
	dialer := net.Dialer{Timeout: 15 * time.Second, Control: func(_, resolved string, _ syscall.RawConn) error {
		return c.checkAddress(resolved, address)
	}}
	return dialer.DialContext(ctx, network, address)
}

// checkAddress refuses link-local addresses, where clouds keep their metadata, and loopback addresses whose host is not
// in AllowHosts.
func (c Config) checkAddress(resolved, host string) error {
	at, err := netip.ParseAddrPort(resolved)
	if err != nil {
		return err
	}
	ip := at.Addr().Unmap().WithZone("")
	if ip.IsLinkLocalUnicast() || ip.IsMulticast() || ip.IsUnspecified() {
		return fmt.Errorf("address %s is not one that images come from", ip)
	}
	if ip.IsLoopback() && !c.namesHost(host) {
		return fmt.Errorf("loopback address %s: name %s in the daemon's images.allowHosts to allow it", ip, host)
	}
	return nil
}
