package timeline

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/gitmetal/ingot/agent/hub"
	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile"
	"github.com/gitmetal/ingot/reconcile/act"
	"github.com/gitmetal/ingot/reconcile/plan"
	"github.com/gitmetal/ingot/reconcile/status"
)

// Timeline is what happened to a host, in order, and the output of the host's jobs since the daemon started.
type Timeline struct {
	Steps   []Step   `json:"steps"`
	Console []string `json:"console"` // output of jobs
}

// Step is a change of a host's phase, or of its action or reason to wait.
type Step struct {
	At    time.Time `json:"at"`
	Phase string    `json:"phase"`
	Text  string    `json:"text"`
}

// Bounds: steps and lines of a host, bytes of a line, and the number of hosts with kept output.
const (
	keptSteps    = 200
	keptLines    = 500
	keptLine     = 1 << 10
	keptConsoles = 200
)

// Recorder keeps the timelines and job outputs of all hosts.
type Recorder struct {
	mu    sync.Mutex
	hosts map[inventory.MachineID]*Timeline
	spoke []inventory.MachineID // hosts with output, the latest at the end
}

// NewRecorder makes an empty Recorder.
func NewRecorder() *Recorder {
	return &Recorder{hosts: map[inventory.MachineID]*Timeline{}}
}

// ReadTimeline gives a host's timeline: the steps in the document from before the first recorded step, then the
// recorded steps. Before the first look the document is empty, even the name.
func (s *Recorder) ReadTimeline(id inventory.MachineID, d status.Document) Timeline {
	s.mu.Lock()
	defer s.mu.Unlock()
	seen := s.hosts[id]
	if seen == nil {
		seen = &Timeline{}
	}
	steps := slices.DeleteFunc(restoreSteps(d),
		func(step Step) bool { return len(seen.Steps) > 0 && !step.At.Before(seen.Steps[0].At) })
	return Timeline{Steps: append(steps, seen.Steps...), Console: append([]string{}, seen.Console...)}
}

// restoreSteps gives the steps that a document remembers, in order.
func restoreSteps(d status.Document) []Step {
	steps := []Step{}
	add := func(at time.Time, phase plan.Phase, format string, args ...any) {
		if !at.IsZero() {
			steps = append(steps, Step{At: at, Phase: string(phase), Text: fmt.Sprintf(format, args...)})
		}
	}
	if op := d.LastOperation; op != nil && (d.Installed == nil || d.Installed.ID != op.ID) {
		add(op.Started, phaseOf(op), "began to %s from commit %.10s", tellWork(op), op.Commit)
		switch {
		case op.Outcome == inventory.Quarantined:
			add(op.Ended, plan.Failed, "that was given up: %s", op.Error)
		case op.Kind == inventory.Erase && op.Outcome == inventory.Succeeded:
			add(op.Ended, plan.Retired, "the disks are erased and read back")
		default:
			add(op.Ended, plan.Waiting, "that ended: %s", op.Outcome)
		}
	}
	if i := d.Installed; i != nil {
		add(i.At, plan.Active, "installed %s from commit %.10s on disk %s", i.Workload, i.Commit, i.Disk.Label())
		add(i.PhoneHome, plan.Active, "the installed system phoned home")
	}
	if op := d.Operation; op != nil {
		add(op.Started, phaseOf(op), "began to %s from commit %.10s", tellWork(op), op.Commit)
	}
	slices.SortStableFunc(steps, func(a, b Step) int { return a.At.Compare(b.At) })
	return steps
}

// phaseOf is the phase in which an operation is under way.
func phaseOf(op *inventory.Operation) plan.Phase {
	if op.Kind == inventory.Erase {
		return plan.Retiring
	}
	return plan.Installing
}

// tellWork says what an operation does.
func tellWork(op *inventory.Operation) string {
	if op.Kind == inventory.Erase {
		return "erase the disks for spec.retire"
	}
	return "install " + op.Workload
}

// ensureTimeline gives a host's timeline and makes it if needed. The caller holds the lock.
func (s *Recorder) ensureTimeline(host inventory.MachineID) *Timeline {
	if s.hosts[host] == nil {
		s.hosts[host] = &Timeline{}
	}
	return s.hosts[host]
}

// recordStep adds a step for a host's new state, unless the last step is the same.
func (s *Recorder) recordStep(h reconcile.HostView, now time.Time) {
	v, text := h.Document, ""
	if h.Plan.Action != nil {
		text = h.Plan.Action.Reason
	}
	switch {
	case v.Hold != nil:
		text = v.Hold.Message
	case h.Outcome.Result == act.Retry || h.Outcome.Result == act.Stalled:
		text = h.Outcome.Why
	case text == "" && v.Waits != "":
		text = "waits for " + v.Waits
	case text == "" && v.Pending != "":
		text = v.Pending
	case text == "" && v.Phase == plan.Active:
		text = "it runs what the fleet asks for"
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	story := s.ensureTimeline(h.ID)
	step := Step{At: now, Phase: string(v.Phase), Text: text}
	if n := len(story.Steps); n > 0 && story.Steps[n-1].Phase == step.Phase && story.Steps[n-1].Text == step.Text {
		return
	}
	story.Steps = keepLast(append(story.Steps, step), keptSteps)
}

// recordOutput adds the output of a host's job. If too many hosts have output, the oldest output is dropped.
func (s *Recorder) recordOutput(p hub.Event) {
	if len(p.Progress.Lines) == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	id := inventory.MachineID(p.Host)
	story := s.ensureTimeline(id)
	for _, line := range keepLast(p.Progress.Lines, keptLines) {
		story.Console = append(story.Console, line[:min(len(line), keptLine)])
	}
	story.Console = keepLast(story.Console, keptLines)
	if n := len(s.spoke); n > 0 && s.spoke[n-1] == id {
		return
	}
	s.spoke = append(slices.DeleteFunc(s.spoke, func(other inventory.MachineID) bool { return other == id }), id)
	if len(s.spoke) > keptConsoles {
		s.ensureTimeline(s.spoke[0]).Console = nil
		s.spoke = s.spoke[1:]
	}
}

// keepLast gives the last elements of a list, copied so that the remaining elements are freed.
func keepLast[T any](all []T, most int) []T {
	if len(all) <= most {
		return all
	}
	return slices.Clone(all[len(all)-most:])
}

// FollowHosts records changes and output until ctx ends.
func (s *Recorder) FollowHosts(ctx context.Context, loop *reconcile.Loop, jobs *hub.Hub) error {
	changes := loop.Watch()
	defer changes.Stop()
	progress, stopProgress := jobs.Subscribe()
	defer stopProgress()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changes.Changed():
			for _, id := range changes.TakeIDs() {
				if h, known := loop.ViewHost(id); known {
					s.recordStep(h, time.Now())
				}
			}
		case p := <-progress:
			s.recordOutput(p)
		}
	}
}
