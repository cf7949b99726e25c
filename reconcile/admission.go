package reconcile

import (
	"github.com/gitmetal/ingot/reconcile/admission"
	"github.com/gitmetal/ingot/reconcile/admit"
	"github.com/gitmetal/ingot/reconcile/plan"
	"github.com/gitmetal/ingot/reconcile/queue"
)

// admitPlan lets a plan's action be done only where the other machines leave room; package admit decides. An admitted
// host takes a place at once, before the journal knows of the operation; later the host's record and phase show the
// place. A host that waits for its turn is looked at when a place becomes free.
func (l *Loop) admitPlan(in lookInput, next plan.Plan) plan.Plan {
	question, asks := admission.FindQuestion(in.record, next)
	if !asks {
		return next
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	answer := l.admit.AskStep(in.record.ID, question, l.config.Now())
	in.host.question, in.host.refused = question, !answer.IsAllowed()
	live := &in.host.live
	switch turn := question.Step == admit.Begin || question.Step == admit.Disturb || answer.ForPlace(); {
	case answer.Takes:
		live.Admitted, live.Lost, live.Waiting, live.Asked = true, false, false, question
	case !answer.IsAllowed() && !answer.NeedsPerson() && turn:
		live.Admitted, live.Waiting, live.Asked = false, true, question
	}
	l.indexHost(in.host)
	return admission.ApplyAnswer(next, answer)
}

// updateAdmitFleet gives the admit view what holds for all machines together. The caller holds the lock.
func (l *Loop) updateAdmitFleet() {
	places := l.config.Limits.Installs
	if asked := l.fleet.settings.Installs; asked > 0 {
		places = min(asked, places)
	}
	label, limit := l.fleet.settings.Domain()
	l.admit.SetFleet(admit.Fleet{Rings: l.fleet.rings, Paused: l.fleet.settings.Paused, Places: places,
		Frozen: l.fleet.frozen, DomainLabel: label, DomainLimit: limit,
		ErasesPerHour: admit.LimitErases(l.config.Limits.ErasesPerHour, l.fleet.settings.ErasesPerHour,
			len(l.fleet.desired.Hosts)),
		Resumed: l.fleet.accepted.Resumed})
	l.setRuns()
}

// takeSurplusPlaces takes places beyond the limit from machines that were not looked at since the restart. The caller
// holds the lock.
func (l *Loop) takeSurplusPlaces() {
	for _, id := range l.admit.Surplus() {
		if h := l.hosts[id]; h != nil && h.lastLook.at.IsZero() {
			h.live.Placed, h.live.Lost = false, true
			l.indexHost(h)
		}
	}
}

// indexHost updates the indexes over all hosts after a host's desire, record or last look changed. The caller holds
// the lock.
func (l *Loop) indexHost(h *host) {
	l.indexStanding(h)
	h.live.Stance = admission.DescribeStance(h.lastLook.plan.Phase, h.record)
	l.admit.SetMachine(h.record.ID, l.describeMachine(h))
	l.indexRuns(h)
}

// describeMachine is a host as the admission of other hosts sees the host. The caller holds the lock.
func (l *Loop) describeMachine(h *host) admit.Machine {
	label, _ := l.fleet.settings.Domain()
	return admit.DescribeMachine(h.desired, h.record, h.live, label)
}

// wakeWaiting queues as many waiting hosts as there are free places.
func (l *Loop) wakeWaiting() {
	l.mu.Lock()
	next := l.admit.NextWaiting(l.config.Now())
	l.mu.Unlock()
	for _, id := range next {
		l.queue.AddHost(id, l.config.Now(), queue.Asked)
	}
}
