// Package remote reaches the server of one repository: over https, http, ssh, or at a path (git must be installed for a
// path). Call New, then FetchRefs into a repository of NewStore. Bytes and time of a server's answers are bounded.
// Errors quote no credential; do not print a Config.
package remote

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	nethttp "net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	git "github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/config"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp/capability"
	"github.com/go-git/go-git/v5/plumbing/transport"
	"github.com/go-git/go-git/v5/plumbing/transport/http"
	"github.com/go-git/go-git/v5/plumbing/transport/ssh"
	"github.com/go-git/go-git/v5/storage/memory"
	cryptossh "golang.org/x/crypto/ssh"

	"github.com/gitmetal/ingot/internal/secret"
	"github.com/gitmetal/ingot/inventory/gitrepo/knownhosts"
)

// Config says where a repository is and how the server is reached.
type Config struct {
	URL        string // https, http, ssh (also user@host:path), or a path
	SSHKey     string // path of a file
	KnownHosts string // path of a file, required for ssh
	Username   string
	Password   secret.Value
	CA         []byte        // PEM, besides the system's CAs
	Timeout    time.Duration // of one connection over ssh, where go-git takes no context
	Now        func() time.Time
}

// ErrNoRef means that the server has the repository but not the branch or tag.
var ErrNoRef = errors.New("there is no such branch or tag")

// Server is the server of a repository. Goroutines may call the methods at the same time.
type Server struct {
	web      *nethttp.Transport // with the authorities of the configuration; nil for none
	auth     transport.AuthMethod
	endpoint *transport.Endpoint
	multiAck atomic.Value // capability.Capability that the server demands
	now      func() time.Time
	pause    atomic.Pointer[pause]
}

// New reads the files of a configuration. It reaches no server.
func New(c Config) (*Server, error) {
	if c.Now == nil {
		c.Now = time.Now
	}
	endpoint, err := endpointOf(c)
	if err != nil {
		return nil, err
	}
	auth, err := authOf(c, endpoint)
	if err != nil {
		return nil, err
	}
	s := &Server{auth: auth, endpoint: endpoint, now: c.Now}
	if isWeb := endpoint.Protocol == "https" || endpoint.Protocol == "http"; isWeb && len(c.CA) > 0 {
		authorities, err := readAuthorities(c.CA)
		if err != nil {
			return nil, err
		}
		s.web = newWebTransport(authorities)
	}
	if isDemanding(endpoint.Host) {
		s.multiAck.Store(capability.MultiACK)
	}
	return s, nil
}

// String is the address without credentials.
func (s *Server) String() string {
	if s.endpoint.Protocol == "file" {
		return s.endpoint.Path
	}
	return strings.TrimRight(fmt.Sprintf("%s://%s/%s", s.endpoint.Protocol, s.hostPort(),
		strings.TrimLeft(s.endpoint.Path, "/")), "/")
}

// hostPort is the host as it is written in an address, with the port unless the address leaves it out.
func (s *Server) hostPort() string {
	host := s.endpoint.Host
	if strings.Contains(host, ":") && !strings.HasPrefix(host, "[") { // IPv6
		host = "[" + host + "]"
	}
	if port := s.endpoint.Port; port != 0 && (s.endpoint.Protocol != "ssh" || port != 22) {
		host += ":" + strconv.Itoa(port)
	}
	return host
}

// NewStore makes an empty repository in memory, for FetchRefs.
func (s *Server) NewStore() (*git.Repository, error) {
	repo, err := git.Init(packStore{memory.NewStorage()}, nil)
	if err != nil {
		return nil, fmt.Errorf("open repository: %w", err)
	}
	if _, err := repo.CreateRemote(&config.RemoteConfig{Name: "origin",
		URLs: []string{s.endpoint.String()}}); err != nil {
		return nil, fmt.Errorf("open repository: %w", err)
	}
	return repo, nil
}

