package notices

import (
	"slices"
	"time"
)

// pauses are the times between the tries of an event, in minutes: five tries within an hour.
var pauses = []int{1, 4, 10, 44}

// maxAge is when an event counts as old, in minutes: a failed try of an old event is its last one.
const maxAge = 60

// Attempts are the tries of one receiver. A restart begins the tries anew.
type Attempts struct {
	// Minute is how long a minute of the pauses is; default a minute.
	Minute time.Duration

	byEvent map[string]attempt
	until   time.Time // nothing is sent before: the receiver does not answer, or said so
}

func (a Attempts) minutes(n int) time.Duration {
	if a.Minute == 0 {
		return time.Duration(n) * time.Minute
	}
	return time.Duration(n) * a.Minute
}

type attempt struct {
	tries int
	next  time.Time
}

// Failure is a try that failed.
type Failure struct {
	// Down says that the receiver takes nothing now, whatever the event.
	Down bool
	// RetryAfter is how long the receiver asks to wait; 0 for no word.
	RetryAfter time.Duration
}

// NextFor gives the event that a receiver is to be sent now. Events of one machine go in their order: an event waits
// behind every earlier event that speaks of one of its machines. Without an event, wait is when to ask again; 0 means
// after the next change of the memory.
func (m *Memory) NextFor(receiver string, a Attempts, now time.Time) (event Event, found bool, wait time.Duration) {
	if now.Before(a.until) {
		return Event{}, false, a.until.Sub(now)
	}
	blocked, again := map[string]bool{}, time.Time{}
	for _, p := range m.Pending {
		if !slices.Contains(p.To, receiver) {
			continue
		}
		subjects := p.Event.subjects()
		behind := len(blocked) > 0 && (subjects == nil ||
			slices.ContainsFunc(subjects, func(key string) bool { return blocked[key] }))
		next := a.byEvent[p.Event.ID].next
		if !behind && !now.Before(next) {
			return p.Event, true, 0
		}
		if !behind {
			again = earliest(again, next)
		}
		if subjects == nil {
			break // it speaks of more machines than it lists
		}
		for _, key := range subjects {
			blocked[key] = true
		}
	}
	if again.IsZero() {
		return Event{}, false, 0
	}
	return Event{}, false, again.Sub(now)
}

// Settle removes an event that a receiver took, or that is given up.
func (m *Memory) Settle(receiver, id string) {
	for i := range m.Pending {
		if p := &m.Pending[i]; p.Event.ID == id {
			p.To = slices.DeleteFunc(slices.Clone(p.To), func(name string) bool { return name == receiver })
		}
	}
	m.Pending = slices.DeleteFunc(m.Pending, func(p Pending) bool { return len(p.To) == 0 })
}

// KeepReceivers drops what waits for receivers that are not configured any more.
func (m *Memory) KeepReceivers(names []string) {
	for i := range m.Pending {
		m.Pending[i].To = slices.DeleteFunc(slices.Clone(m.Pending[i].To),
			func(name string) bool { return !slices.Contains(names, name) })
	}
	m.Pending = slices.DeleteFunc(m.Pending, func(p Pending) bool { return len(p.To) == 0 })
}

// Succeed records that an event was sent: the receiver answers.
func (a *Attempts) Succeed(id string) {
	delete(a.byEvent, id)
	a.until = time.Time{}
}

// Fail records a try that failed, and reports whether it was the last one: the fifth, or one of an old event.
func (a *Attempts) Fail(e Event, f Failure, now time.Time) (last bool) {
	if a.byEvent == nil {
		a.byEvent = map[string]attempt{}
	}
	tried := a.byEvent[e.ID]
	tried.tries++
	asked := min(f.RetryAfter, a.minutes(maxAge))
	tried.next = now.Add(max(a.minutes(pauses[min(tried.tries, len(pauses))-1]), asked))
	if f.Down {
		a.until = now.Add(max(a.minutes(1), asked))
	}
	if last = tried.tries > len(pauses) || now.Sub(e.Time) >= a.minutes(maxAge); last {
		delete(a.byEvent, e.ID)
		return last
	}
	a.byEvent[e.ID] = tried
	return last
}
