package daemon

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net/url"
	"os"
	"strings"

	"github.com/gitmetal/ingot/agent/hub"
	"github.com/gitmetal/ingot/internal/daemon/config"
	"github.com/gitmetal/ingot/internal/daemon/sealedpages"
	"github.com/gitmetal/ingot/internal/secret"
	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/gitrepo"
	"github.com/gitmetal/ingot/reconcile"
)

// TagKeeper keeps the seen tags over restarts.
type TagKeeper interface {
	KeepTags(ctx context.Context, tags map[string]string) error
}

// NewSource is the daemon's source over a repository: the accepted commit of a lost journal comes from the status
// branch, and seen tags are kept before a result is used.
func NewSource(repo *gitrepo.Repo, identity *hub.Identity, tags TagKeeper) reconcile.Source {
	return &source{Repo: repo, pages: newPages(repo, identity), journal: tags}
}

// NewPublisher is the daemon's publisher over a repository: every page that a daemon reads again is sealed with the
// identity.
func NewPublisher(repo *gitrepo.Repo, identity *hub.Identity) reconcile.Publisher {
	return newPages(repo, identity)
}

func newPages(repo *gitrepo.Repo, identity *hub.Identity) sealedpages.Pages {
	return sealedpages.Pages{Repo: repo, Key: identity.DeriveKey("status pages"), Path: repo.Path()}
}

// readDeadlines gives the deadlines of a configuration; zero means the default.
func readDeadlines(c config.Config) inventory.Deadlines {
	d := c.Deadlines
	return inventory.Deadlines{Start: d.Start.Duration, Medium: d.Medium.Duration, Agent: d.Agent.Duration,
		Silence: d.Silence.Duration, Lost: d.Lost.Duration, Home: d.Home.Duration, Off: c.BMC.ConfirmOff.Duration}
}

func hostNames(urls []string) ([]string, error) {
	var names []string
	for _, text := range urls {
		u, err := url.Parse(text)
		if err != nil {
			return nil, fmt.Errorf("advertise.agents: %w", err)
		}
		names = append(names, u.Hostname())
	}
	return names, nil
}

// hostName is this machine's name, for people.
func hostName() string {
	name, err := os.Hostname()
	if err != nil {
		return "unknown host"
	}
	return name
}

// newID is 96 random bits in hex.
func newID() string {
	var id [12]byte
	_, _ = rand.Read(id[:]) // never fails
	return hex.EncodeToString(id[:])
}

func readSecret(file string) (secret.Value, error) {
	data, err := config.ReadFile(file)
	return secret.New(strings.TrimSpace(string(data))), err
}
