package joblogs

import (
	"context"
	"time"

	"github.com/gitmetal/ingot/agent/hub"
	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile"
)

// sweepEvery is how often old logs are removed.
const sweepEvery = time.Hour

// givenUpFor is how long after the end of an operation the serial console still belongs to it.
const givenUpFor = 10 * time.Minute

// Run records the output of jobs as it comes, keeps the serial consoles of machines whose operation was given up, and
// sweeps, until ctx ends.
func (s *Store) Run(ctx context.Context, loop *reconcile.Loop, jobs *hub.Hub) error {
	changes := loop.Watch()
	defer changes.Stop()
	progress, stop := jobs.Subscribe()
	defer stop()
	sweep := time.NewTicker(sweepEvery)
	defer sweep.Stop()
	s.warn("old logs cannot be removed", s.Sweep())
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changes.Changed():
			for _, id := range changes.TakeIDs() {
				if h, known := loop.ViewHost(id); known {
					s.noteEnd(id, h.Observed.Record.Last)
				}
			}
		case event := <-progress:
			s.record(event)
		case <-sweep.C:
			s.warn("old logs cannot be removed", s.Sweep())
		}
	}
}

// record adds the lines of a report to the output of the step. Only the agent that has the job reports.
func (s *Store) record(event hub.Event) {
	if a, found := s.findAttempt(inventory.MachineID(event.Host), event.Job); found && len(event.Progress.Lines) > 0 {
		s.warn("the output of a step cannot be kept", s.appendLines(a, event.Progress.Lines))
	}
}

// noteEnd keeps the console of a machine whose operation was given up a moment ago.
func (s *Store) noteEnd(machine inventory.MachineID, last *inventory.Operation) {
	if last != nil && last.Outcome == inventory.Quarantined && s.config.Now().Sub(last.Ended) < givenUpFor {
		s.warn("a serial console cannot be kept", s.keepConsole(machine, last.ID))
	}
}

func (s *Store) warn(what string, err error) {
	if err != nil {
		s.config.Log.Error(what, "error", err)
	}
}
