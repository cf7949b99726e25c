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

// A stream without events has an empty line every beat, so that both ends, and proxies between them, see that the
// stream lives. A reader that takes no byte for a stall is disconnected.
const (
	beat  = 20 * time.Second
	stall = time.Minute
)

// streamEvents streams events, one JSON value a line, beginning with the complete state.
func (d *Daemon) streamEvents(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/x-ndjson")
	w.Header().Set("X-Accel-Buffering", "no") // nginx would buffer the events
	s := stream{Encoder: json.NewEncoder(w), out: w, control: http.NewResponseController(w)}
	s.extendDeadline()
	_ = d.sendChanges(r.Context(), s) // the reader went away
}

// stream is the event stream of a reader.
type stream struct {
	*json.Encoder
	out     io.Writer
	control *http.ResponseController
}

func (s stream) flushEvents() error {
	defer s.extendDeadline()
	return s.control.Flush()
}

// extendDeadline gives the reader time for the next events.
func (s stream) extendDeadline() { _ = s.control.SetWriteDeadline(time.Now().Add(stall)) }

// sendChanges writes the complete state and then every change, until the reader is gone or ctx ends.
func (d *Daemon) sendChanges(ctx context.Context, s stream) error {
	changes := d.loop.Watch()
	defer changes.Stop()
	progress, stopProgress := d.hub.Subscribe()
	defer stopProgress()
	quiet := time.NewTicker(beat)
	defer quiet.Stop()
	for err := d.sendEverything(s); ; {
		if err = errors.Join(err, s.flushEvents()); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changes.Changed():
			for _, id := range changes.TakeIDs() {
				err = errors.Join(err, s.Encode(d.changeEvent(id)))
			}
		case p := <-progress:
			h, _ := d.loop.ViewHost(inventory.MachineID(p.Host))
			about := status.NewMetadata(h.Name, inventory.MachineID(p.Host), nil)
			err = s.Encode(Event{At: time.Now(), Name: about.Name, ID: about.ID, Job: &p.Progress})
		case <-quiet.C:
			_, err = io.WriteString(s.out, "\n")
		}
	}
}

// sendEverything writes the complete state.
func (d *Daemon) sendEverything(s stream) error {
	lv := d.loop.View()
	fleet := newFleetView(lv)
	err := s.Encode(Event{At: time.Now(), Fleet: &fleet})
	for _, h := range lv.Hosts {
		v := newHostView(h)
		err = errors.Join(err, s.Encode(Event{At: time.Now(), Host: &v}))
	}
	return errors.Join(err, s.Encode(Event{At: time.Now(), All: true}))
}

// changeEvent is the event for a changed host; with id "" for the whole fleet.
func (d *Daemon) changeEvent(id inventory.MachineID) Event {
	e := Event{At: time.Now()}
	if h, known := d.loop.ViewHost(id); known {
		v := newHostView(h)
		e.Host = &v
		return e
	}
	fleet := newFleetView(d.loop.View())
	e.Fleet = &fleet
	return e
}
