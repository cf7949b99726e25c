package reconcile

import (
	"fmt"
	"slices"
	"time"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/census"
	"github.com/gitmetal/ingot/reconcile/plan"
	"github.com/gitmetal/ingot/reconcile/plan/change"
	"github.com/gitmetal/ingot/reconcile/rollout"
	"github.com/gitmetal/ingot/schemas"
)

// budget lets a host begin only while fewer than the allowed number are under way. A place is taken here, before the journal knows of what begins, and
// seen in the host's record and phase ever after. A host that waits is looked at when a place gets free.
func (l *Loop) budget(of subject, next plan.Plan) plan.Plan {
	record, h := of.record, of.host
	if next.Action == nil {
		return next
	}
	action := *next.Action
	begins, arms := action.Begins(record), action.Arms(record)
	forward := (next.Phase == plan.Installing || next.Phase == plan.Inspecting) && action.Kind.AtBMC()
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case arms: // it has had its turn
		return l.armed(h, next)
	case action.Kind == plan.AssignInstall:
		return l.repeated(h, next)
	case !begins && forward:
		return l.placedAgain(h, next)
	case !begins:
		return next
	}
	if why, opens := l.turn(h, l.census.Progress(l.fleet.rings)); why != "" {
		h.waiting = true
		next.Phase, next.Action, next.Waits, next.Due = plan.Pending, nil, why, opens
		return next
	}
	h.admitted = h.underWay() || l.places() > 0
	h.waiting = !h.admitted
	l.moved(h)
	if h.waiting {
		next.Phase, next.Action = plan.Waiting, nil
		next.Waits = l.itsTurn()
	}
	return next
}

// armed lets an operation that has written nothing be armed, the first time as at each retry, unless a person or trouble stands against it now. A machine that
// was taken down for it goes back to what it ran meanwhile. The caller holds the lock.
func (l *Loop) armed(h *host, next plan.Plan) plan.Plan {
	if why := l.frozen(h, h.record.Operation); why != "" {
		return instead(next, plan.Plan{Phase: plan.Held, Hold: &change.Hold{Reason: change.Frozen, Message: why}})
	}
	if why, opens := l.stopped(h, next.Action.Kind); why != "" {
		return instead(next, plan.Plan{Phase: plan.Pending, Waits: why, Due: opens})
	}
	return l.placedAgain(h, next)
}

// repeated lets another attempt follow one that may have written, unless what Leave would say of it is no: it is not handed out to be taken back. The caller holds
// the lock.
func (l *Loop) repeated(h *host, next plan.Plan) plan.Plan {
	if why := l.freezes(h); why != "" && h.record.Operation.Erases {
		return instead(next, plan.Plan{Phase: plan.Held, Hold: &change.Hold{Reason: change.Frozen, Message: why}})
	}
	if why := l.paused(h); why != "" {
		return instead(next, plan.Plan{Phase: plan.Pending, Waits: why})
	}
	return next
}

// paused says what stops a host whose fleet or ring a person paused, or "". The caller holds the lock.
func (l *Loop) paused(h *host) string {
	if l.fleet.settings.Paused || l.fleet.rings[h.desired.Ring].Spec.Paused {
		return "spec.paused of the fleet or of its ring to be taken back"
	}
	return ""
}

// placedAgain has a host that gave its place up while it was in trouble wait for its turn, unless something may have been written to its disk. The caller holds
// the lock.
func (l *Loop) placedAgain(h *host, next plan.Plan) plan.Plan {
	op := h.record.Operation
	if h.placed || h.underWay() || op != nil && !op.Unwritten() {
		return next
	}
	h.admitted = l.places() > 0
	h.waiting = !h.admitted
	l.moved(h)
	if h.waiting {
		return instead(next, plan.Plan{Phase: plan.Waiting, Waits: l.itsTurn()})
	}
	return next
}

// instead keeps a plan's action from being done, says why, and has that done which is due otherwise.
func instead(next, why plan.Plan) plan.Plan {
	next.Phase, next.Hold, next.Waits, next.Due, next.Action = why.Phase, why.Hold, why.Waits, why.Due, nil
	if next.Otherwise != nil {
		next.Action, next.Again = next.Otherwise.Action, next.Otherwise.Again
	}
	return next
}

func (l *Loop) itsTurn() string {
	return fmt.Sprintf("its turn: %d hosts are being installed or inspected at a time", l.installs())
}

