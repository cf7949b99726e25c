package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/status"
)

// A stream in which nothing happens has an empty line every beat, so that both ends, and proxies between them, know that it lives; who takes nothing for
// a stall is gone.
const (
	beat  = 20 * time.Second
	stall = time.Minute
)

// events streams what happens, one JSON value a line, beginning with all there is.
func (d *Daemon) events(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/x-ndjson")
	w.Header().Set("X-Accel-Buffering", "no") // nginx would keep events to itself
	s := stream{Encoder: json.NewEncoder(w), out: w, control: http.NewResponseController(w)}
	s.extend()
	_ = d.tell(r.Context(), s) // the reader went away
}

// stream is one reader's.
type stream struct {
	*json.Encoder
	out     io.Writer
	control *http.ResponseController
}

func (s stream) flush() error {
	defer s.extend()
	return s.control.Flush()
}

// extend gives the reader time for what comes next.
func (s stream) extend() { _ = s.control.SetWriteDeadline(time.Now().Add(stall)) }

// tell writes to a reader until it is gone, or ctx ends.
func (d *Daemon) tell(ctx context.Context, s stream) error {
	changes := d.loop.Watch()
	defer changes.Stop()
	progress, stopProgress := d.hub.Subscribe()
	defer stopProgress()
	quiet := time.NewTicker(beat)
	defer quiet.Stop()
	for err := d.tellAll(s); ; {
		if err = errors.Join(err, s.flush()); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changes.Changed():
			for _, id := range changes.Take() {
				err = errors.Join(err, s.Encode(d.eventOf(id)))
			}
		case p := <-progress:
			h, _ := d.loop.Host(inventory.MachineID(p.Host))
			about := status.NewMetadata(h.Name, inventory.MachineID(p.Host), nil)
			err = s.Encode(Event{At: time.Now(), Name: about.Name, ID: about.ID, Job: &p.Progress})
		case <-quiet.C:
			_, err = io.WriteString(s.out, "\n")
		}
	}
}

// tellAll tells everything there is.
func (d *Daemon) tellAll(s stream) error {
	lv := d.loop.View()
	fleet := fleetView(lv)
	err := s.Encode(Event{At: time.Now(), Fleet: &fleet})
	for _, h := range lv.Hosts {
		v := hostView(h)
		err = errors.Join(err, s.Encode(Event{At: time.Now(), Host: &v}))
	}
	return errors.Join(err, s.Encode(Event{At: time.Now(), All: true}))
}

// eventOf is the news of a host, or, with "", of the whole fleet.
func (d *Daemon) eventOf(id inventory.MachineID) Event {
	e := Event{At: time.Now()}
	if h, known := d.loop.Host(id); known {
		v := hostView(h)
		e.Host = &v
		return e
	}
	fleet := fleetView(d.loop.View())
	e.Fleet = &fleet
	return e
}
