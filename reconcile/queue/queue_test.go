package queue_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/queue"
)

func TestAHostIsGivenOutOnceUntilItIsDone(t *testing.T) {
	t.Parallel()
	q := queue.New(9)
	now := time.Unix(1000, 0)
	q.AddHost("b", now, queue.Routine)
	q.AddHost("a", now, queue.Routine)
	q.AddHost("later", now.Add(time.Minute), queue.Routine)
	if due, next := take(q, now); !slices.Equal(due, []inventory.MachineID{"a", "b"}) || !next.Equal(now.Add(time.Minute)) {
		t.Fatalf("take = %v, %v; want a and b, and later in a minute", due, next)
	}
	q.AddHost("a", now, queue.Routine) // asked for while it is being looked at
	if due, _ := take(q, now); len(due) != 0 {
		t.Fatalf("take = %v while a is busy, want none", due)
	}
	q.FinishLook("a", now.Add(time.Hour), queue.Routine)
	q.FinishLook("b", now.Add(time.Hour), queue.Routine)
	if due, _ := take(q, now); !slices.Equal(due, []inventory.MachineID{"a"}) {
		t.Errorf("take = %v, want a, which was asked for meanwhile", due)
	}
}

func TestAskingEarlierCountsAskingLaterDoesNot(t *testing.T) {
	t.Parallel()
	q := queue.New(9)
	now := time.Unix(1000, 0)
	q.AddHost("a", now.Add(time.Minute), queue.Routine)
	q.AddHost("a", now.Add(time.Hour), queue.Routine)
	if _, next := take(q, now); !next.Equal(now.Add(time.Minute)) {
		t.Errorf("next = %v, want in a minute", next)
	}
	<-q.Changed()
	q.AddHost("a", now, queue.Routine)
	<-q.Changed()
	if due, _ := take(q, now); !slices.Equal(due, []inventory.MachineID{"a"}) {
		t.Errorf("take = %v, want a", due)
	}
}

// TestWhatWasAskedForComesFirst: a host that a commit or a person asks for goes before hosts that are due for longer by
// routine, also when it was due by routine itself, and after a request during its look. No host waits for ever.
func TestWhatWasAskedForComesFirst(t *testing.T) {
	t.Parallel()
	now := time.Unix(10_000, 0)
	for name, test := range map[string]struct {
		ask  func(*queue.Queue)
		want []inventory.MachineID
	}{
		"by routine alone": {func(q *queue.Queue) { q.AddHost("z", now, queue.Routine) }, []inventory.MachineID{"a", "b", "z"}},
		"asked for":        {func(q *queue.Queue) { q.AddHost("z", now, queue.Asked) }, []inventory.MachineID{"z", "a", "b"}},
		"asked for while it is due": {func(q *queue.Queue) {
			q.AddHost("b", now, queue.Asked)
		}, []inventory.MachineID{"b", "a"}},
		"asked for during its look": {func(q *queue.Queue) {
			q.AddHost("z", now.Add(-time.Hour), queue.Routine)
			place, _ := q.NextDue(now)
			q.AddHost("z", now, queue.Asked)
			q.FinishLook(place.Host, now.Add(time.Hour), queue.Routine)
		}, []inventory.MachineID{"z", "a", "b"}},
		"one is due for very long": {func(q *queue.Queue) {
			q.AddHost("old", now.Add(-time.Hour), queue.Routine)
			q.AddHost("z", now, queue.Asked)
		}, []inventory.MachineID{"old", "z", "a", "b"}},
		"work under way, asked for later": {func(q *queue.Queue) {
			q.AddHost("z", now.Add(time.Second), queue.Asked)
		}, []inventory.MachineID{"a", "b"}},
	} {
		q := queue.New(9)
		q.AddHost("a", now.Add(-2*time.Minute), queue.Routine)
		q.AddHost("b", now.Add(-time.Minute), queue.Routine)
		test.ask(q)
		if due, _ := take(q, now); !slices.Equal(due, test.want) {
			t.Errorf("%s: take = %v, want %v", name, due, test.want)
		}
	}
}

// TestALaneHasItsOwnPlaces: however many hosts of one lane are due or in a look, a host of another lane has a place.
func TestALaneHasItsOwnPlaces(t *testing.T) {
	t.Parallel()
	now := time.Unix(1000, 0)
	all := []queue.Lane{queue.FirstContact, queue.Healthy, queue.Troubled}
	for _, full := range all {
		for _, other := range all {
			if other == full {
				continue
			}
			q := queue.New(2)
			for i := range 9 {
				id := inventory.MachineID(fmt.Sprintf("full-%d", i))
				q.SetLane(id, full)
				q.AddHost(id, now.Add(-time.Hour), queue.Asked)
			}
			given, _ := take(q, now)
			if want := map[queue.Lane]int{queue.FirstContact: 4, queue.Healthy: 2, queue.Troubled: 2}[full]; len(given) != want {
				t.Errorf("lane %d gives out %d hosts, want %d", full, len(given), want)
			}
			q.AddHost("other", now, queue.Routine)
			q.SetLane("other", other)
			if due, _ := take(q, now); !slices.Equal(due, []inventory.MachineID{"other"}) {
				t.Errorf("lane %d is full, and lane %d gives out %v, want the other host", full, other, due)
			}
			q.FinishLook(given[0], now.Add(time.Hour), queue.Routine)
			if due, _ := take(q, now); len(due) != 1 {
				t.Errorf("lane %d gives out %v after the end of a look, want one host", full, due)
			}
		}
	}
}

