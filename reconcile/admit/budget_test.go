package admit_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/admit"
)

// TestErasesWithinAnHour asks for one more erase after erases at the given minutes before noon.
func TestErasesWithinAnHour(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		minutes []int // of the other machines' erases, before noon
		under   int   // machines under way to an erase
		blank   bool  // the step erases nothing
		step    admit.Step
		until   int // minutes after noon; 0: never said
		want    bool
	}{
		"none":                       {want: true},
		"one less than the limit":    {minutes: []int{1, 5}, want: true},
		"the limit":                  {minutes: []int{1, 5, 50}, until: 10},
		"more than the limit":        {minutes: []int{1, 5, 50, 55}, until: 10},
		"one is over":                {minutes: []int{1, 5, 61}, want: true},
		"a clock that was ahead":     {minutes: []int{-100, -5, 3}, until: 57},
		"under way":                  {minutes: []int{1}, under: 2, until: 59},
		"all are under way":          {under: 3},
		"a blank disk":               {minutes: []int{1, 5, 50}, blank: true, want: true},
		"it was begun: a next step":  {minutes: []int{1, 5, 50}, step: admit.Repeat, want: true},
		"it is about to go down now": {minutes: []int{1, 5, 50}, step: admit.TakeDown, until: 10},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			all := []admit.Machine{{Name: "m", State: admit.Waiting}}
			for i, ago := range test.minutes {
				all = append(all, admit.Machine{Name: fmt.Sprint("e", i),
					Erased: admit.Erases{noon.Add(-24 * time.Hour).Unix(), noon.Add(-time.Duration(ago) * time.Minute).Unix()}})
			}
			for i := range test.under {
				all = append(all, admit.Machine{Name: fmt.Sprint("u", i), Busy: true, Erasing: true})
			}
			v := viewOf(admit.Fleet{Places: 99, ErasesPerHour: 3}, all...)
			step := test.step
			if step == "" {
				step = admit.Begin
			}
			for range 2 { // counting twice gives the same
				got := v.AskStep("m", admit.Question{Step: step, Erases: !test.blank}, noon)
				if got.IsAllowed() != test.want {
					t.Fatalf("AskStep = %+v, want allowed %t", got, test.want)
				}
				if test.want {
					continue
				}
				until := time.Time{}
				if test.until != 0 {
					until = noon.Add(time.Duration(test.until) * time.Minute)
				}
				if got.Reason != admit.ManyErases || !got.Until.Equal(until) {
					t.Errorf("AskStep = %+v, want %s until %s", got, admit.ManyErases, until)
				}
			}
		})
	}
}

// TestAMachineThatIsAboutToBeErasedKeepsItsRoom has the only room of the hour taken by the machine that asks.
func TestAMachineThatIsAboutToBeErasedKeepsItsRoom(t *testing.T) {
	t.Parallel()
	v := viewOf(admit.Fleet{Places: 9, ErasesPerHour: 1}, admit.Machine{Name: "m", Busy: true, Erasing: true},
		admit.Machine{Name: "o"})
	erase := admit.Question{Step: admit.HandOut, Erases: true}
	if got := v.AskStep("m", erase, noon); !got.IsAllowed() {
		t.Errorf("the machine that has the room: %+v, want allowed", got)
	}
	if got := v.AskStep("o", erase, noon); got.Reason != admit.ManyErases {
		t.Errorf("another machine: %+v, want %s", got, admit.ManyErases)
	}
}

