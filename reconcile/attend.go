package reconcile

import (
	"bytes"
	"context"
	"encoding/json"
	"time"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/attended"
)

const (
	// keepAgesEvery is the shortest time between two writes of a host's ages.
	keepAgesEvery = time.Minute
	// lookDelay is how late a look may begin and still count as in time. The time beyond does not count: nobody looked.
	lookDelay = time.Minute
)

// attention is the attended time of a host, with what its measurement needs. The holder of the host's turn uses it.
type attention struct {
	time   attended.Time
	starts int           // of the clock, at the last look
	at     time.Duration // of the last look, by the monotonic clock
	until  time.Duration // when the look after the last one counts as late
	kept   []byte        // the document in the journal, as far as it is known
	keptAt time.Duration
}

// attendHost adds a look to the attended time of its host, and gives the ages and what is proved of the power.
func (l *Loop) attendHost(ctx context.Context, in lookInput, observed inventory.Observed) (inventory.Ages,
	inventory.PowerEvidence) {
	at, starts := l.clock.Read()
	h := &in.host.attention
	if h.starts == 0 && (in.record.Boot != nil || in.record.Operation != nil) {
		h.time, h.kept = l.loadAges(ctx, in.record.ID)
	}
	if h.starts != starts {
		h.time, h.starts = h.time.Restart(), starts
	}
	elapsed, late := max(at-h.at, 0), max(at-h.until, 0)
	h.time, h.at = h.time.Look(elapsed, min(late, elapsed), observed), at
	l.keepAges(ctx, in.record.ID, h)
	return h.time.Ages(), h.time.Evidence()
}

// loadAges reads the ages that an earlier start kept. Without them the waits begin anew.
func (l *Loop) loadAges(ctx context.Context, id inventory.MachineID) (kept attended.Time, document []byte) {
	if l.config.Ages == nil {
		return attended.Time{}, nil
	}
	document, err := l.config.Ages.LoadAges(ctx, id)
	if err == nil && document != nil {
		err = json.Unmarshal(document, &kept)
	}
	if err != nil {
		l.config.Log.Warn("attended time not readable: deadlines begin anew", "host", id, "error", err)
		return attended.Time{}, nil
	}
	return kept, document
}

// keepAges writes the ages of a host with something under way, at most once a minute.
func (l *Loop) keepAges(ctx context.Context, id inventory.MachineID, h *attention) {
	if l.config.Ages == nil || !h.time.IsUnderWay() || h.at-h.keptAt < keepAgesEvery {
		return
	}
	document, err := json.Marshal(h.time)
	if err != nil || bytes.Equal(document, h.kept) {
		return
	}
	h.keptAt = h.at
	if err := l.config.Ages.SaveAges(ctx, id, document); err != nil {
		l.config.Log.Debug("attended time not kept", "host", id, "error", err)
		return
	}
	h.kept = document
}

// planLook notes when the next look at a host is meant to begin.
func (l *Loop) planLook(h *host, wait time.Duration) {
	at, _ := l.clock.Read()
	h.attention.until = at + wait + lookDelay
}
