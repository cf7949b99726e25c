package queue_test

import (
	"slices"
	"testing"
	"time"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/queue"
)

func TestAHostIsGivenOutOnceUntilItIsDone(t *testing.T) {
	t.Parallel()
	q := queue.New()
	now := time.Unix(1000, 0)
	q.AddHost("b", now)
	q.AddHost("a", now)
	q.AddHost("later", now.Add(time.Minute))
	if due, next := take(q, now); !slices.Equal(due, []inventory.MachineID{"a", "b"}) || !next.Equal(now.Add(time.Minute)) {
		t.Fatalf("take = %v, %v; want a and b, and later in a minute", due, next)
	}
	q.AddHost("a", now) // asked for while it is being looked at
	if due, _ := take(q, now); len(due) != 0 {
		t.Fatalf("take = %v while a is busy, want none", due)
	}
	q.FinishLook("a", now.Add(time.Hour))
	q.FinishLook("b", now.Add(time.Hour))
	if due, _ := take(q, now); !slices.Equal(due, []inventory.MachineID{"a"}) {
		t.Errorf("take = %v, want a, which was asked for meanwhile", due)
	}
}

func TestAskingEarlierCountsAskingLaterDoesNot(t *testing.T) {
	t.Parallel()
	q := queue.New()
	now := time.Unix(1000, 0)
	q.AddHost("a", now.Add(time.Minute))
	q.AddHost("a", now.Add(time.Hour))
	if _, next := take(q, now); !next.Equal(now.Add(time.Minute)) {
		t.Errorf("next = %v, want in a minute", next)
	}
	<-q.Changed()
	q.AddHost("a", now)
	<-q.Changed()
	if due, _ := take(q, now); !slices.Equal(due, []inventory.MachineID{"a"}) {
		t.Errorf("take = %v, want a", due)
	}
}

// take gives all hosts that are due, and the time of the next one.
func take(q *queue.Queue, now time.Time) (due []inventory.MachineID, next time.Time) {
	for {
		id, is, at := q.NextDue(now)
		if !is {
			return due, at
		}
		due = append(due, id)
	}
}
