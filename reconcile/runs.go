package reconcile

import (
	"context"
	"time"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/runs"
	"github.com/gitmetal/ingot/reconcile/act"
	"github.com/gitmetal/ingot/reconcile/batches"
	"github.com/gitmetal/ingot/reconcile/plan"
	"github.com/gitmetal/ingot/reconcile/queue"
)

// indexRuns tells the View of the runs what is known of a host. The caller holds the lock.
func (l *Loop) indexRuns(h *host) {
	if h.doubtful || h.pending != nil {
		return
	}
	seen := batches.Seen{Looked: !h.lastLook.at.IsZero(), Observed: h.lastLook.observed}
	if hold := h.lastLook.plan.Hold; hold != nil && (h.lastLook.plan.Phase != plan.Waiting || h.live.InTrouble()) {
		seen.Held = hold.Message
	}
	l.batches.SetMachine(h.record.ID, batches.Describe(h.desired, h.record, seen))
}

// setRuns tells the View of the runs what holds for the whole fleet. The caller holds the lock.
func (l *Loop) setRuns() {
	f := batches.Fleet{Accepted: l.fleet.commit != "", Works: l.fleet.desired.Runs, Boots: l.config.Limits.Boots, Stopped: l.fleet.frozen}
	if l.fleet.settings.Paused {
		f.Stopped = "the fleet is paused"
	}
	if l.batchStore.IsUsed() {
		l.batches.SetFleet(f, l.config.Now())
	}
}

// orderRun says what the Workloads want of a host.
func (l *Loop) orderRun(id inventory.MachineID) runs.Order {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.batches.Order(id, l.config.Now())
}

// reserveRun keeps an item for a host while its run is written; the outcome says that another host was faster.
func (l *Loop) reserveRun(id inventory.MachineID, action act.Action) (act.Outcome, bool) {
	if action.Kind != act.OpenRun {
		return act.Outcome{}, false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.batches.Reserve(id, action.Run.Run, l.config.Now()) {
		return act.Outcome{}, false
	}
	return act.Outcome{Result: act.Waits, After: time.Second, Why: "another machine has the item; looking again"}, true
}

// keepBatches writes claims and counted runs into the journal, and wakes the hosts that waited for it.
func (l *Loop) keepBatches(ctx context.Context) {
	if _, aside := l.checkStandAside(); aside || !l.batchStore.IsUsed() {
		return
	}
	l.batchSlot <- struct{}{}
	defer func() { <-l.batchSlot }()
	l.mu.Lock()
	unsaved := l.batches.Unsaved(l.config.Now())
	l.mu.Unlock()
	for _, s := range unsaved {
		write, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeTimeout)
		err := l.batchStore.Save(write, s)
		if cancel(); err != nil {
			if !l.stopIfDisowned(err) {
				l.config.Log.Error("a batch is not in the journal: its runs are not counted yet", "workload", s.Workload, "error", err)
			}
			return
		}
		l.mu.Lock()
		waiting := l.batches.Settle(s)
		l.mu.Unlock()
		l.queueHosts(waiting)
	}
	l.mu.Lock()
	idle := l.batches.Idle(l.config.Now())
	if len(unsaved) > 0 {
		l.summarizeFleet()
	}
	l.mu.Unlock()
	l.queueHosts(idle)
}

func (l *Loop) queueHosts(ids []inventory.MachineID) {
	for _, id := range ids {
		l.queue.AddHost(id, l.config.Now(), queue.Asked)
	}
}

// CancelRuns starts no more runs of a Workload's present batch; with now, those under way are taken back.
func (l *Loop) CancelRuns(ctx context.Context, workload string, now bool) error {
	l.mu.Lock()
	err := l.batches.Cancel(workload, now)
	var under []inventory.MachineID
	for id, h := range l.hosts {
		if h.record.Run != nil && h.record.Run.Workload == workload {
			under = append(under, id)
		}
	}
	l.mu.Unlock()
	if err != nil {
		return err
	}
	l.keepBatches(ctx)
	l.queueHosts(under)
	return nil
}

// ViewRuns gives the progress of every Workload with runs.
func (l *Loop) ViewRuns() []batches.Progress {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.batches.Report(l.config.Now())
}

// IsBatchOpen reports whether a batch of a Workload may still get results; before the first fleet is accepted, each may.
func (l *Loop) IsBatchOpen(workload, batch string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.fleet.commit == "" || l.batches.IsOpen(workload, batch)
}

// KeepResults gives what the fleet asks to be kept of the ended batches of a Workload.
func (l *Loop) KeepResults(workload string) runs.Keep {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.batches.Keep(workload)
}
