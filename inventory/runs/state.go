package runs

import (
	"slices"
	"time"

	"github.com/gitmetal/ingot/inventory/format"
)

// State is what is known of a Workload with runs: which machines it has claimed, and its batches. The journal and the
// status branch each keep a State; Merge combines the two after a loss.
type State struct {
	Workload string  `json:"workload"`
	Claims   []Claim `json:"claims,omitempty"` // the oldest first
	Batch    *Batch  `json:"batch,omitempty"`
	// Before is the batch before, with runs that may still be under way.
	Before *Batch `json:"before,omitempty"`
	// Done are the ids of ended batches, the newest last: what is finished is not begun again.
	Done []string `json:"done,omitempty"`
	// Cancelled is the id of the batch that a person cancelled.
	Cancelled string `json:"cancelled,omitempty"`
	// Now says that the cancelled batch's runs are taken back, and do not end by themselves.
	Now bool `json:"now,omitempty"`
	// Unreadable says why the State cannot be read: such a Workload claims nothing, and is never written.
	Unreadable string `json:"-"`
	// Unknown holds a newer ingot's members, to write back.
	Unknown format.Unknown `json:"-"`
}

// Claim is a machine that a Workload has.
type Claim struct {
	Machine string    `json:"machine"`
	Since   time.Time `json:"since"`
	// Epoch is the machine's epoch at the claim of a Workload that boots a kernel of its own: a look of a later boot is one
	// of this claim. 0 for a Workload with a script.
	Epoch uint64 `json:"epoch,omitempty"`
	// Leaving says why the machine gets no more runs, and is released at the end of the run under way; "" otherwise.
	Leaving string `json:"leaving,omitempty"`
}

// Follow gives the State for the Work of the accepted commit. The given State is not changed.
//
//	the batch of the commit      what follows
//	is the present one           goes on, with the limits of the commit
//	is the one before            becomes the present one again
//	ended earlier                is not begun again
//	is new                       begins; the present one starts no more runs, and counts those under way
func (s State) Follow(w Work, now time.Time) State {
	switch {
	case s.Unreadable != "":
		return s
	case s.Batch != nil && s.Batch.ID == w.Batch:
		s.Batch = s.Batch.adjust(w)
		return s
	case s.Before != nil && s.Before.ID == w.Batch:
		s.Batch, s.Before = s.Before.adjust(w), s.Batch
		return s
	}
	s.Done = addDone(s.Done, s.Before, s.Batch)
	finished := slices.Contains(s.Done, w.Batch)
	s.Before, s.Batch = s.Batch, NewBatch(w, now)
	if finished {
		s.Batch.Stopped = "it ended earlier: another spec.run.batch begins it anew"
	}
	return s
}

// addDone adds the ids of those batches that are over.
func addDone(done []string, all ...*Batch) []string {
	for _, b := range all {
		if b != nil && b.IsOver() && !slices.Contains(done, b.ID) {
			done = append(slices.Clone(done), b.ID)
		}
	}
	return done[max(0, len(done)-maxDone):]
}

// Cancel starts no more runs of the present batch. The given State is not changed.
func (s State) Cancel(now bool) State {
	if s.Batch == nil {
		return s
	}
	batch := *s.Batch
	batch.Stopped, s.Cancelled, s.Now = "it was cancelled", batch.ID, now
	s.Batch = &batch
	return s
}

// Count counts the end of a run in the batch that it belongs to. The given State is not changed.
func (s State) Count(e End) State {
	if s.Batch != nil && s.Batch.ID == e.Batch {
		s.Batch = s.Batch.Count(e)
	} else if s.Before != nil && s.Before.ID == e.Batch {
		s.Before = s.Before.Count(e)
	}
	return s
}

// HasCounted reports whether the end of a run needs no more counting: it is counted, it never counts, or its batch is
// not kept any more.
func (s State) HasCounted(e End) bool {
	for _, b := range []*Batch{s.Batch, s.Before} {
		if b != nil && b.ID == e.Batch {
			return b.hasCounted(e)
		}
	}
	return true
}

// Merge gives what two copies of a State know together. The claims are those of the first. A batch that only the other
// copy has becomes the one before, unless it is older than that one.
func (s State) Merge(other State) State {
	for _, theirs := range []*Batch{other.Batch, other.Before} {
		switch {
		case theirs == nil:
		case s.Batch != nil && s.Batch.ID == theirs.ID:
			s.Batch = s.Batch.Merge(theirs)
		case s.Before != nil && s.Before.ID == theirs.ID:
			s.Before = s.Before.Merge(theirs)
		case slices.Contains(s.Done, theirs.ID):
		case s.Before == nil || theirs.Began.After(s.Before.Began):
			s.Done = addDone(s.Done, s.Before)
			s.Before = theirs
		}
	}
	for _, id := range other.Done {
		if !slices.Contains(s.Done, id) {
			s.Done = append(slices.Clone(s.Done), id)
		}
	}
	return s
}

// Replicas is how many machines a Work wants: none after its batch, unless it keeps its machines.
func (s State) Replicas(w Work) int {
	if s.Batch != nil && s.Batch.ID == w.Batch && s.Batch.IsOver() && !w.Keeps {
		return 0
	}
	return w.Replicas
}

// Machines are the claimed machines, the oldest claim first.
func (s State) Machines() []string {
	machines := make([]string, 0, len(s.Claims))
	for _, c := range s.Claims {
		machines = append(machines, c.Machine)
	}
	return machines
}
