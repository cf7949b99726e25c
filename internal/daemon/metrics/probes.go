package metrics

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// MaxQuiet is how long the loop may make no turn while the daemon counts as live.
const MaxQuiet = time.Minute

// probeTime is how long a probe may take.
const probeTime = 5 * time.Second

// Probes are the questions of a supervisor.
type Probes struct {
	// Quiet is the time since the loop's last turn; false before the first turn, while the daemon restores what it
	// knows: a restart would not mend that.
	Quiet func() (time.Duration, bool)
	// Ready are the parts that must work before the daemon is of use, each with its name. An error says what is missing.
	Ready []Part
}

// Part is a part of the daemon that a readiness probe asks.
type Part struct {
	Name  string
	Check func(ctx context.Context) error
}

// ServeLive answers /healthz: 200 while the loop turns, 503 when a supervisor should start the daemon anew.
func (p Probes) ServeLive(w http.ResponseWriter, _ *http.Request) {
	quiet, began := p.Quiet()
	if began && quiet > MaxQuiet {
		answer(w, fmt.Errorf("the loop made no turn for %s: start the daemon anew, nothing is lost by it",
			quiet.Round(time.Second)))
		return
	}
	answer(w, nil)
}

// ServeReady answers /readyz: 200 when every part works, else 503 with a line for each part that does not.
func (p Probes) ServeReady(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), probeTime)
	defer cancel()
	var missing []error
	for _, part := range p.Ready {
		if err := part.Check(ctx); err != nil {
			missing = append(missing, fmt.Errorf("%s: %w", part.Name, err))
		}
	}
	answer(w, errors.Join(missing...))
}

func answer(w http.ResponseWriter, err error) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	if err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	_, _ = w.Write([]byte("ok\n")) // the asker went away
}
