package daemon

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/gitmetal/ingot/agent/hub"
	"github.com/gitmetal/ingot/internal/results"
	"github.com/gitmetal/ingot/internal/results/uploads"
	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/runs"
)

// openResults opens the store of results, and the door of the machines that upload.
func (d *Daemon) openResults(identity *hub.Identity) (err error) {
	keep := runs.Keep{Age: time.Duration(d.config.Results.Keep.Days) * 24 * time.Hour, Size: int64(d.config.Results.Keep.Size)}
	if d.results, err = results.Open(d.config.Results.Dir, results.Options{Keep: keep, Log: d.log,
		KeepOf:  func(workload string) runs.Keep { return d.loop.KeepResults(workload) },
		Running: func(workload, batch string) bool { return d.loop.IsBatchOpen(workload, batch) },
	}); err != nil {
		return err
	}
	key := identity.DeriveKey("run token")
	d.uploads = uploads.New(uploads.Config{Store: d.results, Log: d.log, Mask: d.secrets.everOpened.Mask,
		Token: func(run string) string { return uploads.Token(key, run) }, Notify: d.lookAtRun})
	return nil
}

// lookAtRun has the loop look at the machine of a run.
func (d *Daemon) lookAtRun(id string) {
	if run, known := d.results.FindRun(id); known {
		d.loop.RequestLook(inventory.MachineID(run.Machine))
	}
}

// agentsHandler serves the agents, and the machines of runs without one.
func (d *Daemon) agentsHandler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, uploads.Path) {
			d.uploads.ServeHTTP(w, r)
			return
		}
		d.hub.ServeHTTP(w, r)
	})
}

// sweepEvery is how often old results are removed.
const sweepEvery = 10 * time.Minute

// sweepResults removes old results until ctx ends.
func (d *Daemon) sweepResults(ctx context.Context) error {
	ticker := time.NewTicker(sweepEvery)
	defer ticker.Stop()
	for {
		if err := d.results.Sweep(); err != nil {
			d.log.Error("old results cannot be removed", "error", err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
	}
}