// TestASlowLookLeavesItsPlace: a look that goes on for long holds no place; its host is in the look still. What is left
// late, or twice, frees nothing.
func TestASlowLookLeavesItsPlace(t *testing.T) {
	t.Parallel()
	now := time.Unix(1000, 0)
	q := queue.New(1)
	for _, id := range []inventory.MachineID{"a", "b", "c"} {
		q.SetLane(id, queue.Healthy)
		q.AddHost(id, now, queue.Routine)
	}
	slow, _ := q.NextDue(now)
	if due, _ := take(q, now); len(due) != 0 {
		t.Fatalf("take = %v, want none beside the one place", due)
	}
	q.LeavePlace(slow)
	q.LeavePlace(slow)
	q.AddHost(slow.Host, now, queue.Asked)
	if due, _ := take(q, now); !slices.Equal(due, []inventory.MachineID{"b"}) {
		t.Errorf("take = %v, want b alone: a is in its look", due)
	}
	q.FinishLook(slow.Host, now.Add(time.Hour), queue.Routine)
	if due, _ := take(q, now); len(due) != 0 {
		t.Errorf("take = %v at the end of a look without a place, want none", due)
	}
	q.FinishLook("b", now.Add(time.Hour), queue.Routine)
	again, _ := q.NextDue(now)
	q.LeavePlace(slow) // its look is over
	if due, _ := take(q, now); again.Host != "a" || len(due) != 0 {
		t.Errorf("take = %v beside %s, want none beside a", due, again.Host)
	}
}

// TestTroubleKeepsItsPlaces: however long looks take, no more than the workers of a lane wait for BMCs in trouble; and
// looks without a place are bounded.
func TestTroubleKeepsItsPlaces(t *testing.T) {
	t.Parallel()
	now := time.Unix(1000, 0)
	for lane, want := range map[queue.Lane]int{queue.Troubled: 2, queue.Healthy: 2 + 16*2, queue.FirstContact: 4 + 16*2} {
		q := queue.New(2)
		for i := range 100 {
			id := inventory.MachineID(fmt.Sprintf("host-%d", i))
			q.SetLane(id, lane)
			q.AddHost(id, now, queue.Routine)
		}
		given := 0
		for {
			place, _ := q.NextDue(now)
			if place == nil {
				break
			}
			given++
			q.LeavePlace(place)
		}
		if given != want {
			t.Errorf("lane %d: %d looks at a time that do not end, want %d", lane, given, want)
		}
	}
}

// take gives all hosts that are due and have a place, and the time of the next one.
func take(q *queue.Queue, now time.Time) (due []inventory.MachineID, next time.Time) {
	for {
		place, at := q.NextDue(now)
		if place == nil {
			return due, at
		}
		due = append(due, place.Host)
	}
}

// TestLooksThatAskForOneAnotherRest: two hosts whose looks ask for one another, and for themselves, are looked at twenty
// times in a second, whoever asks; a request of a time when the clock was set back waits no longer than that.
func TestLooksThatAskForOneAnotherRest(t *testing.T) {
	t.Parallel()
	q := queue.New(9)
	now := time.Unix(1000, 0)
	looks := func() (count int) {
		for {
			due, _ := take(q, now)
			if len(due) == 0 || count > 1000 {
				return count
			}
			for _, host := range due {
				q.AddHost("a", now, queue.Asked)
				q.FinishLook(host, now, queue.Asked)
				q.AddHost("b", now, queue.Asked)
				count++
			}
		}
	}
	q.AddHost("a", now, queue.Asked)
	if got := looks(); got != 40 {
		t.Errorf("%d looks at two hosts at one moment, want 40", got)
	}
	if _, next := take(q, now); !next.Equal(now.Add(time.Second)) {
		t.Errorf("the next look is at %v, want in a second", next)
	}
	now = now.Add(time.Second)
	if got := looks(); got != 40 {
		t.Errorf("%d looks in the next second, want 40", got)
	}
	now = now.Add(-time.Hour)
	q.AddHost("a", now, queue.Asked)
	if due, _ := take(q, now); len(due) != 1 {
		t.Errorf("%v are due after the clock was set back, want a", due)
	}
}
