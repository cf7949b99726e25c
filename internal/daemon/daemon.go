package daemon

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/gitmetal/ingot/agent/hub"
	"github.com/gitmetal/ingot/boot/console"
	"github.com/gitmetal/ingot/boot/ignition"
	"github.com/gitmetal/ingot/boot/images"
	"github.com/gitmetal/ingot/boot/media"
	"github.com/gitmetal/ingot/boot/redfish"
	"github.com/gitmetal/ingot/internal/daemon/config"
	"github.com/gitmetal/ingot/internal/daemon/consoles"
	"github.com/gitmetal/ingot/internal/daemon/control"
	"github.com/gitmetal/ingot/internal/daemon/heap"
	"github.com/gitmetal/ingot/internal/daemon/joblogs"
	"github.com/gitmetal/ingot/internal/daemon/metrics"
	"github.com/gitmetal/ingot/internal/daemon/notify"
	"github.com/gitmetal/ingot/internal/daemon/repairs"
	"github.com/gitmetal/ingot/internal/daemon/sealedpages"
	"github.com/gitmetal/ingot/internal/daemon/timeline"
	"github.com/gitmetal/ingot/internal/results"
	"github.com/gitmetal/ingot/internal/results/uploads"
	"github.com/gitmetal/ingot/internal/secret"
	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/gitrepo"
	"github.com/gitmetal/ingot/inventory/load"
	"github.com/gitmetal/ingot/reconcile"
	"github.com/gitmetal/ingot/reconcile/effects"
	"github.com/gitmetal/ingot/reconcile/journal"
	"github.com/gitmetal/ingot/reconcile/notices"
	"github.com/gitmetal/ingot/reconcile/status"
	"github.com/gitmetal/ingot/schemas"
)

// Daemon is a daemon with open listeners. Call Run once.
type Daemon struct {
	config  config.Config
	log     *slog.Logger
	journal *journal.Journal
	repo    *gitrepo.Repo
	hub     *hub.Hub
	media   *media.Server
	images  *images.Store
	results *results.Store
	uploads *uploads.Handler
	logs    *joblogs.Store
	effects *effects.Effects
	loop    *reconcile.Loop
	secrets *vault
	pages   sealedpages.Pages
	loaded  load.Cache // of the last load

	audit     *control.Audit
	metrics   *metrics.Metrics
	identity  *hub.Identity
	timelines *timeline.Recorder
	consoles  *consoles.Reader
	notifier  *notify.Notifier // nil unless configured
	restored  <-chan notices.Conditions

	discoveries discoveries

	agents, bmcs, control net.Listener
	bmcsTLS, web, webhook net.Listener // nil unless configured
	probes                net.Listener // of metrics too; nil unless configured
}

// Open makes a daemon from its configuration: Open takes the journal over, loads or makes the identity, and opens the
// listeners. No peer is contacted yet.
func Open(ctx context.Context, c config.Config, log *slog.Logger) (*Daemon, error) {
	d := &Daemon{config: c, log: log, timelines: timeline.NewRecorder(),
		metrics: metrics.New(), audit: control.NewAudit(filepath.Join(c.StateDir, "audit.log"))}
	if err := d.openAll(ctx); err != nil {
		return nil, errors.Join(err, d.closeAll())
	}
	return d, nil
}

