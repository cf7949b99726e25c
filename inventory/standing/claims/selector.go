package claims

import (
	"maps"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/rules"
	"github.com/gitmetal/ingot/inventory/runs"
)

// Selector decides which machines the Workloads select. It keeps its answers: a commit that changes one label asks about
// one machine. A Selector is for one goroutine.
type Selector struct {
	compiler *rules.Compiler
	answers  map[question]answer
}

type question struct {
	workload string
	machine  inventory.MachineID
}

// answer is an answer with everything that it rests on.
type answer struct {
	when   string
	labels map[string]string
	vars   map[string]string
	name   string
	facts  *inventory.Facts
	fits   bool
}

// NewSelector makes a Selector.
func NewSelector() *Selector {
	return &Selector{compiler: rules.NewCompiler(), answers: map[question]answer{}}
}

// Matches reports whether the selector of a Workload fits a machine: every label, and the condition over the facts. A
// condition that cannot be decided, as for a machine without the fact, does not fit.
func (s *Selector) Matches(w runs.Work, m Machine) bool {
	d := m.Desired
	for key, want := range w.MatchLabels {
		if have, ok := d.Labels[key]; !ok || have != want {
			return false
		}
	}
	if w.When == "" {
		return len(w.MatchLabels) > 0
	}
	at := question{w.Workload, d.ID}
	known, asked := s.answers[at]
	if asked && known.when == w.When && known.facts == m.Record.Facts && known.name == d.Name &&
		maps.Equal(known.labels, d.Labels) && maps.Equal(known.vars, d.Vars) {
		return known.fits
	}
	rule, mistake := s.compiler.Compile(w.When)
	fits := false
	if mistake == nil { // package load has compiled the condition
		fits, _ = rule.Decide(rules.Machine{Facts: m.Record.Facts, Labels: d.Labels, Vars: d.Vars, Name: d.Name, ID: d.ID})
	}
	s.answers[at] = answer{when: w.When, labels: d.Labels, vars: d.Vars, name: d.Name, facts: m.Record.Facts, fits: fits}
	return fits
}
