package review

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/rules"
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
	// Reboots is set for a step after which the machine boots into the ramdisk once more.
	Reboots bool `json:"reboots,omitempty"`
	// Writes are the names of the disks that the script may write to.
	Writes []string `json:"writes,omitempty"`
	Mounts bool     `json:"mounts,omitempty"` // the step is shown the file systems of the installed system
	// Plugins are the candidates of a step of plug-ins, in the order of the Step.
	Plugins []Plugin `json:"plugins,omitempty"`
	// When are the conditions of the step: all must hold.
	When []string `json:"when,omitempty"`
	// Runs is, for a step with conditions, what the facts that were recorded last say: runs, skipped with the reason, or
	// known after inspection. The facts of the boot decide.
	Runs string `json:"runs,omitempty"`
}

// Plugin is a candidate of a step of plug-ins.
type Plugin struct {
	From   string `json:"from"`   // path in the commit, or URL
	SHA256 string `json:"sha256"` // of the bytes that run
	Step   string `json:"step"`   // of the plug-in
}

// Values of Step.Runs besides "skipped: " with a reason.
const (
	stepRuns  = "runs"
	stepMay   = "known after inspection"
	stepSkips = "skipped: "
)

// ListSteps lists the steps of a host in their order.
func ListSteps(list []inventory.Step) []Step {
	var all []Step
	for _, s := range list {
		step := Step{Step: s.Name, ID: s.ID, From: s.From.String(), Args: s.Args, Looks: s.Looks, Writes: s.Writes, Mounts: s.Mounts, Reboots: s.Reboots, Attempts: max(1, s.Attempts),
			Timeout: (time.Duration(s.Seconds) * time.Second).String()}
		for _, p := range s.Plugins {
			step.Plugins = append(step.Plugins, Plugin{From: p.Place(), SHA256: p.SHA256, Step: p.Step})
		}
		for _, condition := range s.When {
			step.When = append(step.When, strings.TrimSpace(condition.Text))
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

// ForecastSteps says of each step with conditions whether the facts that were recorded last let the step run. The steps
// are those of the host, as ListSteps gives them.
func ForecastSteps(list []Step, d inventory.Desired, facts *inventory.Facts, compiler *rules.Compiler) {
	machine := rules.Machine{Facts: facts, Labels: d.Labels, Vars: d.Vars, Name: d.Name, ID: d.ID}
	for i := range list {
		when := d.Workload.Steps[i].When
		if len(when) == 0 {
			continue
		}
		switch holds, why := compiler.DecideAll(when, machine); {
		case holds:
			list[i].Runs = stepRuns
		case facts == nil:
			list[i].Runs = stepMay
		default:
			list[i].Runs = stepSkips + why
		}
	}
}

// describeSteps gives a line for each step.
func (h Host) describeSteps() []string {
	var lines []string
	for i, s := range h.Steps {
		line := fmt.Sprintf("step %d of %d: %s", i+1, len(h.Steps), s.Step)
		if s.Step == schemas.StepDescribe {
			line += ": asks the plug-ins of the list what they are"
		}
		if s.ID != "" {
			line += " as " + s.ID
		}
		if s.From != "" {
			line += " (" + s.From + ")"
		}
		if args := (inventory.Step{Arguments: inventory.Arguments{Args: s.Args}}).ListArgs(); len(args) > 0 {
			line += ": " + strings.Join(args, " ")
		}
		for i, p := range s.Plugins {
			line += []string{"; plug-ins: ", ", "}[min(i, 1)] + inventory.Plugin{Path: p.From, SHA256: p.SHA256, Step: p.Step}.Describe()
		}
		if len(s.Writes) > 0 {
			line += "; writes to the disks " + strings.Join(s.Writes, ", ")
		}
		line += map[bool]string{true: "; mounts the installed system"}[s.Mounts]
		if s.Reboots && i+1 < len(h.Steps) {
			line += "; then the ramdisk boots again"
		}
		if s.Runs != "" {
			line += "; when " + strings.Join(strings.Fields(strings.Join(s.When, " and ")), " ") + ": " + s.Runs
		}
		lines = append(lines, line)
	}
	return lines
}

// isLater reports whether the only news of a host is that steps change which are no part of the inputs.
func (h Host) isLater() bool {
	return len(h.Later) > 0 && h.Verdict == change.Nothing && !h.Held && h.Was == "" && len(h.Requests) == 0
}

// listLater says which steps that are no part of the inputs differ between two workloads with the same inputs.
func listLater(before, after *inventory.Workload) []string {
	if before == nil || after == nil || before.Inputs != after.Inputs {
		return nil
	}
	return compareSteps(before.Steps, after.Steps)
}

// compareSteps says which steps of two lists differ. The step that asks plug-ins comes and goes with the plug-ins.
func compareSteps(before, after []inventory.Step) []string {
	asks := func(s inventory.Step) bool { return s.Name == schemas.StepDescribe }
	before, after = slices.DeleteFunc(slices.Clone(before), asks), slices.DeleteFunc(slices.Clone(after), asks)
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
