package reconcile_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile"
)

// looks is a source that writes down when it was looked at.
type looks struct {
	*world
	takes time.Duration

	mu sync.Mutex
	at []time.Time
}

func (l *looks) Latest(ctx context.Context) (inventory.Sources, error) {
	l.mu.Lock()
	l.at = append(l.at, time.Now())
	l.mu.Unlock()
	<-time.After(l.takes)
	return l.world.Latest(ctx)
}

// follow runs a loop on such a source.
func (l *looks) follow(t *testing.T, jitter func() float64) (loop *reconcile.Loop, stop func()) {
	t.Helper()
	loop, err := reconcile.New(reconcile.Config{
		Source: l, Load: l.load, Journal: l.world, Observer: l.world, Executor: l.world, Publisher: l.world, NewID: func() string { return "id" }, Jitter: jitter,
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- loop.Run(ctx) }()
	return loop, func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run = %v", err)
		}
	}
}

// Twenty commits pushed within a second, each with its hint, are few looks, and the last look finds the newest commit.
func TestABurstOfPushesIsFewLooks(t *testing.T) {
	t.Parallel()
	for _, takes := range []time.Duration{time.Millisecond, 300 * time.Millisecond, 5 * time.Second} {
		t.Run(takes.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				source := &looks{world: newWorld(1), takes: takes}
				loop, stop := source.follow(t, func() float64 { return 0 })
				after(2 * time.Minute) // the machine is seen off for long enough, and is installed
				before := len(source.at)
				newest := ""
				for i := range 20 {
					newest = fmt.Sprintf("%040d", i+10)
					source.world.mu.Lock()
					source.sources.Trunk.Commit = newest
					source.world.mu.Unlock()
					loop.RefreshSource()
					loop.RefreshSource() // a webhook and an event of the file system
					after(50 * time.Millisecond)
				}
				after(30 * time.Second)
				if n := len(source.at) - before; n < 1 || n > 4 {
					t.Errorf("%d looks at the source for 20 pushes within a second, want at most 4", n)
				}
				if got := loop.View().Commit; got != newest {
					t.Errorf("the fleet is at %s, want the newest commit %s", got, newest)
				}
				stop()
			})
		})
	}
}

// A hint that comes when nothing happened for a while is not waited with.
func TestASingleHintIsFollowedAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		source := &looks{world: newWorld(1)}
		loop, stop := source.follow(t, func() float64 { return 0 })
		after(10 * time.Second)
		now := time.Now()
		loop.RefreshSource()
		after(time.Second)
		if last := source.at[len(source.at)-1]; last != now {
			t.Errorf("looked %s after the hint", last.Sub(now))
		}
		stop()
	})
}

// Without hints the source is looked at once per interval, and up to a tenth later.
func TestPollingHasJitter(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		source := &looks{world: newWorld(1)}
		draws := []float64{0, 0.5, 0.99}
		drawn := 0
		_, stop := source.follow(t, func() float64 { drawn++; return draws[drawn%3] })
		after(time.Hour) // the install of the host asks for a look of its own
		source.mu.Lock()
		source.at = nil
		source.mu.Unlock()
		after(time.Hour)
		stop()
		if n := len(source.at); n < 54 || n > 60 {
			t.Errorf("%d looks in an hour of polling every minute", n)
		}
		gaps := map[time.Duration]bool{}
		for i := 1; i < len(source.at); i++ {
			gap := source.at[i].Sub(source.at[i-1])
			gaps[gap] = true
			if gap < time.Minute || gap > 67*time.Second {
				t.Errorf("%s between two looks, want a minute and up to a tenth", gap)
			}
		}
		if len(gaps) < 2 {
			t.Errorf("every gap is the same: %v", gaps)
		}
	})
}
