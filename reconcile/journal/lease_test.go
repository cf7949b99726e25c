package journal_test

import (
	"errors"
	"testing"
	"time"

	"github.com/gitmetal/ingot/reconcile/journal"
)

// TestTheLeaseIsSureForMostOfItsTime: no clock that lags, jumps or stops has a daemon believe in a lease that can be
// over; a wall clock that jumps back does not end a lease.
func TestTheLeaseIsSureForMostOfItsTime(t *testing.T) {
	t.Parallel()
	start := time.Now()
	for name, test := range map[string]struct {
		now  time.Time
		want bool
	}{
		"at once":                        {start, true},
		"before the margin":              {start.Add(7 * time.Second), true},
		"in the margin":                  {start.Add(8 * time.Second), false},
		"after its time":                 {start.Add(time.Hour), false},
		"the machine was suspended":      {start.Round(0).Add(time.Minute), false},
		"the wall clock jumped far back": {start.Round(0).Add(-time.Hour), true},
	} {
		if got := journal.TermHolds(start, 10*time.Second, test.now); got != test.want {
			t.Errorf("%s: sure = %v, want %v", name, got, test.want)
		}
	}
}

// TestOwnedIsAskedOfTheLease: a daemon owns its journal from Own until Close or until its lease is lost, whatever the
// journal then answers.
func TestOwnedIsAskedOfTheLease(t *testing.T) {
	both(t, func(t *testing.T, config journal.Config) {
		j := open(t, config)
		t.Cleanup(func() { _ = j.Close() })
		if err := j.Owned(); !errors.Is(err, journal.ErrNotOwner) {
			t.Errorf("Owned before Own = %v, want ErrNotOwner", err)
		}
		if err := j.Own(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := j.Owned(); err != nil {
			t.Errorf("Owned after Own = %v", err)
		}
		if len(config.Endpoints) == 0 {
			return
		}
		journal.DropLease(t, j)
		<-j.Lost()
		if err := j.Owned(); !errors.Is(err, journal.ErrNotOwner) {
			t.Errorf("Owned after the lease was lost = %v, want ErrNotOwner", err)
		}
	})
}
