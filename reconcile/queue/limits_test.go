package queue_test

import (
	"testing"
	"time"

	"github.com/gitmetal/ingot/reconcile/act"
	"github.com/gitmetal/ingot/reconcile/plan"
	"github.com/gitmetal/ingot/reconcile/queue"
)

func TestNext(t *testing.T) {
	t.Parallel()
	var limits queue.Limits
	limits.SetDefaults()
	now := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
	for name, test := range map[string]struct {
		look   queue.Look
		jitter float64
		want   time.Duration
	}{
		"nothing was due":             {queue.Look{}, 0, 5 * time.Minute},
		"the plan asks sooner":        {queue.Look{Plan: plan.Plan{Again: time.Second}}, 0, time.Second},
		"the BMC did not answer":      {queue.Look{Failures: 2}, 0, 4 * time.Second},
		"done":                        {queue.Look{Outcome: act.Outcome{Result: act.Done}}, 0, 0},
		"done again":                  {queue.Look{Outcome: act.Outcome{Result: act.Done}, Repeats: 3}, 0, 8 * time.Second},
		"waits":                       {queue.Look{Outcome: act.Outcome{Result: act.Waits}}, 0, 3 * time.Second},
		"waits, and names a time":     {queue.Look{Outcome: act.Outcome{Result: act.Waits, After: time.Minute}}, 0, time.Minute},
		"failed":                      {queue.Look{Outcome: act.Outcome{Result: act.Retry}, Failures: 1}, 0, 2 * time.Second},
		"failed, with jitter":         {queue.Look{Outcome: act.Outcome{Result: act.Retry}, Failures: 1}, 0.5, 2250 * time.Millisecond},
		"failed for long":             {queue.Look{Outcome: act.Outcome{Result: act.Retry}, Failures: 60}, 0, 5 * time.Minute},
		"stalled":                     {queue.Look{Outcome: act.Outcome{Result: act.Stalled}, Failures: 1}, 0, 5 * time.Minute},
		"something ends before":       {queue.Look{Plan: plan.Plan{Due: now.Add(time.Minute)}}, 0, time.Minute},
		"something ended":             {queue.Look{Plan: plan.Plan{Due: now.Add(-time.Minute)}}, 0, 5 * time.Minute},
		"it ends later than the look": {queue.Look{Plan: plan.Plan{Due: now.Add(time.Minute)}, Outcome: act.Outcome{Result: act.Waits}}, 0, 3 * time.Second},
	} {
		test.look.At = now
		if got := limits.NextLook(test.look, func() float64 { return test.jitter }); got != test.want {
			t.Errorf("%s: Next = %v, want %v", name, got, test.want)
		}
	}
}
