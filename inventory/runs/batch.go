package runs

import (
	"fmt"
	"slices"
	"time"

	"github.com/gitmetal/ingot/inventory/format"
)

// Outcome is how a run ended.
type Outcome string

// Outcomes of a run.
const (
	Succeeded Outcome = "Succeeded" // exit code 0, and the results are stored
	Failed    Outcome = "Failed"    // the job failed by itself: another exit code, the deadline, a missing result
	// Lost is a run whose machine crashed, lost power or fell silent: the failure is not the job's.
	Lost Outcome = "Lost"
	// Withdrawn is a run that was taken back, or never began.
	Withdrawn Outcome = "Withdrawn"
)

// IsKnown reports whether this ingot knows the outcome; "" is a run that has not ended.
func (o Outcome) IsKnown() bool {
	return o == "" || o == Succeeded || o == Failed || o == Lost || o == Withdrawn
}

// maxLost is how often an item goes to another machine after a lost run.
const maxLost = 5

// Bounds of what is kept.
const (
	MaxItems   = 10_000 // of a batch
	maxOrphans = 50     // newest orphans of a batch
	maxDone    = 100    // ids of batches that ended
	shortText  = 200    // bytes of output and error on a page
)

// Batch is all runs of one Workload with the same inputs. Every item succeeds once.
type Batch struct {
	ID          string    `json:"id"`
	Text        string    `json:"text,omitempty"` // spec.run.batch
	Commit      string    `json:"commit"`
	Completions int       `json:"completions"`
	Retries     int       `json:"retries,omitempty"`
	StopAfter   int       `json:"stopAfter,omitempty"`
	Began       time.Time `json:"began"`
	Ended       time.Time `json:"ended,omitzero"`
	// Stopped says why the batch starts no more runs before every item is done: cancelled, or too many failures.
	Stopped string `json:"stopped,omitempty"`
	// Orphans are results that came after their run was given up, newest last. They do not count.
	Orphans []Orphan `json:"orphans,omitempty"`
	Items   []Item   `json:"items"`
	// Unknown holds a newer ingot's members, to write back.
	Unknown format.Unknown `json:"-"`
}

// Orphan is a result that does not count.
type Orphan struct {
	Run     string `json:"run"`
	Item    int    `json:"item"`
	Machine string `json:"machine"`
	Why     string `json:"why"`
}

// Item is one item of a batch, with the end of its last run.
type Item struct {
	Outcome  Outcome `json:"outcome,omitempty"`  // Succeeded or Failed; "" while the item is to be done
	Failures int     `json:"failures,omitempty"` // runs whose job failed
	Lost     int     `json:"lost,omitempty"`     // runs that were lost
	// Counted are the ids of the runs that were counted, so that no run counts twice; the last one decided the outcome.
	Counted []string `json:"counted,omitempty"`
	// Avoid are the machines on which the item failed or was lost.
	Avoid   []string  `json:"avoid,omitempty"`
	Machine string    `json:"machine,omitempty"` // of the last run
	Exit    int       `json:"exit,omitempty"`
	Error   string    `json:"error,omitempty"`
	Bytes   int64     `json:"bytes,omitempty"`
	Output  string    `json:"output,omitempty"` // the beginning, masked
	Ended   time.Time `json:"ended,omitzero"`
	// Unknown holds a newer ingot's members, to write back.
	Unknown format.Unknown `json:"-"`
}

// IsDone reports whether the item needs no more runs.
func (i Item) IsDone() bool { return i.Outcome != "" }

// NewBatch begins the batch of a Work.
func NewBatch(w Work, now time.Time) *Batch {
	return &Batch{ID: w.Batch, Text: w.Text, Commit: w.Commit, Completions: w.Completions, Retries: w.Retries,
		StopAfter: w.StopAfter, Began: now.UTC().Truncate(time.Second), Items: make([]Item, w.Count())}
}

// adjust gives an open batch the limits of a later commit.
func (b *Batch) adjust(w Work) *Batch {
	same := b.Completions == w.Completions && b.Retries == w.Retries && b.StopAfter == w.StopAfter
	if b.IsOver() || same {
		return b
	}
	next := b.clone()
	next.Completions, next.Retries, next.StopAfter = w.Completions, w.Retries, w.StopAfter
	return next
}

// End is the end of one run, as it is counted.
type End struct {
	Run
	Outcome Outcome
	Why     string // of a run that was lost or withdrawn
	Ended
}

// Count counts the end of a run, once: a run that was counted before changes nothing. The given batch is not changed. The
// first row that fits decides:
//
//	the run                                     the item
//	is counted, or names no item of the batch   stays
//	was withdrawn                               stays, and is due again
//	ended after its item was done               stays; the run is an orphan
//	succeeded                                   succeeded
//	was lost                                    is due again; after 5 more machines failed
//	failed                                      is due again until the retries are used up, then failed
func (b *Batch) Count(e End) *Batch {
	if b.hasCounted(e) {
		return b
	}
	next := b.clone()
	item := next.Items[e.Item]
	if item.IsDone() {
		next.Items[e.Item].Counted = slices.Insert(slices.Clone(item.Counted), 0, e.ID)
		return next.addOrphan(e, "the item was done before")
	}
	item.Counted = append(slices.Clone(item.Counted), e.ID)
	item.Machine, item.Exit, item.Error, item.Bytes = e.Machine, e.Exit, cutShort(describeEnd(e)), e.Bytes
	item.Output, item.Ended = cutShort(e.Output), e.Ended.Ended.UTC().Truncate(time.Second)
	switch e.Outcome {
	case Succeeded:
		item.Outcome = Succeeded
	case Lost:
		item.Lost++
		if item.Lost > maxLost {
			item.Outcome = Failed
		}
	case Failed:
		item.Failures++
		if item.Failures > next.Retries {
			item.Outcome = Failed
		}
	}
	if e.Outcome != Succeeded && !slices.Contains(item.Avoid, e.Machine) {
		item.Avoid = append(slices.Clone(item.Avoid), e.Machine)
	}
	next.Items[e.Item] = item
	return next.settle(e.Ended.Ended)
}

