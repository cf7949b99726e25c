package daemon

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"github.com/gitmetal/ingot/internal/daemon/config"
	"github.com/gitmetal/ingot/internal/daemon/notify"
	"github.com/gitmetal/ingot/internal/secret"
	"github.com/gitmetal/ingot/inventory/forge"
	"github.com/gitmetal/ingot/reconcile"
	"github.com/gitmetal/ingot/reconcile/notices"
	"github.com/gitmetal/ingot/reconcile/status"
)

// openNotices makes the notifier, if the configuration names a forge or a receiver. Every secret of it is masked from
// then on.
func (d *Daemon) openNotices(context.Context) error {
	if !d.config.Tells() {
		return nil
	}
	c := notify.Config{Loop: d.loop, Store: d.journal, Meter: d.metrics, Mask: d.secrets.everOpened.Mask, Log: d.log,
		Restored: d.restored}
	for i, n := range d.config.Notify {
		r, err := d.readReceiver(n)
		if err != nil {
			return fmt.Errorf("notify[%d]: %w", i, err)
		}
		d.metrics.PresetReceiver(r.Name)
		c.Receivers = append(c.Receivers, r)
	}
	if d.config.Forge != nil {
		client, err := d.openForge(*d.config.Forge)
		if err != nil {
			return fmt.Errorf("forge: %w", err)
		}
		c.Forge = client
	}
	notifier, err := notify.New(c)
	if err != nil {
		return fmt.Errorf("notify: %w", err)
	}
	d.notifier = notifier
	return nil
}

// readReceiver reads the files of a receiver.
func (d *Daemon) readReceiver(n config.Notify) (notify.Receiver, error) {
	r := notify.Receiver{Name: n.Name, URL: secret.New(n.URL)}
	var err error
	if n.URLFile != "" {
		if r.URL, err = d.readUsedSecret("urlFile", n.URLFile); err != nil {
			return r, err
		}
		if !config.IsWebURL(r.URL.Reveal()) {
			return r, fmt.Errorf("urlFile: %s holds no https or http URL: write it as the only line, without an account", n.URLFile)
		}
	}
	if n.SecretFile != "" {
		if r.Key, err = d.readUsedSecret("secretFile", n.SecretFile); err != nil {
			return r, err
		}
	}
	if r.CA, err = config.ReadFile(n.CA); err != nil {
		return r, fmt.Errorf("ca: %w", err)
	}
	for _, kind := range n.Events {
		r.Events = append(r.Events, notices.Kind(kind))
	}
	if len(r.Events) == 0 {
		r.Events = notices.Kinds
	}
	return r, nil
}

func (d *Daemon) openForge(f config.Forge) (*forge.Client, error) {
	token, err := d.readUsedSecret("tokenFile", f.TokenFile)
	if err != nil {
		return nil, err
	}
	if strings.ContainsFunc(token.Reveal(), func(r rune) bool { return r <= ' ' || r > '~' }) {
		return nil, fmt.Errorf("tokenFile: %s holds more than a token: write the token as the only line", f.TokenFile)
	}
	ca, err := config.ReadFile(f.CA)
	if err != nil {
		return nil, fmt.Errorf("ca: %w", err)
	}
	client, err := forge.New(forge.Config{Kind: forge.Kind(f.Kind), URL: f.URL, Repository: f.Repository, Token: token,
		TargetURL: f.TargetURL, CA: ca, Mask: d.secrets.everOpened.Mask})
	if err != nil {
		return nil, fmt.Errorf("ca: %w", err)
	}
	return client, nil
}

// readUsedSecret reads a secret of the configuration, and has it masked everywhere.
func (d *Daemon) readUsedSecret(field, file string) (secret.Value, error) {
	value, err := readSecret(file)
	if err == nil && value.Empty() {
		err = fmt.Errorf("%s is empty", file)
	}
	if err != nil {
		return value, fmt.Errorf("%s: %w", field, err)
	}
	d.secrets.everOpened.Add(value)
	return value, nil
}

func (d *Daemon) runNotices(ctx context.Context) error {
	if d.notifier == nil {
		return nil
	}
	return d.notifier.Run(ctx)
}

// openPublisher is the loop's publisher. Where nobody knows what people outside were told, it keeps what the restored
// pages say.
func (d *Daemon) openPublisher(ctx context.Context) (reconcile.Publisher, error) {
	if !d.config.Tells() {
		return d.pages, nil
	}
	document, err := d.journal.LoadNotices(ctx)
	if err != nil || !notify.NeedsPages(document) {
		return d.pages, err
	}
	restored := &restoredPages{Publisher: d.pages, told: make(chan notices.Conditions, 1)}
	d.restored = restored.told
	return restored, nil
}

// restoredPages is a publisher that keeps what its first good read says: the pages from before the daemon's start.
type restoredPages struct {
	reconcile.Publisher
	told  chan notices.Conditions
	first sync.Once
}

// Read implements reconcile.Publisher.
func (p *restoredPages) Read(ctx context.Context) (map[string]status.File, error) {
	files, err := p.Publisher.Read(ctx)
	if err != nil {
		return files, err
	}
	p.first.Do(func() {
		var fleet status.Fleet
		var pages []status.Document
		for name, file := range files {
			if file.Forged != nil {
				continue
			}
			if name == status.FleetPath {
				fleet, _ = status.ParseFleet(file.Content) // a page that cannot be read tells of nothing
			}
			if page, err := status.Page(name, file.Content); err == nil {
				pages = append(pages, page)
			}
		}
		p.told <- notify.CollectPages(fleet, pages)
	})
	return files, nil
}
