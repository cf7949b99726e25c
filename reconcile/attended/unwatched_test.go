package attended_test

import (
	"testing"
	"time"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/attended"
)

// TestUnwatched looks at a machine in mid-boot each minute: nobody watches it after a start of the daemon, while it
// cannot be heard for longer than a short while, and while looks that were due are not made. Another boot begins anew.
func TestUnwatched(t *testing.T) {
	t.Parallel()
	away := booting()
	away.BMC.Reach = inventory.Unreachable
	next := booting()
	next.Record.Boot = &inventory.Boot{ID: "c", Epoch: 2, Stage: inventory.Preparing}
	minutes := func(a attended.Time, count int, o inventory.Observed) attended.Time {
		for range count {
			a = a.Look(time.Minute, 0, o)
		}
		return a
	}
	var atStart attended.Time
	watched := atStart.Look(time.Hour, 0, inventory.Observed{BMC: booting().BMC}).Look(time.Minute, 0, booting())
	for name, test := range map[string]struct {
		after attended.Time
		want  bool
	}{
		"all the time":                 {minutes(watched, 60, booting()), false},
		"a short while unheard":        {minutes(minutes(watched, 4, away), 60, booting()), false},
		"two short whiles unheard":     {minutes(minutes(minutes(minutes(watched, 4, away), 2, booting()), 4, away), 2, booting()), false},
		"a long while unheard":         {minutes(minutes(watched, 7, away), 60, booting()), true},
		"nobody looked for a while":    {watched.Look(time.Hour, 59*time.Minute, booting()), true},
		"a look that is a little late": {watched.Look(3*time.Minute, 2*time.Minute, booting()), false},
		"the daemon started":           {minutes(watched.Restart(), 60, booting()), true},
		"another boot since":           {minutes(minutes(watched.Restart(), 60, booting()), 1, next), false},
		"no boot":                      {minutes(watched.Restart(), 1, inventory.Observed{BMC: booting().BMC}), false},
	} {
		if got := test.after.Ages().Interrupted; got != test.want {
			t.Errorf("%s: interrupted = %v, want %v", name, got, test.want)
		}
	}
}
