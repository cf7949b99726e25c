package reconcile

import (
	"context"
	"fmt"
	"slices"

	"github.com/gitmetal/ingot/reconcile/admit"
)

// ResumeWorkload lets operations of a stopped workload begin again: earlier failures do not count any more. A resume
// is no consent, and is lost with the journal. An error says why there is nothing to resume.
func (l *Loop) ResumeWorkload(ctx context.Context, workload string) error {
	l.acceptSlot <- struct{}{}
	defer func() { <-l.acceptSlot }()
	l.mu.Lock()
	accepted := l.fleet.accepted
	inputs, known := admit.ListInputs(l.fleet.desired.Hosts, workload)
	stopped := slices.DeleteFunc(inputs, func(one string) bool { return l.admit.WhyWorkloadFailed(one) == "" })
	l.mu.Unlock()
	switch {
	case !known:
		return fmt.Errorf("no host runs a workload %s: `ingot status` names the workload of each host", workload)
	case len(stopped) == 0:
		return fmt.Errorf("workload %s is not stopped: there is nothing to resume", workload)
	}
	accepted = accepted.Resume(stopped, l.config.Now())
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
