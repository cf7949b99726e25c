package plan_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/steps"
	"github.com/gitmetal/ingot/schemas"
)

func condition(text string) []steps.Condition { return []steps.Condition{{Text: text}} }

// A step whose conditions hold runs; one whose condition is false, or asks for a fact that the machine does not report,
// is skipped, with the reason in the operation. The system is written once in each case.
func TestConditionsOfSteps(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		before, after []steps.Condition
		want          []string
		why           string // of a step that is skipped
	}{
		"both hold":           {condition(`facts.disks.size() == 1`), condition(`labels.rack == "r1" && name == id`), []string{"before 1", "after 1"}, ""},
		"the first fails":     {condition(`facts.disks.size() > 1`), nil, []string{"after 1"}, "the condition is false"},
		"the last fails":      {nil, condition(`facts.disks.size() > 1`), []string{"before 1"}, "the condition is false"},
		"both fail":           {condition(`false`), condition(`false`), nil, "the condition is false"},
		"one of two fails":    {append(condition(`true`), condition(`labels.room == "1"`)...), nil, []string{"after 1"}, "the machine has no room"},
		"the machine is mute": {condition(`facts.cpu.model != "x"`), nil, []string{"after 1"}, "the machine has no model"},
	} {
		m := threeSteps()
		m.desired.Labels = map[string]string{"rack": "r1"}
		m.desired.Workload.Steps[0].When, m.desired.Workload.Steps[2].When = test.before, test.after
		for range 400 {
			m.look(nowhere)
			m.pass(5 * time.Second)
		}
		m.ok(t)
		if diff := cmp.Diff(test.want, m.ran); diff != "" || m.record.Installed == nil || len(m.wrote) != 1 {
			t.Errorf("%s: wrote %v, installed %+v, scripts (-want +got):\n%s", name, m.wrote, m.record.Installed, diff)
			continue
		}
		skipped := 0
		for _, step := range m.record.Last.Steps {
			if step.State == inventory.StepSkipped {
				skipped++
				if step.When != inventory.WhenFails || !strings.HasPrefix(step.WhyNot, test.why) {
					t.Errorf("%s: skipped %+v, want because %q", name, step, test.why)
				}
			}
		}
		if want := 2 - len(test.want); skipped != want {
			t.Errorf("%s: %d steps are skipped, want %d: %+v", name, skipped, want, m.record.Last.Steps)
		}
	}
}

// A decision stands in later attempts, whatever the machine reports then, and wherever the daemon dies.
func TestADecisionStands(t *testing.T) {
	t.Parallel()
	for condition, want := range map[string][]string{
		`facts.disks.size() == 1`: {"before 1", "before 2", "after 2"},
		`facts.disks.size() > 1`:  {"after 1", "after 2"},
	} {
		fails := strings.Fields(want[0])[0]
		for dieAt := 0; dieAt < 60; dieAt += 4 {
			m := threeSteps()
			m.desired.Workload.Steps[0].When = []steps.Condition{{Text: condition}}
			m.scriptFails = fails
			for look := range 400 {
				at := nowhere
				if look == dieAt {
					at = beforeSettle
				}
				m.look(at)
				m.pass(5 * time.Second)
				if len(m.ran) == 1 && m.scriptFails != "" && m.record.Operation != nil && m.record.Operation.Attempt == 2 {
					m.scriptFails = ""
					facts := *m.record.Facts
					facts.Disks = append(facts.Disks, inventory.Disk{Serial: "DISK2", Size: 1 << 40, Content: inventory.Content{Blank: true}})
					m.record.Facts = &facts
				}
			}
			m.ok(t)
			if diff := cmp.Diff(want, m.ran); diff != "" || m.record.Installed == nil || len(m.wrote) != 1 {
				t.Fatalf("%s, died at look %d: wrote %v, installed %+v, scripts (-want +got):\n%s", condition, dieAt, m.wrote, m.record.Installed, diff)
			}
		}
	}
}

// The install has no condition: even a record that says so installs.
func TestAnInstallIsNeverSkipped(t *testing.T) {
	t.Parallel()
	m := newModel(inventory.ContentBlank, inventory.PoweredOff)
	m.desired.Workload.Steps = []inventory.Step{{Name: schemas.StepInstall, When: condition(`false`)}}
	for range 400 {
		m.look(nowhere)
		m.pass(5 * time.Second)
	}
	m.ok(t)
	if m.record.Installed == nil || len(m.wrote) != 1 {
		t.Errorf("wrote %v, installed %+v", m.wrote, m.record.Installed)
	}
}
