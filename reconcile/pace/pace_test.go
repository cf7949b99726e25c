package pace_test

import (
	"testing"
	"time"

	"github.com/gitmetal/ingot/reconcile/pace"
	"github.com/gitmetal/ingot/reconcile/plan"
)

func TestNext(t *testing.T) {
	t.Parallel()
	var limits pace.Limits
	limits.Complete()
	now := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
	for name, test := range map[string]struct {
		look   pace.Look
		jitter float64
		want   time.Duration
	}{
		"nothing was due":             {pace.Look{}, 0, 5 * time.Minute},
		"the plan asks sooner":        {pace.Look{Plan: plan.Plan{Again: time.Second}}, 0, time.Second},
		"the BMC did not answer":      {pace.Look{Failures: 2}, 0, 4 * time.Second},
		"done":                        {pace.Look{Outcome: plan.Outcome{Result: plan.Done}}, 0, 0},
		"done again":                  {pace.Look{Outcome: plan.Outcome{Result: plan.Done}, Repeats: 3}, 0, 8 * time.Second},
		"waits":                       {pace.Look{Outcome: plan.Outcome{Result: plan.Waits}}, 0, 3 * time.Second},
		"waits, and names a time":     {pace.Look{Outcome: plan.Outcome{Result: plan.Waits, After: time.Minute}}, 0, time.Minute},
		"failed":                      {pace.Look{Outcome: plan.Outcome{Result: plan.Retry}, Failures: 1}, 0, 2 * time.Second},
		"failed, with jitter":         {pace.Look{Outcome: plan.Outcome{Result: plan.Retry}, Failures: 1}, 0.5, 2250 * time.Millisecond},
		"failed for long":             {pace.Look{Outcome: plan.Outcome{Result: plan.Retry}, Failures: 60}, 0, 5 * time.Minute},
		"stalled":                     {pace.Look{Outcome: plan.Outcome{Result: plan.Stalled}, Failures: 1}, 0, 5 * time.Minute},
		"something ends before":       {pace.Look{Plan: plan.Plan{Due: now.Add(time.Minute)}}, 0, time.Minute},
		"something ended":             {pace.Look{Plan: plan.Plan{Due: now.Add(-time.Minute)}}, 0, 5 * time.Minute},
		"it ends later than the look": {pace.Look{Plan: plan.Plan{Due: now.Add(time.Minute)}, Outcome: plan.Outcome{Result: plan.Waits}}, 0, 3 * time.Second},
	} {
		test.look.At = now
		if got := limits.Next(test.look, func() float64 { return test.jitter }); got != test.want {
			t.Errorf("%s: Next = %v, want %v", name, got, test.want)
		}
	}
}
