package review

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/plan/change"
	"github.com/gitmetal/ingot/schemas"
)

// Step is one step of an installation.
type Step struct {
	Step string `json:"step"`           // the name of a Step, or install
	ID   string `json:"id,omitempty"`   // "" where the name is the id
	From string `json:"from,omitempty"` // file:line:col of the entry, in the Workload or in the Host
	// Args are the arguments with defaults and vars; a secret is shown as ${secret.name.key}.
	Args     map[string]any `json:"args,omitempty"`
	Timeout  string         `json:"timeout"` // of one attempt
	Attempts int            `json:"attempts"`
	// Looks is set for a step that is no part of the inputs: a change of the step reinstalls nothing.
	Looks bool `json:"looks,omitempty"`
}

// ListSteps lists the steps of a host in their order.
func ListSteps(list []inventory.Step) []Step {
	var all []Step
	for _, s := range list {
		step := Step{Step: s.Name, ID: s.ID, Args: s.Args, Looks: s.Looks, Attempts: max(1, s.Attempts),
			Timeout: (time.Duration(s.Seconds) * time.Second).String()}
		if s.From != (schemas.Position{}) {
			step.From = s.From.String()
		}
		all = append(all, step)
	}
	return all
}

// listScripts lists the steps of a host that has more to do than the install.
func listScripts(w *inventory.Workload) []Step {
	if w == nil || len(w.Steps) < 2 {
		return nil
	}
	return ListSteps(w.Steps)
}

// describeSteps gives a line for each step.
func (h Host) describeSteps() []string {
	var lines []string
	for i, s := range h.Steps {
		line := fmt.Sprintf("step %d of %d: %s", i+1, len(h.Steps), s.Step)
		if s.ID != "" {
			line += " as " + s.ID
		}
		if s.From != "" {
			line += " (" + s.From + ")"
		}
		if args := (inventory.Step{Arguments: inventory.Arguments{Args: s.Args}}).ListArgs(); len(args) > 0 {
			line += ": " + strings.Join(args, " ")
		}
		lines = append(lines, line)
	}
	return lines
}

// isLater reports whether the only news of a host is that steps change which are no part of the inputs.
func (h Host) isLater() bool {
	return len(h.Later) > 0 && h.Verdict == change.Nothing && !h.Held && h.Was == ""
}

// listLater says which steps that are no part of the inputs differ between two workloads with the same inputs.
func listLater(before, after *inventory.Workload) []string {
	if before == nil || after == nil || before.Inputs != after.Inputs {
		return nil
	}
	return compareSteps(before.Steps, after.Steps)
}

// compareSteps says which steps of two lists differ.
func compareSteps(before, after []inventory.Step) []string {
	var lines []string
	for _, was := range before {
		if !slices.ContainsFunc(after, hasKeyOf(was)) {
			lines = append(lines, "step "+was.Key()+" is taken out")
		}
	}
	for _, is := range after {
		i := slices.IndexFunc(before, hasKeyOf(is))
		switch {
		case i < 0:
			lines = append(lines, "step "+is.Key()+" is added")
		case !reflect.DeepEqual(before[i].WithoutPlace(), is.WithoutPlace()):
			lines = append(lines, "step "+is.Key()+" changed")
		}
	}
	if len(lines) == 0 && !slices.EqualFunc(before, after,
		func(a, b inventory.Step) bool { return a.Key() == b.Key() }) {
		lines = append(lines, "the steps are in another order")
	}
	return lines
}

func hasKeyOf(s inventory.Step) func(inventory.Step) bool {
	return func(o inventory.Step) bool { return o.Key() == s.Key() }
}
