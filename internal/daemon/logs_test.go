package daemon_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/gitmetal/ingot/agent/wire"
	"github.com/gitmetal/ingot/internal/daemon"
	"github.com/gitmetal/ingot/reconcile/cause"
	"github.com/gitmetal/ingot/reconcile/plan"
)

// TestAFailedStepIsExplained has a script fail three times, and a person read on the control socket which step failed, what is
// left, and what was collected, without the secret that the script printed.
func TestAFailedStepIsExplained(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	w.burnIn(t)
	password := w.rack.Description().Machines[0].Password
	w.rack.Sim("machine-1").Break(func(step wire.Step) error {
		if step.Script == nil {
			return nil
		}
		return fmt.Errorf("the memory is bad, says admin:%s", password)
	})
	w.start(t)
	w.await(t, 1, "given up", func(h daemon.HostView) bool { return h.Phase == plan.Failed && h.Pushed })
	client := daemon.Connect(w.socket())
	list, err := client.Logs().List(t.Context(), "machine-1")
	if err != nil || len(list) != 1 {
		t.Fatalf("List = %+v, %v", list, err)
	}
	var names []string
	for _, file := range list[0].Files {
		names = append(names, file.Name)
	}
	for attempt := 1; attempt <= 3; attempt++ {
		for _, want := range []string{"burn-in-%d.log", "burn-in-%d.output.log", "burn-in-%d.facts.json"} {
			if name := fmt.Sprintf(want, attempt); !slices.Contains(names, name) {
				t.Errorf("%s is not kept, only %q", name, names)
			}
		}
	}
	text, err := client.Logs().Read(t.Context(), "machine-1", list[0].ID, "burn-in-3.output.log", 0)
	if err != nil || string(text) != "step burn-in: the memory is bad, says admin:***\n" {
		t.Errorf("burn-in-3.output.log is %q, %v", text, err)
	}
	why, err := client.ReadWhy(t.Context(), "machine-1")
	if err != nil {
		t.Fatal(err)
	}
	var said []string
	for _, e := range why.Evidence {
		if e.Of == cause.OfSteps || e.Of == cause.OfLogs {
			said = append(said, e.Text)
		}
	}
	want := []string{"step 1 of 2, burn-in, failed in attempt 3", "0 of 2 steps are done, left: burn-in, install",
		"2 texts of step burn-in, attempt 3, are kept: `ingot logs machine-1 --list`",
		"2 texts of step burn-in, attempt 2, are kept: `ingot logs machine-1 --list`",
		"2 texts of step burn-in, attempt 1, are kept: `ingot logs machine-1 --list`"}
	if !slices.Equal(said, want) || !strings.Contains(why.Do, "`ingot logs machine-1`") {
		t.Errorf("to do: %s\nsaid:\n%s\nwant:\n%s", why.Do, strings.Join(said, "\n"), strings.Join(want, "\n"))
	}
	if _, err := client.Logs().List(t.Context(), "nobody"); err == nil || errors.Is(err, t.Context().Err()) {
		t.Errorf("List(nobody) = %v", err)
	}
}

// TestLogsAreCollectedOnRequest has a list with steps of the agent's own around an install that is well.
func TestLogsAreCollectedOnRequest(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	w.edit(t, workload, "spec:\n",
		"spec:\n  steps: [{step: start-unit, args: {unit: burn-in.service}}, {step: install}, {step: collect-logs, id: afterwards}]\n")
	w.push(t, "logs")
	w.start(t)
	w.await(t, 1, "Active", active)
	client := daemon.Connect(w.socket())
	list, err := client.Logs().List(t.Context(), "machine-1")
	if err != nil || len(list) != 1 {
		t.Fatalf("List = %+v, %v", list, err)
	}
	text, err := client.Logs().Read(t.Context(), "machine-1", list[0].ID, "afterwards-1.facts.json", 0)
	if err != nil || !strings.Contains(string(text), `"memory": 4294967296`) {
		t.Errorf("afterwards-1.facts.json is %.200q, %v", text, err)
	}
	text, err = client.Logs().Read(t.Context(), "machine-1", list[0].ID, "start-unit-1.log", 0)
	if err != nil || !strings.HasSuffix(string(text), "Z unit burn-in.service is inactive (dead)\n") {
		t.Errorf("start-unit-1.log is %q, %v", text, err)
	}
}
