package remote

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"

	"github.com/go-git/go-git/v5/plumbing/transport/ssh"
	cryptossh "golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

// sshDefaultPort is the port of names in known_hosts that have none.
const sshDefaultPort = "22"

// hostKeys says which keys a server may have.
type hostKeys struct {
	check cryptossh.HostKeyCallback
	// algorithms are the kinds of keys that are known of the server: of a server's keys only these are asked for. Without
	// any, check says so.
	algorithms []string
}

// readHostKeys reads known_hosts as ssh does: a line that cannot be read is passed over, names are in lower case, and a key
// of the name without a port counts for every port where there is none of the port. A line with @revoked that cannot be
// read is an error.
func readHostKeys(file, host, port string) (hostKeys, error) {
	known, err := loadKnownHosts(file)
	if err != nil {
		return hostKeys{}, err
	}
	at := func(port string) string { return net.JoinHostPort(strings.ToLower(host), port) }
	algorithms := known.HostKeyAlgorithms(at(port))
	if len(algorithms) == 0 {
		algorithms = known.HostKeyAlgorithms(at(sshDefaultPort))
	}
	check := known.HostKeyCallback()
	return hostKeys{algorithms: algorithms, check: func(_ string, remote net.Addr, key cryptossh.PublicKey) error {
		err := check(at(port), remote, key)
		var none *knownhosts.KeyError
		if errors.As(err, &none) && len(none.Want) == 0 && check(at(sshDefaultPort), remote, key) == nil {
			return nil
		}
		return err
	}}, nil
}

// keyDatabase is a loaded known_hosts.
type keyDatabase interface {
	HostKeyCallback() cryptossh.HostKeyCallback
	HostKeyAlgorithms(address string) []string
}

// loadKnownHosts loads the file, without the lines that package knownhosts does not read.
func loadKnownHosts(file string) (keyDatabase, error) {
	known, errWhole := ssh.NewKnownHostsDb(file)
	if errWhole == nil {
		return known, nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "ingot-known-hosts-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	single, readable := filepath.Join(dir, "line"), ""
	for line := range strings.Lines(string(text)) {
		if err := os.WriteFile(single, []byte(line), 0o600); err != nil {
			return nil, err
		}
		_, err := ssh.NewKnownHostsDb(single)
		switch {
		case err == nil:
			readable += line
		case strings.HasPrefix(strings.TrimSpace(line), "@revoked"):
			return nil, errWhole
		}
	}
	if err := os.WriteFile(single, []byte(readable), 0o600); err != nil {
		return nil, err
	}
	return ssh.NewKnownHostsDb(single)
}
