package reconcile

import (
	"fmt"
	"slices"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/plan"
)

// budget lets a host begin only while fewer than the allowed number are under way. A place is taken here, before the journal knows of what begins, and
// seen in the host's record and phase ever after. A host that waits is looked at when a place gets free.
func (l *Loop) budget(record inventory.Record, next plan.Plan) plan.Plan {
	if len(next.Actions) == 0 || !begins(record, next.Actions[0]) {
		return next
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	h := l.hosts[record.Host]
	h.admitted = h.underWay() || l.places() > 0
	h.waiting = !h.admitted
	if h.waiting {
		next.Phase, next.Actions = plan.Waiting, nil
		next.Waits = fmt.Sprintf("its turn: %d hosts are being installed or inspected at a time", l.config.Limits.Installs)
	}
	return next
}

// begins reports whether an action is the first of an install, or of an inspection, which costs as much of the network.
func begins(record inventory.Record, action plan.Action) bool {
	switch action.Kind {
	case plan.OpenOperation:
		return true
	case plan.OpenBoot:
		return record.Operation == nil && action.Boot.Target == inventory.FromRamdisk
	default:
		return false
	}
}

// underWay reports whether a host has a place. Hosts that wait for a person have none: they must not stop the line.
func (h *host) underWay() bool {
	switch {
	case h.orphaned, h.seen.plan.Phase == plan.Held, h.seen.plan.Phase == plan.Failed:
		return false
	default:
		return h.admitted || h.record.Operation != nil || h.seen.plan.Phase == plan.Inspecting
	}
}

// places is how many hosts may begin now. The caller holds the lock.
func (l *Loop) places() int {
	free := l.config.Limits.Installs
	for _, h := range l.hosts {
		if h.underWay() {
			free--
		}
	}
	return max(free, 0)
}

// placeFreed wakes as many of the hosts that wait as there are places, in the order of their names.
func (l *Loop) placeFreed() {
	l.mu.Lock()
	var names []string
	for name, h := range l.hosts {
		if h.waiting {
			names = append(names, name)
		}
	}
	free := l.places()
	l.mu.Unlock()
	slices.Sort(names)
	for _, name := range names[:min(free, len(names))] {
		l.queue.Add(name, l.config.Now())
	}
}