// hasCounted reports whether Count would change nothing: the run is counted, or never counts.
func (b *Batch) hasCounted(e End) bool {
	return b == nil || e.Item < 0 || e.Item >= len(b.Items) || slices.Contains(b.Items[e.Item].Counted, e.ID) ||
		e.Outcome == Withdrawn || e.Outcome == ""
}

// addOrphan keeps a result that does not count. The batch is a clone.
func (b *Batch) addOrphan(e End, why string) *Batch {
	b.Orphans = append(slices.Clone(b.Orphans), Orphan{Run: e.ID, Item: e.Item, Machine: e.Machine, Why: why})
	b.Orphans = b.Orphans[max(0, len(b.Orphans)-maxOrphans):]
	return b
}

// settle ends the batch when nothing is left to do, or stops the batch after too many failures.
func (b *Batch) settle(at time.Time) *Batch {
	c := b.Tally(nil)
	if b.StopAfter > 0 && c.Failed >= b.StopAfter && b.Stopped == "" && c.Waiting > 0 {
		b.Stopped = fmt.Sprintf("%d items failed (spec.run.onFailure)", c.Failed)
	}
	if b.Ended.IsZero() && (c.Succeeded >= b.Completions || c.Waiting == 0) {
		b.Ended = at.UTC().Truncate(time.Second)
	}
	return b
}

func (b *Batch) clone() *Batch {
	next := *b
	next.Items = slices.Clone(b.Items)
	return &next
}

// Tally counts the items of a batch. Running are the items that a machine works on.
type Tally struct{ Waiting, Running, Succeeded, Failed int }

// Tally counts the items; running are those that a machine works on.
func (b *Batch) Tally(running map[int]bool) (t Tally) {
	for i, item := range b.Items {
		switch {
		case item.Outcome == Succeeded:
			t.Succeeded++
		case item.Outcome == Failed:
			t.Failed++
		case running[i]:
			t.Running++
		default:
			t.Waiting++
		}
	}
	return t
}

// IsOver reports whether the batch starts no more runs.
func (b *Batch) IsOver() bool { return !b.Ended.IsZero() || b.Stopped != "" }

// NextItem chooses the item for a free machine, among those that are due and that no machine works on: first one that did
// not fail on this machine, then the lowest number. An item that failed on this machine waits while another claimed
// machine could take it. False: there is nothing for the machine.
func (b *Batch) NextItem(machine string, claimed []string, running map[int]bool) (item int, due bool) {
	if b.IsOver() || len(running)+b.Tally(nil).Succeeded >= b.Completions {
		return 0, false
	}
	avoided := -1
	for i, it := range b.Items {
		if it.IsDone() || running[i] {
			continue
		}
		if !slices.Contains(it.Avoid, machine) {
			return i, true
		}
		elsewhere := slices.ContainsFunc(claimed, func(other string) bool { return !slices.Contains(it.Avoid, other) })
		if avoided < 0 && !elsewhere {
			avoided = i
		}
	}
	return max(avoided, 0), avoided >= 0
}

// Attempt is the number of the next run of an item, from 1.
func (b *Batch) Attempt(item int) int { return len(b.Items[item].Counted) + 1 }

// Merge gives what two copies of one batch know together: an item that either knows to be done is done.
func (b *Batch) Merge(other *Batch) *Batch {
	if b == nil || other == nil || b.ID != other.ID || len(b.Items) != len(other.Items) {
		return b
	}
	next := b.clone()
	for i, theirs := range other.Items {
		ours := next.Items[i]
		if theirs.Outcome == Succeeded && ours.Outcome != Succeeded ||
			!ours.IsDone() && (theirs.IsDone() || len(theirs.Counted) > len(ours.Counted)) {
			next.Items[i] = theirs
		}
	}
	if next.Stopped == "" {
		next.Stopped = other.Stopped
	}
	at := other.Ended
	if at.IsZero() {
		at = b.Began
	}
	return next.settle(at)
}

// describeEnd is the error of a run for people; "" for one that succeeded.
func describeEnd(e End) string {
	switch {
	case e.Outcome == Succeeded:
		return ""
	case e.Why != "":
		return e.Why
	case e.Error != "":
		return e.Error
	default:
		return fmt.Sprintf("exit code %d", e.Exit)
	}
}

// cutShort bounds a text of a run for a page.
func cutShort(text string) string {
	if len(text) <= shortText {
		return text
	}
	cut := shortText
	for cut > 0 && text[cut]&0xC0 == 0x80 { // not inside a character
		cut--
	}
	return text[:cut]
}
