package daemon

import (
	"context"

	"github.com/gitmetal/ingot/agent/hub"
	"github.com/gitmetal/ingot/internal/daemon/config"
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

func newPages(repo *gitrepo.Repo, identity *hub.Identity) sealedPages {
	return sealedPages{Repo: repo, key: identity.DeriveKey("status pages"), path: repo.Path()}
}

// readDeadlines gives the deadlines of a configuration; zero means the default.
func readDeadlines(c config.Config) inventory.Deadlines {
	d := c.Deadlines
	return inventory.Deadlines{Start: d.Start.Duration, Medium: d.Medium.Duration, Agent: d.Agent.Duration,
		Silence: d.Silence.Duration, Lost: d.Lost.Duration, Home: d.Home.Duration, Off: c.BMC.ConfirmOff.Duration}
}
