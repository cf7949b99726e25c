package daemon

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"

	"github.com/gitmetal/ingot/internal/daemon/metrics"
)

// serveProbes serves /metrics, /healthz and /readyz, if the configuration has an address for them.
func (d *Daemon) serveProbes(ctx context.Context) error {
	if d.probes == nil {
		return nil
	}
	d.metrics.Collect(metrics.State{View: d.loop.View, Images: d.images.Tally, Runs: d.loop.ViewRuns, Results: d.results.Bytes})
	probes := metrics.Probes{Quiet: d.loop.SinceTurn, Ready: []metrics.Part{
		{Name: "fleet", Check: d.checkFleet}, {Name: "journal", Check: d.checkJournal}, {Name: "hub", Check: d.checkHub},
	}}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", d.metrics.Handler())
	mux.HandleFunc("GET /healthz", probes.ServeLive)
	mux.HandleFunc("GET /readyz", probes.ServeReady)
	d.log.Info("metrics", "url", "http://"+d.probes.Addr().String()+"/metrics")
	return serveHTTP(ctx, d.probes, mux)
}

// checkFleet finds out whether this daemon has a fleet to work on.
func (d *Daemon) checkFleet(context.Context) error {
	switch view := d.loop.ViewFleet(); {
	case view.Another != "":
		return errors.New(view.Another)
	case view.Commit != "":
		return nil
	case view.Source != "":
		return errors.New(view.Source)
	case view.Refused != "":
		return fmt.Errorf("commit %.12s is refused, and no commit was accepted since the start: see `ingot status`",
			view.Refused)
	default:
		return errors.New("no commit was accepted since the start: the first look at the fleet is not over")
	}
}

// checkJournal reads from the journal.
func (d *Daemon) checkJournal(ctx context.Context) error {
	if err := d.journal.Owned(); err != nil {
		return err
	}
	_, err := d.journal.Accepted(ctx)
	return err
}

// checkHub finds out whether agents can connect: the listener answers with the key that agents pin.
func (d *Daemon) checkHub(ctx context.Context) error {
	names, err := hostNames(d.config.Advertise.Agents)
	if err != nil {
		return err
	}
	address := d.agents.Addr().String()
	host, port, err := net.SplitHostPort(address)
	if ip := net.ParseIP(host); err == nil && ip.IsUnspecified() {
		address = net.JoinHostPort("localhost", port)
	}
	dialer := tls.Dialer{Config: d.identity.ClientTLS(names[0])}
	connection, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return fmt.Errorf("agents cannot connect to %s: %w", address, err)
	}
	return connection.Close()
}