func (d *Daemon) openAll(ctx context.Context) error {
	for _, part := range []func(context.Context) error{d.openJournal, d.openFleet, d.openListeners, d.openParts,
		d.openDiscovery, d.openLoop, d.openNotices} {
		if err := part(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (d *Daemon) openJournal(ctx context.Context) error {
	if err := os.MkdirAll(d.config.StateDir, 0o700); err != nil {
		return fmt.Errorf("stateDir: %w", err)
	}
	c := journal.Config{Endpoints: d.config.Etcd.Endpoints, Log: d.log}
	if len(c.Endpoints) == 0 {
		c.Dir = d.config.StateDir + "/journal"
	}
	if d.config.Etcd.Cert != "" {
		security, err := d.config.Etcd.ClientTLS()
		if err != nil {
			return err
		}
		c.TLS = security
	}
	var err error
	if d.journal, err = journal.Open(ctx, c); err != nil {
		return err
	}
	return d.journal.Own(ctx)
}

func (d *Daemon) openFleet(ctx context.Context) error {
	accepted, err := d.journal.Accepted(ctx)
	if err != nil {
		return err
	}
	f := d.config.Fleet
	password, err := readSecret(f.PasswordFile)
	if err != nil {
		return fmt.Errorf("fleet.passwordFile: %w", err)
	}
	ca, err := config.ReadFile(f.CA)
	if err != nil {
		return fmt.Errorf("fleet.ca: %w", err)
	}
	c := gitrepo.Config{
		URL: f.URL, Branch: f.Branch, Path: f.Path, StatusBranch: f.StatusBranch, SSHKey: f.SSHKey, KnownHosts: f.KnownHosts,
		Username: f.Username, Password: password, CA: ca, Accepted: accepted.Commit, Log: d.log,
	}
	policy, err := d.config.Trust.ReadPolicy()
	if err != nil {
		return err
	}
	if policy != nil {
		c.Signers = policy
	}
	if policy != nil && (d.config.Trust.SignedTags || d.config.Trust.TwoSigners) {
		c.TagSigners, c.TwoSigners = policy, d.config.Trust.TwoSigners
	}
	c.TagPatterns = load.TagPatterns
	if c.RememberedTags, err = d.journal.Tags(ctx); err != nil {
		return err
	}
	d.repo, err = gitrepo.Open(c)
	if err != nil {
		return err
	}
	d.secrets, err = newVault(d.config.AgeKeys, d.config.Secrets)
	return err
}

func (d *Daemon) openListeners(ctx context.Context) (err error) {
	var listen net.ListenConfig
	for _, l := range []struct {
		field, address string
		listener       *net.Listener
	}{{"agents", d.config.Listen.Agents, &d.agents}, {"media", d.config.Listen.Media, &d.bmcs},
		{"mediaTLS", d.config.Listen.MediaTLS, &d.bmcsTLS},
		{"web", d.config.Listen.Web, &d.web}, {"webhook", d.config.Listen.Webhook, &d.webhook},
		{"metrics", d.config.Listen.Metrics, &d.probes}} {
		if l.address == "" {
			continue // optional: the configuration was checked
		}
		if *l.listener, err = listen.Listen(ctx, "tcp", l.address); err != nil {
			return fmt.Errorf("listen.%s: %w: %s", l.field, err, listenAdvice(err))
		}
	}
	d.control, err = control.ListenSocket(ctx, d.config.Listen.Socket)
	return err
}

// listenAdvice says what to do about an address that cannot be listened on.
func listenAdvice(err error) string {
	if errors.Is(err, syscall.EADDRINUSE) {
		return "is another daemon running? `ss -ltnp` says who listens; or choose another address"
	}
	return "write an address of this machine, or only a port, as in :8443"
}

func (d *Daemon) openParts(ctx context.Context) error {
	identity, err := loadIdentity(d.config.IdentityDir, d.log)
	if err != nil {
		return err
	}
	d.identity = identity
	iso, err := media.OpenISO(d.config.Ramdisk)
	if err != nil {
		return err
	}
	if why := iso.WhyUnusable(); why != "" {
		d.log.Error(why)
	}
	d.pages = newPages(d.repo, identity)
	d.pages.Any = d.config.TakeFleet
	d.media = media.NewServer(iso, d.config.Advertise.Media, identity.DeriveKey("media"), time.Now)
	if err := d.secureMedia(identity); err != nil {
		return err
	}
	d.images, err = images.New(images.Config{Dir: d.config.Images.Dir, AllowHosts: d.config.Images.AllowHosts, Log: d.log,
		Count:  d.metrics.CountImage,
		Notify: func(image images.Ref) { d.loop.RequestImageLooks(image.SHA256) }})
	if err != nil {
		return err
	}
	if err := d.openResults(identity); err != nil {
		return err
	}
	d.logs = d.newLogs()
	d.hub = hub.New(hub.Config{Identity: identity, Store: d.journal, Images: d.images, Results: d.uploads, Logs: d.logs,
		Notify: func(host string) { d.loop.RequestLook(inventory.MachineID(host)) }, Mask: d.secrets.everOpened.Mask, Log: d.log,
		Count: d.metrics.CountAgent, Shows: func(host, install string) bool { return d.loop.ShowsInstall(inventory.MachineID(host), install) }})
	d.effects, err = effects.New(effects.Config{
		Hub: d.hub, Media: d.media, Images: d.images, URLs: d.config.Advertise.Agents, Pin: identity.Pin(), Log: d.log,
		Mask: d.secrets.everOpened.Mask, Fence: d.mayAct, Runs: d.uploads,
		Profiles: d.journal,
		OpenBMC: func(c redfish.Config) (*redfish.Client, error) {
			c.Count = d.metrics.CountRequest
			return redfish.Open(c)
		},
		Secrets: func(name string) (map[string]secret.Value, error) { return d.secrets.openSecret(ctx, name) },
	})
	if err != nil {
		return err
	}
	d.consoles = consoles.NewReader(consoles.Config{
		Dir: console.Dir(filepath.Join(d.config.StateDir, "consoles")), Offered: d.effects.Console,
		Open: d.secrets.openSecret, Secrets: &d.secrets.everOpened, Log: d.log,
	})
	names, err := hostNames(d.config.Advertise.Agents)
	if err != nil {
		return err
	}
	security, err := identity.ServerTLS(names)
	if err != nil {
		return err
	}
	d.agents = tls.NewListener(d.agents, security)
	return nil
}

// secureMedia has boot media served over HTTPS too, where the configuration says so.
func (d *Daemon) secureMedia(identity *hub.Identity) error {
	if d.bmcsTLS == nil {
		return nil
	}
	names, err := hostNames([]string{d.config.Advertise.MediaTLS})
	if err != nil {
		return err
	}
	security, err := identity.MediaTLS(names)
	if err != nil {
		return err
	}
	d.bmcsTLS = tls.NewListener(d.bmcsTLS, security)
	d.media.AdvertiseTLS(d.config.Advertise.MediaTLS)
	return nil
}

// mayAct says why nothing may be changed at machines now, or nil.
func (d *Daemon) mayAct() error { return d.loop.MayAct() }

func (d *Daemon) openLoop(ctx context.Context) error {
	publisher, err := d.openPublisher(ctx)
	if err != nil {
		return err
	}
	d.loop, err = reconcile.New(d.metrics.MeasurePorts(reconcile.Config{
		Source: &source{Repo: d.repo, pages: d.pages, journal: d.journal}, Load: d.loadFleet, Journal: d.journal,
		Ages: d.journal, Batches: d.journal, Owned: d.journal.Owned, Deadlines: readDeadlines(d.config),
		Observer: observer{d.effects, d.consoles, &d.discoveries}, Executor: d.effects, Publisher: publisher,
		MaxStale: d.config.Trust.MaxStale.Duration,
		NewID:    newID, Mark: d.hub.DiskMark, Log: d.log, Host: hostName(), TakeFleet: d.config.TakeFleet,
		Limits: reconcile.Limits{
			Installs: d.config.Limits.Installs, Boots: d.config.Limits.Boots, ErasesPerHour: d.config.Limits.ErasesPerHour, Poll: d.config.Fleet.Poll.Duration,
			PublishEvery: d.config.PublishEvery.Duration,
		},
	}))
	if err == nil && d.config.TakeFleet {
		err = d.recordTakeFleet()
	}
	return err
}

// recordTakeFleet has the audit log and the board say that the daemon was started to take the fleet.
func (d *Daemon) recordTakeFleet() error {
	act := status.Act{At: time.Now().UTC().Truncate(time.Second), By: control.Peer{UID: os.Geteuid()}.String(),
		What: "took the fleet with `ingot serve --take-fleet` on " + hostName()}
	if err := d.audit.WriteAct(act); err != nil {
		return err
	}
	d.loop.RecordAct(act)
	return nil
}

// loadFleet resolves a fleet; calls must not overlap. If the fleet is used, the vault opens the fleet's Secrets from
// then on.
func (d *Daemon) loadFleet(sources inventory.Sources) (inventory.Fleet, []schemas.Finding) {
	fleet, findings, cache := load.FleetWithCache(d.loaded, sources, ignition.Checker{})
	d.loaded = cache
	if !schemas.Fatal(findings) {
		d.keepTrunk(sources.Trunk, fleet, cache)
		d.secrets.replaceSecrets(fleet.Secrets)
	}
	fleet.Opener = d.secrets.describeOpener()
	rules := load.EraseRules{Reinstall: d.config.Reinstall, TwoSigners: d.config.Trust.TwoSigners}
	return load.ApplyEraseRules(fleet, rules), findings
}

// Run works until ctx ends, then closes in order. Unfinished operations continue from the journal at the next start.
func (d *Daemon) Run(ctx context.Context) error {
	defer func() { _ = d.closeAll() }()
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return d.loop.Run(ctx) })
	g.Go(func() error { return heap.GiveBack(ctx) })
	g.Go(func() error { return d.images.Run(ctx) })
	g.Go(func() error { return d.repo.WatchRefs(ctx, d.loop.RefreshSource) })
	g.Go(func() error { return serveHTTP(ctx, d.agents, d.discoveries.door.Before(d.agentsHandler())) })
	g.Go(func() error { return d.sweepResults(ctx) })
	g.Go(func() error { return d.discoveries.door.Run(ctx) })
	g.Go(func() error { return d.discoveries.proposer.Run(ctx) })
	g.Go(func() error { return d.discoveries.rotations.Run(ctx) })
	g.Go(func() error { return d.discoveries.deliveries.Run(ctx) })
	g.Go(func() error { return repairs.New(d.loop, d.discoveries.Store, time.Now, d.log).Run(ctx) })
	g.Go(func() error { return d.discoveries.accounts.Run(ctx) })
	g.Go(func() error { return serveHTTP(ctx, d.bmcs, d.media) })
	if d.bmcsTLS != nil {
		g.Go(func() error { return serveHTTP(ctx, d.bmcsTLS, d.media) })
	}
	g.Go(func() error { return serveHTTP(ctx, d.control, d.controlHandler()) })
	g.Go(func() error { return d.timelines.FollowHosts(ctx, d.loop, d.hub) })
	g.Go(func() error { return d.logs.Run(ctx, d.loop, d.hub) })
	g.Go(func() error { return d.consoles.Run(ctx, d.loop) })
	g.Go(func() error { return d.serveWeb(ctx) })
	g.Go(func() error { return d.serveWebhook(ctx) })
	g.Go(func() error { return d.serveProbes(ctx) })
	g.Go(func() error { return d.runNotices(ctx) })
	g.Go(func() error {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-d.journal.Lost():
			return errors.New("another daemon owns the journal now: this one stops")
		}
	})
	d.log.Info("running", "fleet", d.config.Fleet.URL, "agents", d.agents.Addr(), "media", d.bmcs.Addr())
	if err := g.Wait(); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

func (d *Daemon) closeAll() error {
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Second)
	defer cancel()
	if d.effects != nil {
		d.effects.Close(ctx)
	}
	for _, listener := range []net.Listener{d.agents, d.bmcs, d.bmcsTLS, d.control, d.web, d.webhook, d.probes} {
		if listener != nil {
			_ = listener.Close()
		}
	}
	if d.journal != nil {
		return d.journal.Close()
	}
	return nil
}

// loadIdentity loads the daemon's keys, or makes them at the first start.
func loadIdentity(dir string, log *slog.Logger) (*hub.Identity, error) {
	identity, err := hub.LoadIdentity(dir)
	if errors.Is(err, fs.ErrNotExist) {
		log.Warn("making a new identity: keep it, agents and installed systems trust it", "dir", dir)
		return hub.CreateIdentity(dir)
	}
	return identity, err
}
