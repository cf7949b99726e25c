package timeline

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gitmetal/ingot/agent/hub"
	"github.com/gitmetal/ingot/agent/wire"
	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile"
	"github.com/gitmetal/ingot/reconcile/act"
	"github.com/gitmetal/ingot/reconcile/plan"
	"github.com/gitmetal/ingot/reconcile/status"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

func document(name string) status.Document {
	return status.Document{Metadata: status.Metadata{Name: name}}
}

func view(d status.Document, next string) reconcile.HostView {
	return reconcile.HostView{ID: d.Metadata.Host(), Name: d.Metadata.Name, Document: d, Plan: plan.Plan{Action: &act.Action{Reason: next}}}
}

func said(host string, lines ...string) hub.Event {
	return hub.Event{Host: host, Progress: wire.Progress{Lines: lines}}
}

// A story has what the document remembers, then what was seen since; a step that repeats itself is one.
func TestAStoryBeginsBeforeTheDaemon(t *testing.T) {
	t.Parallel()
	s := NewRecorder()
	d := document("web-03")
	d.LastOperation = &inventory.Operation{ID: "o1", Kind: inventory.Install, Workload: "web", Commit: "1111111111111", Started: noon.Add(-5 * time.Hour), Ended: noon.Add(-4 * time.Hour), Outcome: inventory.Quarantined, Error: "no space"}
	d.Installed = &inventory.Installed{ID: "o0", Workload: "web", Commit: "0000000000000", At: noon.Add(-9 * time.Hour), PhoneHome: noon.Add(-8 * time.Hour), Disk: inventory.DiskID{Serial: "S1"}}
	s.recordStep(view(d, "first"), noon)
	s.recordStep(view(d, "first"), noon.Add(time.Minute))
	d.Phase, d.Hold = plan.Held, &status.Hold{Message: "held"}
	s.recordStep(view(d, "first"), noon.Add(2*time.Minute))
	d.Installed.PhoneHome = noon.Add(time.Minute) // seen as it happened
	var got []string
	for _, step := range s.ReadTimeline("web-03", d).Steps {
		got = append(got, fmt.Sprintf("%s %s %s", step.At.Format("15:04"), step.Phase, step.Text))
	}
	want := []string{
		"03:00 Active installed web from commit 0000000000 on disk S1", "07:00 Installing began to install web from commit 1111111111",
		"08:00 Failed that was given up: no space", "12:00  first", "12:02 Held held",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Whatever machines say, and however many: what is kept is bounded.
func TestStoriesAreBounded(t *testing.T) {
	t.Parallel()
	s := NewRecorder()
	for i := range 2 * keptSteps {
		s.recordStep(view(document("a"), fmt.Sprint(i)), noon)
	}
	for i := range 2 * keptLines {
		s.recordOutput(said("a", fmt.Sprint(i), strings.Repeat("x", 100*keptLine)))
	}
	story := s.ReadTimeline("a", document("a"))
	if n := len(story.Steps); n != keptSteps || story.Steps[n-1].Text != fmt.Sprint(2*keptSteps-1) {
		t.Errorf("%d steps, the last %+v", n, story.Steps[n-1])
	}
	if n := len(story.Console); n != keptLines || len(story.Console[n-1]) != keptLine || story.Console[n-2] != fmt.Sprint(2*keptLines-1) {
		t.Errorf("%d lines, the last of %d bytes", n, len(story.Console[n-1]))
	}
	for i := range keptConsoles {
		s.recordOutput(said(fmt.Sprint(i), "hello"))
		s.recordOutput(said("b", "again"))
	}
	if len(s.ReadTimeline("a", document("a")).Console) != 0 || len(s.ReadTimeline("b", document("b")).Console) != keptConsoles || len(s.spoke) != keptConsoles {
		t.Errorf("a has %d lines, b %d, %d consoles are kept", len(s.ReadTimeline("a", document("a")).Console), len(s.ReadTimeline("b", document("b")).Console), len(s.spoke))
	}
	if slices.Contains(s.spoke, "a") {
		t.Error("the console of a is kept, which spoke first")
	}
}

// A host that was not looked at yet has no document: its story is its own all the same.
func TestAHostThatWasNotLookedAt(t *testing.T) {
	t.Parallel()
	s := NewRecorder()
	s.recordOutput(said("a", "of a"))
	s.recordOutput(said("b", "of b"))
	if got := s.ReadTimeline("a", status.Document{}).Console; !slices.Equal(got, []string{"of a"}) {
		t.Errorf("the jobs of a said %q", got)
	}
}

// TestTheStoryOfARetiredMachine says what was done to a machine that left the fleet.
func TestTheStoryOfARetiredMachine(t *testing.T) {
	t.Parallel()
	op := &inventory.Operation{ID: "o1", Kind: inventory.Erase, Commit: "1111111111111", Started: noon, Ended: noon.Add(time.Hour), Outcome: inventory.Succeeded}
	var got []string
	for _, step := range restoreSteps(status.Document{LastOperation: op}) {
		got = append(got, step.Phase+" "+step.Text)
	}
	want := []string{"Retiring began to erase the disks for spec.retire from commit 1111111111", "Retired the disks are erased and read back"}
	if !slices.Equal(got, want) {
		t.Errorf("the story is %q, want %q", got, want)
	}
}