// FetchRefs fetches refs, by the server's name and the local name, into a repository of NewStore. With a missing ref
// nothing is fetched, and the error is ErrNoRef. Depth counts commits, 0 for all new ones.
func (s *Server) FetchRefs(
	ctx context.Context, into *git.Repository, refs map[plumbing.ReferenceName]plumbing.ReferenceName, depth int,
) error {
	options := &git.FetchOptions{
		RemoteName: "origin", Depth: depth, Auth: s.auth, Tags: git.NoTags, Force: true,
		ProxyOptions: s.endpoint.Proxy, // the deadline of ssh
	}
	attempt := fmt.Sprintf("fetch %d refs", len(refs))
	for theirs, ours := range refs {
		if len(refs) == 1 {
			attempt = "fetch " + theirs.Short()
		}
		options.RefSpecs = append(options.RefSpecs, config.RefSpec("+"+theirs.String()+":"+ours.String()))
	}
	err := s.ask(ctx, func(ctx context.Context) error {
		return retryEarlyClose(ctx, func() error {
			return s.fetchInOneRound(ctx, func(ctx context.Context) error { return into.FetchContext(ctx, options) })
		})
	})
	if err != nil && !errors.Is(err, git.NoErrAlreadyUpToDate) {
		return s.explainError(attempt+" from", err)
	}
	return nil
}

// ListRefs gives all refs of the server. A name with ^{} at the end gives the object that the tag resolves to.
func (s *Server) ListRefs(ctx context.Context) (refs map[plumbing.ReferenceName]plumbing.Hash, err error) {
	listing := git.NewRemote(memory.NewStorage(),
		&config.RemoteConfig{Name: "origin", URLs: []string{s.endpoint.String()}})
	options := &git.ListOptions{Auth: s.auth, ProxyOptions: s.endpoint.Proxy, PeelingOption: git.AppendPeeled}
	var found []*plumbing.Reference
	err = s.ask(ctx, func(ctx context.Context) error {
		return retryEarlyClose(ctx, func() (err error) {
			found, err = listing.ListContext(ctx, options)
			return err
		})
	})
	if err != nil {
		return nil, s.explainError("list refs from", err)
	}
	refs = make(map[plumbing.ReferenceName]plumbing.Hash, len(found))
	for _, ref := range found {
		if ref.Type() == plumbing.HashReference {
			refs[ref.Name()] = ref.Hash()
		}
	}
	return refs, nil
}

// tries is how often a request is sent when the server closed early.
const tries = 5

// retryEarlyClose repeats a request when a server over ssh answered and closed before go-git closed its input: go-git
// reports a failure then and drops the answer. The error is not wrapped.
func retryEarlyClose(ctx context.Context, do func() error) error {
	err := do()
	for try := 1; try < tries && err != nil && strings.Contains(err.Error(), "closing input: EOF") &&
		ctx.Err() == nil; try++ {
		err = do()
	}
	return err
}

func endpointOf(c Config) (*transport.Endpoint, error) {
	e, err := transport.NewEndpoint(c.URL)
	if err != nil { // the error quotes the address, with a password
		return nil, errors.New("fleet.url is no address of a repository: " +
			"write https://…, ssh://…, user@host:path or a path")
	}
	switch e.Protocol {
	case "file":
		if e.Path, err = filepath.Abs(e.Path); err != nil {
			return nil, fmt.Errorf("fleet.url: %w", err)
		}
	case "ssh":
		e.Proxy = transport.ProxyOptions{URL: dialerScheme + "://" + c.Timeout.String()}
	case "https", "http":
		if e.User != "" || e.Password != "" {
			return nil, errors.New("fleet.url holds a user or password: use fleet.username and fleet.passwordFile")
		}
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
	keys, err := ssh.NewPublicKeysFromFile(sshUser(e), c.SSHKey, "")
	if err != nil {
		return nil, fmt.Errorf("fleet.sshKey: %w", err)
	}
	text, err := os.ReadFile(c.KnownHosts)
	if err != nil {
		return nil, fmt.Errorf("fleet.knownHosts: %w", err)
	}
	known, err := knownhosts.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("fleet.knownHosts: %w", err)
	}
	host := known.Find(e.Host, sshPort(e))
	keys.HostKeyAlgorithms = host.Algorithms()
	keys.HostKeyCallback = func(_ string, _ net.Addr, key cryptossh.PublicKey) error { return host.Check(key, c.Now()) }
	return keys, nil
}

func (s *Server) sshUser() string { return sshUser(s.endpoint) }

func sshUser(e *transport.Endpoint) string { return cmp.Or(e.User, "git") }

func (s *Server) sshPort() string { return sshPort(s.endpoint) }

func sshPort(e *transport.Endpoint) string { return strconv.Itoa(cmp.Or(e.Port, 22)) }