// underWay reports whether a host has a place. Hosts that wait for a person or for their ring, or whose BMC does not answer or refuses, have none: they must not
// stop the line.
func (h *host) underWay() bool {
	switch {
	case h.admitted:
		return true
	case h.orphaned, h.waiting, h.inTrouble():
		return false
	case slices.Contains([]plan.Phase{plan.Held, plan.Failed, plan.Pending}, h.seen.plan.Phase):
		return false
	default:
		return h.record.Operation != nil || h.seen.plan.Phase == plan.Inspecting
	}
}

// maxTrouble is how many looks in a row may find a BMC silent, or refusing, before its host's place goes to another one.
const maxTrouble = 3

// inTrouble reports whether a host's BMC has not answered, or has refused, for so long that nobody waits for it.
func (h *host) inTrouble() bool { return h.troubled >= maxTrouble }

// places is how many hosts may begin now. The caller holds the lock.
func (l *Loop) places() int {
	return max(l.installs()-l.census.Busy(), 0)
}

// installs is how many may be under way: what the configuration allows, or less where the fleet asks for less.
func (l *Loop) installs() int {
	if asked := l.fleet.settings.Installs; asked > 0 {
		return min(asked, l.config.Limits.Installs)
	}
	return l.config.Limits.Installs
}

// moved counts a host whose desire, record or last look may have changed. The caller holds the lock.
func (l *Loop) moved(h *host) {
	l.standing.Move(h.record, h.desired)
	place := census.Place{Ring: h.desired.Ring, Busy: h.underWay(), Facts: h.record.Facts}
	place.Member = rollout.Of(h.desired, h.record, h.lost != nil || h.seen.plan.Phase == plan.Held, h.admitted)
	l.census.Move(h.record.ID, place)
}

// turn says why a host may not begin, and when it may if only the time stands against it. The caller holds the lock.
func (l *Loop) turn(h *host, rings map[string]rollout.Progress) (why string, opens time.Time) {
	if l.fleet.settings.Paused {
		return "the fleet is paused: spec.paused in " + schemas.FleetFile, time.Time{}
	}
	ring, inRing := rings[h.desired.Ring]
	if !inRing {
		return "", time.Time{}
	}
	m := l.census.Member(h.record.ID)
	m.Down = h.record.Installed != nil || m.Down
	return rollout.Turn(m, ring, rings, l.config.Now())
}

// stopped says why a machine whose operation is on the status branch may not be armed, and until when if only the time stands against it: a person
// stopped it, or its window closed before it was taken down. The caller holds the lock.
func (l *Loop) stopped(h *host, next plan.Kind) (why string, opens time.Time) {
	ring := l.fleet.rings[h.desired.Ring]
	if why := l.paused(h); why != "" {
		return why, time.Time{}
	}
	switch {
	case next != plan.AssignInstall, h.record.Installed == nil, h.record.Operation != nil && h.record.Operation.Attempt > 1:
		return rollout.Closed(ring, l.config.Now())
	default: // a machine that served is in the ramdisk: it is better finished than left so
		return "", time.Time{}
	}
}

// frozen says why an operation that erases may neither begin nor be armed. The caller holds the lock.
func (l *Loop) frozen(h *host, op *inventory.Operation) string {
	if op == nil || !op.Erases || op.Stage != inventory.Intended && !op.Unwritten() {
		return ""
	}
	return l.freezes(h)
}

// freezes says why nothing is erased on a host, whatever was begun, or "". The caller holds the lock.
func (l *Loop) freezes(h *host) string {
	why := l.fleet.frozen
	if ring := l.fleet.rings[h.desired.Ring]; why == "" && ring.Tag != "" {
		why = ring.Trouble
	}
	if why == "" {
		return ""
	}
	return "nothing is erased until an operator has looked: " + why
}

// placeFreed wakes as many of the hosts that wait as there are places, in the order of their ids.
func (l *Loop) placeFreed() {
	for _, id := range l.next() {
		l.queue.Add(id, l.config.Now())
	}
}

// next are the hosts that wait and may have their turn.
func (l *Loop) next() []inventory.MachineID {
	l.mu.Lock()
	defer l.mu.Unlock()
	free := l.places()
	if free == 0 {
		return nil
	}
	var ids []inventory.MachineID
	rings := l.census.Progress(l.fleet.rings)
	for id, h := range l.hosts {
		if h.waiting && h.record.Operation != nil { // it waits for nothing but a place
			ids = append(ids, id)
		} else if h.waiting {
			if why, _ := l.turn(h, rings); why == "" {
				ids = append(ids, id)
			}
		}
	}
	slices.Sort(ids)
	return ids[:min(free, len(ids))]
}
