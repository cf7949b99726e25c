package gitrepo

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"time"

	"github.com/go-git/go-git/v5/plumbing/transport"
	"github.com/go-git/go-git/v5/plumbing/transport/http"
	"github.com/go-git/go-git/v5/plumbing/transport/ssh"
	"golang.org/x/net/proxy"
)

// dialerScheme names our dialer to the ssh transport, which knows no context: a server that accepts and says nothing would hold a fetch for ever.
const dialerScheme = "ingot-deadline"

func init() {
	proxy.RegisterDialerType(dialerScheme, func(u *url.URL, _ proxy.Dialer) (proxy.Dialer, error) {
		limit, err := time.ParseDuration(u.Host)
		return deadlineDialer{limit}, err
	})
}

// deadlineDialer makes connections that end after a time, whatever happens on them.
type deadlineDialer struct{ limit time.Duration }

func (d deadlineDialer) Dial(network, address string) (net.Conn, error) {
	return d.DialContext(context.Background(), network, address)
}

func (d deadlineDialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	dialer := net.Dialer{Timeout: 15 * time.Second}
	conn, err := dialer.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return conn, conn.SetDeadline(time.Now().Add(d.limit))
}

func endpointOf(c Config) (*transport.Endpoint, error) {
	e, err := transport.NewEndpoint(c.URL)
	if err != nil {
		return nil, fmt.Errorf("fleet.url is no repository: %w", err)
	}
	switch e.Protocol {
	case "file":
		if e.Path, err = filepath.Abs(e.Path); err != nil {
			return nil, fmt.Errorf("fleet.url: %w", err)
		}
	case "ssh":
		e.Proxy = transport.ProxyOptions{URL: dialerScheme + "://" + c.Limits.Timeout.String()}
	case "https", "http":
		if e.User != "" || e.Password != "" {
			return nil, errors.New("fleet.url holds a user or password: use fleet.username and fleet.passwordFile")
		}
		e.CaBundle = c.CA
	default:
		return nil, fmt.Errorf("fleet.url: %s is not read: https, http, ssh or a path", e.Protocol)
	}
	return e, nil
}

func authOf(c Config, e *transport.Endpoint) (transport.AuthMethod, error) {
	switch e.Protocol {
	case "ssh":
		return sshAuth(c, e)
	case "https", "http":
		if c.Username == "" && c.Password.Empty() {
			return nil, nil
		}
		return &http.BasicAuth{Username: c.Username, Password: c.Password.Reveal()}, nil
	default:
		return nil, nil
	}
}

func sshAuth(c Config, e *transport.Endpoint) (transport.AuthMethod, error) {
	if c.SSHKey == "" || c.KnownHosts == "" {
		return nil, errors.New("fleet.url is ssh: fleet.sshKey and fleet.knownHosts must name files")
	}
	user := e.User
	if user == "" {
		user = "git"
	}
	keys, err := ssh.NewPublicKeysFromFile(user, c.SSHKey, "")
	if err != nil {
		return nil, fmt.Errorf("fleet.sshKey: %w", err)
	}
	if keys.HostKeyCallback, err = ssh.NewKnownHostsCallback(c.KnownHosts); err != nil {
		return nil, fmt.Errorf("fleet.knownHosts: %w", err)
	}
	return keys, nil
}
