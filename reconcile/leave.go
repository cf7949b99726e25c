package reconcile

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/standing/claims"
	"github.com/gitmetal/ingot/reconcile/plan"
	"github.com/gitmetal/ingot/reconcile/plan/change"
	"github.com/gitmetal/ingot/reconcile/queue"
)

// fleetState says how fresh the accepted commit is, for the answer to a question for leave.
func (l *Loop) fleetState() inventory.FleetState {
	l.mu.Lock()
	defer l.mu.Unlock()
	state := l.looked
	state.MaxStale = l.config.MaxStale
	return state
}

// errStrayed is why a look is none: somebody else moved the status branch, and it could not be read.
var errStrayed = errors.New("the status branch was moved and cannot be read")

// endLookAtFleet records a look at trunk, tags and status branch, and has the hosts looked at whose agents wait for the
// look. The error says why the newest commit could not be read or accepted; such a look is no good one.
func (l *Loop) endLookAtFleet(began time.Time, err error) {
	if err == nil && l.config.Publisher.Strayed() {
		err = errStrayed
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.config.Now()
	if l.looked.StartedAt, l.looked.Error = began, ""; err != nil {
		l.looked.Error = err.Error()
	} else {
		l.looked.LookedAt = now
	}
	for _, id := range slices.Sorted(maps.Keys(l.hosts)) {
		if h := l.hosts[id]; h.asks {
			h.asks = false
			l.queue.AddHost(id, now, queue.Asked)
		}
	}
}

// awaitFleet has the fleet looked at for a host whose plan waits for the look.
func (l *Loop) awaitFleet(h *host, next plan.Plan) {
	if !next.NeedsFleet {
		return
	}
	l.mu.Lock()
	h.asks = true
	l.mu.Unlock()
	l.RefreshSource()
}

// RetryHost lets an operator retry a host that was given up, or that is held because the installed system does not
// call home, have a host looked at again that is held for its disks, and resume a host with a step on hold. A written
// and verified disk is not written again, and a retry gives no consent. An error says why there is nothing to retry.
func (l *Loop) RetryHost(id inventory.MachineID) error {
	l.mu.Lock()
	h := l.hosts[id]
	switch {
	case h == nil:
		l.mu.Unlock()
		return fmt.Errorf("there is no host %s: `ingot status` lists them", id)
	case !h.canRetry():
		l.mu.Unlock()
		return fmt.Errorf("host %s is %s: there is nothing to try again, see `ingot status %[1]s`", h.displayName(),
			h.lastLook.plan.Phase)
	}
	h.retry = true
	l.mu.Unlock()
	l.queue.AddHost(id, l.config.Now(), queue.Asked)
	return nil
}

// retriable are the reasons of holds that an operator's retry ends.
var retriable = []change.Reason{change.NoPhoneHome, change.BootFailed, change.OnHold, change.SettingsFailed}

// canRetry reports whether a host waits for an operator's retry: it was given up before any write, whatever the last
// look showed, or the last look held it for a start that an operator may repeat.
func (h *host) canRetry() bool {
	hold := h.lastLook.plan.Hold
	return change.IsGivenUp(h.desired, h.record) || h.record.LostRuns >= claims.MaxLost ||
		hold != nil && (slices.Contains(retriable, hold.Reason) || hold.Reason.RestsOnLook() ||
			hold.Reason == change.IdentityMismatch && h.record.Stranger != nil)
}