// TestAWorkloadThatFailsStops counts the newest results of a workload.
func TestAWorkloadThatFailsStops(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		results string // of the machines in time, the oldest first: + and -
		resumed int    // results that an operator's resume took out
		want    bool   // stopped
	}{
		"nothing yet":                      {"", 0, false},
		"two failures":                     {"--", 0, false},
		"three failures":                   {"---", 0, true},
		"three of ten":                     {"-++-+++-++", 0, true},
		"three of eleven, the first apart": {"-++-+++-+++", 0, false},
		"many good ones between":           {"--++++++++++-", 0, false},
		"resumed":                          {"---", 3, false},
		"resumed, and two more":            {"-----", 3, false},
		"resumed, and three more":          {"------", 3, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			all := []admit.Machine{{Name: "m", Inputs: "web"}, {Name: "n", Inputs: "db"}, {Name: "x", Inputs: "web", State: admit.Failed}}
			for i, result := range test.results {
				all = append(all, admit.Machine{Name: fmt.Sprint("r", i),
					Result: admit.Result{Inputs: "web", At: int64(1000 + i), Failed: result == '-'}})
			}
			v := viewOf(admit.Fleet{Places: 9,
				Resumed: map[string]time.Time{"web": time.Unix(int64(999+test.resumed), 0)}}, all...)
			got := v.AskStep("m", admit.Question{Step: admit.Begin}, noon)
			if stopped := got.Reason == admit.WorkloadFailed; stopped != test.want || !test.want && !got.IsAllowed() {
				t.Errorf("AskStep = %+v, want stopped %t", got, test.want)
			}
			if test.want && !strings.Contains(got.Why, "ingot resume") {
				t.Errorf("AskStep says %q, want what to do", got.Why)
			}
			for _, other := range []inventory.MachineID{"n", "x"} { // another workload; an operator's retry of a failed machine
				if got := v.AskStep(other, admit.Question{Step: admit.Begin}, noon); !got.IsAllowed() {
					t.Errorf("AskStep(%s) = %+v, want allowed", other, got)
				}
			}
		})
	}
}

// TestOneFailureDomainAtATime has machines of two racks, and one without a rack.
func TestOneFailureDomainAtATime(t *testing.T) {
	t.Parallel()
	v := viewOf(admit.Fleet{Places: 9, DomainLabel: "rack", DomainLimit: 2},
		admit.Machine{Name: "a", Domain: "r1", Busy: true}, admit.Machine{Name: "b", Domain: "r1", Busy: true},
		admit.Machine{Name: "c", Domain: "r1"}, admit.Machine{Name: "d", Domain: "r2"}, admit.Machine{Name: "e"})
	for id, want := range map[inventory.MachineID]bool{"a": true, "c": false, "d": true, "e": true} {
		if got := v.AskStep(id, admit.Question{Step: admit.TakeDown}, noon); got.IsAllowed() != want {
			t.Errorf("AskStep(%s) = %+v, want allowed %t", id, got, want)
		}
	}
	v.SetMachine("a", admit.Machine{Name: "a", Domain: "r1"})
	if got := v.AskStep("c", admit.Question{Step: admit.TakeDown}, noon); !got.IsAllowed() {
		t.Errorf("after a place was given back: %+v, want allowed", got)
	}
}

// TestAResultChangesTheAnswer asks again after every change: an answer is kept no longer than the results it is from.
func TestAResultChangesTheAnswer(t *testing.T) {
	t.Parallel()
	failed := admit.Result{Inputs: "web", At: 5, Failed: true}
	v := viewOf(admit.Fleet{Places: 9}, admit.Machine{Name: "m", Inputs: "web"}, admit.Machine{Name: "a", Result: failed},
		admit.Machine{Name: "b", Result: failed})
	want := func(what string, stopped bool) {
		t.Helper()
		if got := v.AskStep("m", admit.Question{Step: admit.Begin}, noon); (got.Reason == admit.WorkloadFailed) != stopped {
			t.Errorf("%s: %+v, want stopped %t", what, got, stopped)
		}
	}
	want("two failures", false)
	v.SetMachine("c", admit.Machine{Name: "c", Result: failed})
	want("a third", true)
	v.SetMachine("c", admit.Machine{Name: "c", Result: admit.Result{Inputs: "web", At: 6}})
	want("it was tried again, and succeeded", false)
	v.SetMachine("c", admit.Machine{Name: "c", Result: failed})
	want("a third again", true)
	v.SetFleet(admit.Fleet{Places: 9, Resumed: map[string]time.Time{"web": time.Unix(5, 0)}})
	want("resumed", false)
	v.SetMachine("d", admit.Machine{Name: "d", Result: admit.Result{Inputs: "web", At: 7, Failed: true}})
	want("one more since", false)
}
