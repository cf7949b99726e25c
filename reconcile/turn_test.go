package reconcile_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile"
	"github.com/gitmetal/ingot/reconcile/act"
	"github.com/gitmetal/ingot/reconcile/journal"
	"github.com/gitmetal/ingot/schemas"
)

// told is a world whose every effect is written down, with its time.
type told struct {
	*world
	story *strings.Builder
}

func (s told) say(format string, args ...any) {
	fmt.Fprintf(s.story, "%s "+format+"\n", append([]any{time.Now().Format("15:04:05.000")}, args...)...)
}

func (s told) Put(ctx context.Context, record inventory.Record, revision int64) (int64, error) {
	body, err := json.Marshal(record)
	if err != nil {
		return 0, err
	}
	next, err := s.world.Put(ctx, record, revision)
	s.say("put %s at %d: %d, %v", body, revision, next, err)
	return next, err
}

func (s told) Observe(ctx context.Context, d inventory.Desired, record inventory.Record) inventory.Observed {
	s.say("look at %s", d.ID)
	return s.world.Observe(ctx, d, record)
}

func (s told) Do(ctx context.Context, d inventory.Desired, record inventory.Record, action act.Action) act.Outcome {
	outcome := s.world.Do(ctx, d, record, action)
	s.say("%s at %s: %+v", action.Kind, d.ID, outcome)
	return outcome
}

func (s told) Publish(ctx context.Context, changed map[string][]byte, message string) (string, error) {
	tip, err := s.world.Publish(ctx, changed, message)
	s.say("push %q: %s, %v", message, tip, err)
	for _, file := range slices.Sorted(maps.Keys(changed)) {
		s.say("%s:\n%s", file, changed[file])
	}
	return tip, err
}

// troubled is a world of a ring whose machines do not all behave, with a release that follows the first.
func troubled() told {
	r := &rollout{world: newWorld(8)}
	ids := slices.Sorted(maps.Keys(r.machines))
	spec := schemas.RingSpec{Tag: "v*", PauseAfter: 9, MaxUnavailable: "3"}
	r.fleet.Rings = map[string]inventory.Ring{"prod": {Name: "prod", Spec: spec, Hosts: ids}}
	for _, id := range ids {
		d := r.fleet.Hosts[id]
		d.Ring = "prod"
		r.fleet.Hosts[id] = d
	}
	r.release(nil, "v1", "1111", nil)
	r.machines[ids[1]].hangs, r.machines[ids[2]].refuses, r.machines[ids[4]].busy = true, true, true
	r.machines[ids[3]].breaks, r.machines[ids[6]].silent = "1111", true
	return told{r.world, &strings.Builder{}}
}

// turns drives a loop from this goroutine alone for a while, and gives what happened.
func (s told) turns(t *testing.T, during time.Duration) string {
	t.Helper()
	draws := 0
	loop, err := reconcile.New(reconcile.Config{
		Source: s, Load: s.load, Journal: s, Observer: s, Executor: s, Publisher: s, Limits: reconcile.Limits{Installs: 5},
		Jitter: func() float64 { draws++; return float64(draws%7) / 7 },
		NewID:  func() string { s.ids++; return fmt.Sprintf("id-%d", s.ids) },
	})
	if err != nil {
		t.Fatal(err)
	}
	begun, released := time.Now(), false
	for time.Since(begun) < during {
		done, next, err := loop.Turn(t.Context())
		switch {
		case err != nil:
			t.Fatal(err)
		case done:
		case next.IsZero():
			t.Fatal("nothing is ever due again")
		default:
			<-time.After(time.Until(next))
		}
		if !released && time.Since(begun) > during/2 {
			released = true
			r := rollout{world: s.world}
			r.release(nil, "v2", "2222", nil)
			s.sources.Trunk.Commit = strings.Repeat("2", 40)
			loop.RefreshSource()
		}
	}
	return s.story.String()
}

// TestTheSameWorldGivesTheSameHistory drives a loop by Turn, a hundred times: every write, look, effect and page is the
// same at the same time.
func TestTheSameWorldGivesTheSameHistory(t *testing.T) {
	t.Parallel()
	history := func() (story string) {
		synctest.Test(t, func(t *testing.T) { story = troubled().turns(t, 90*time.Minute) })
		return story
	}
	first := history()
	for _, want := range []string{"BootFromMedia", `"outcome":"Succeeded"`, `"outcome":"Quarantined"`,
		"the BMC refuses", "README.md", "2222"} {
		if !strings.Contains(first, want) {
			t.Errorf("nothing is said of %s in %d bytes", want, len(first))
		}
	}
	runs := 100
	if testing.Short() {
		runs = 10
	}
	for i := range runs {
		if again := history(); again != first {
			t.Fatalf("run %d differs: %s", i, difference(first, again))
		}
	}
}

// difference is where two histories part.
func difference(a, b string) string {
	one, other := strings.Split(a, "\n"), strings.Split(b, "\n")
	for i := range min(len(one), len(other)) {
		if one[i] != other[i] {
			return fmt.Sprintf("line %d:\n%s\n%s", i, one[i], other[i])
		}
	}
	return fmt.Sprintf("%d lines, then %d", len(one), len(other))
}

// TestTurnEndsWithTheOwnership has the journal get another owner: nothing is done any more.
func TestTurnEndsWithTheOwnership(t *testing.T) {
	run(t, func(t *testing.T) {
		w := newWorld(1)
		loop, err := reconcile.New(reconcile.Config{
			Source: w, Load: w.load, Journal: w, Observer: w, Executor: w, Publisher: w, NewID: func() string { return "id" },
		})
		if err != nil {
			t.Fatal(err)
		}
		w.owner = fmt.Errorf("another one: %w", journal.ErrNotOwner)
		for range 10 {
			done, _, turned := loop.Turn(t.Context())
			if err = turned; !done {
				break
			}
		}
		if done, _, again := loop.Turn(t.Context()); !errors.Is(err, journal.ErrNotOwner) || done ||
			!errors.Is(again, journal.ErrNotOwner) {
			t.Errorf("Turn = %v, then %t, %v", err, done, again)
		}
	})
}
