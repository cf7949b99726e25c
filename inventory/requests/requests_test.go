package requests_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitmetal/ingot/inventory/requests"
	"github.com/gitmetal/ingot/schemas"
)

func reboot(id, mode string) schemas.Requests {
	return schemas.Requests{Reboot: &schemas.RebootRequest{ID: id, Mode: mode}}
}

// TestOpen says which requests of a file are still to be done.
func TestOpen(t *testing.T) {
	t.Parallel()
	all := schemas.Requests{Resume: "hold/0123abcd", Inspect: "2026-11-29", Reboot: &schemas.RebootRequest{ID: "fw-7"}, Rotate: "q4"}
	for name, test := range map[string]struct {
		asked schemas.Requests
		done  *requests.Done
		want  []string
	}{
		"nothing is asked for":        {schemas.Requests{}, &requests.Done{}, nil},
		"nothing is known":            {all, nil, nil},
		"nothing is done":             {all, &requests.Done{}, []string{"resume hold/0123abcd", "inspect 2026-11-29", "reboot fw-7 (Soft)", "rotate q4"}},
		"one is done":                 {all, &requests.Done{Inspect: []string{"2026-11-29"}, Rotate: []string{"q4"}}, []string{"resume hold/0123abcd", "reboot fw-7 (Soft)"}},
		"one value of another kind":   {reboot("x", "Hard"), &requests.Done{Inspect: []string{"x"}}, []string{"reboot x (Hard)"}},
		"a value before it":           {reboot("fw-8", ""), &requests.Done{Reboot: []string{"fw-7"}}, []string{"reboot fw-8 (Soft)"}},
		"the same value, hard":        {reboot("fw-7", "Hard"), &requests.Done{Reboot: []string{"fw-7"}}, nil},
		"a value that was done again": {reboot("fw-7", ""), &requests.Done{Reboot: []string{"fw-7", "fw-8"}}, nil},
	} {
		var got []string
		for _, r := range requests.Open(test.asked, test.done) {
			got = append(got, r.String())
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// TestTheLastEightAreKept does more requests than are kept: the newest stay, each once, and no list changes in place.
func TestTheLastEightAreKept(t *testing.T) {
	t.Parallel()
	var done *requests.Done
	for i := range requests.MaxDone + 3 {
		before := done
		done = done.With(requests.Request{Kind: requests.Reboot, Value: fmt.Sprint("r", i)}, "")
		if before != nil && len(before.Reboot) > 0 && before.Reboot[len(before.Reboot)-1] != fmt.Sprint("r", i-1) {
			t.Fatalf("the list before changed: %v", before.Reboot)
		}
	}
	done = done.With(requests.Request{Kind: requests.Reboot, Value: "r5"}, "a note")
	want := &requests.Done{Reboot: []string{"r3", "r4", "r6", "r7", "r8", "r9", "r10", "r5"}, Notes: map[requests.Kind]string{requests.Reboot: "a note"}}
	if diff := cmp.Diff(want, done); diff != "" {
		t.Errorf("done (-want +got):\n%s", diff)
	}
	if again := done.With(requests.Request{Kind: requests.Reboot, Value: "r11"}, ""); again.Notes != nil {
		t.Errorf("notes %v after a request that was simply done, want none", again.Notes)
	}
}

// TestTakeAsDone has a machine of which nothing is known take what stands in its file as done.
func TestTakeAsDone(t *testing.T) {
	t.Parallel()
	want := &requests.Done{Reboot: []string{"fw-7"}, Notes: map[requests.Kind]string{
		requests.Reboot: "reboot fw-7 (Hard) is taken as done: it stood in the file when the host became known"}}
	if diff := cmp.Diff(want, requests.TakeAsDone(reboot("fw-7", "Hard"))); diff != "" {
		t.Errorf("done (-want +got):\n%s", diff)
	}
	if got := requests.TakeAsDone(schemas.Requests{}); got == nil || got.ForPage() != nil {
		t.Errorf("without requests: %+v, want an empty list that no page has", got)
	}
}

// TestMerge joins what two records know.
func TestMerge(t *testing.T) {
	t.Parallel()
	list := func(values ...string) *requests.Done { return &requests.Done{Reboot: values} }
	for name, test := range map[string]struct{ newer, older, want *requests.Done }{
		"neither knows":         {nil, nil, nil},
		"the newer one alone":   {list("a"), nil, list("a")},
		"the older one alone":   {nil, list("a"), list("a")},
		"both":                  {list("b", "c"), list("a", "b"), list("a", "b", "c")},
		"the older one of more": {list("a"), list("a", "b"), list("b", "a")},
	} {
		if diff := cmp.Diff(test.want, requests.Merge(test.newer, test.older)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// TestResumeValue is the value that a hold prints.
func TestResumeValue(t *testing.T) {
	t.Parallel()
	for operation, want := range map[string]string{"9f3a12cd5d0c4e8f9a7b6c5d": "cabling/9f3a12cd", "op-1": "cabling/op-1", "": "cabling/"} {
		if got := requests.ResumeValue("cabling", operation); got != want {
			t.Errorf("ResumeValue(%q) = %q, want %q", operation, got, want)
		}
	}
}
