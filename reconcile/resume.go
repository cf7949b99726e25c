package reconcile

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/gitmetal/ingot/reconcile/admit"
)

// ResumeWorkload lets operations of a stopped workload begin again: earlier failures do not count any more. A resume
// is no consent, and is lost with the journal. An error says why there is nothing to resume.
func (l *Loop) ResumeWorkload(ctx context.Context, workload string) error {
	l.acceptSlot <- struct{}{}
	defer func() { <-l.acceptSlot }()
	l.mu.Lock()
	accepted := l.fleet.accepted
	inputs, known := l.findInputs(workload)
	stopped := slices.DeleteFunc(inputs, func(one string) bool { return l.admit.WhyWorkloadFailed(one) == "" })
	l.mu.Unlock()
	switch {
	case !known:
		return fmt.Errorf("no host runs a workload %s: `ingot status` names the workload of each host", workload)
	case len(stopped) == 0:
		return fmt.Errorf("workload %s is not stopped: there is nothing to resume", workload)
	}
	now := l.config.Now()
	accepted.Resumed = maps.Clone(accepted.Resumed)
	maps.DeleteFunc(accepted.Resumed, func(_ string, at time.Time) bool { return now.Sub(at) > keepResumes })
	if accepted.Resumed == nil {
		accepted.Resumed = map[string]time.Time{}
	}
	for _, one := range stopped {
		accepted.Resumed[one] = now
	}
	if err := l.config.Journal.Accept(ctx, accepted); err != nil {
		l.stopIfDisowned(err)
		return fmt.Errorf("write the resume: %w", err)
	}
	l.mu.Lock()
	l.fleet.accepted = accepted
	l.updateAdmitFleet()
	l.mu.Unlock()
	l.wakeWaiting()
	return nil
}

// keepResumes is how long a resume is kept.
const keepResumes = 90 * 24 * time.Hour

// findInputs gives the shared inputs of a workload's hosts, each once; false for a workload that no host runs. Hosts of
// different rings may run different versions of a workload. The caller holds the lock.
func (l *Loop) findInputs(workload string) (inputs []string, known bool) {
	for _, d := range l.fleet.desired.Hosts {
		if d.Workload != nil && d.Workload.Name == workload {
			inputs = append(inputs, admit.SharedInputs(workload, d.Workload.Parts))
		}
	}
	slices.Sort(inputs)
	return slices.Compact(inputs), len(inputs) > 0
}
