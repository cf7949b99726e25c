// Package ruleset decides what a fleet's Rules make of a discovered machine: which rules hold, which fields of the
// machine's Host file they set, whether the machine is refused. The package is pure.
//
// Call Compile when a commit is loaded; its findings belong to the commit. Set.Decide then gives the Verdict of one
// machine, and Fill puts the values of a Verdict into a Host. Decide in two phases: first every rule's condition over
// the machine alone, then the actions of the rules that hold, by priority. Do not let a rule see what another rule set.
package ruleset

import (
	"cmp"
	"maps"
	"slices"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/arrivals"
	"github.com/gitmetal/ingot/inventory/rules"
	"github.com/gitmetal/ingot/schemas"
)

// Set is the Rules of one commit, compiled. A Set is for one goroutine.
type Set struct{ rules []compiledRule }

// compiledRule is one Rule.
type compiledRule struct {
	document schemas.Document
	when     rules.Rule
	actions  []action
}

// action sets one field: to a fixed value, or to what an expression gives.
type action struct {
	field field
	at    string // field of the Rule: spec.labels.model
	fixed string // used where value is the zero Value
	value *rules.Value
}

// Compile compiles the Rules of a fleet. With an Error among the findings the Set must not be used.
func Compile(documents []schemas.Document, secrets map[string]inventory.Sealed) (*Set, []schemas.Finding) {
	c := compiler{expressions: rules.NewCompiler(), secrets: secrets}
	set := &Set{}
	for _, d := range documents {
		set.rules = append(set.rules, c.compileRule(d))
	}
	slices.SortStableFunc(set.rules, func(a, b compiledRule) int {
		return cmp.Or(cmp.Compare(b.priority(), a.priority()), cmp.Compare(a.document.Name, b.document.Name))
	})
	return set, c.findings
}

func (r compiledRule) priority() int { return r.document.Rule.Spec.Priority }

type compiler struct {
	expressions *rules.Compiler
	secrets     map[string]inventory.Sealed
	findings    []schemas.Finding
}

func (c *compiler) addMistake(d schemas.Document, at string, m *rules.Mistake) {
	c.findings = append(c.findings, d.ErrorAt(at, "an expression sees facts, labels, vars, name and id",
		"line %d, column %d of the expression: %s", m.Line, m.Column, m.Message))
}

func (c *compiler) compileRule(d schemas.Document) compiledRule {
	r, spec := compiledRule{document: d}, d.Rule.Spec
	var mistake *rules.Mistake
	if spec.When != "" && len(spec.When) <= schemas.MaxCondition {
		if r.when, mistake = c.expressions.Compile(spec.When); mistake != nil {
			c.addMistake(d, "spec.when", mistake)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(spec.Labels)) {
		f, _ := findField("metadata.labels." + key)
		r.actions = append(r.actions, action{field: f, at: "spec.labels." + key, fixed: spec.Labels[key]})
	}
	for _, path := range slices.Sorted(maps.Keys(spec.Set)) {
		at := "spec.set." + path
		f, problem := findField(path)
		if problem != "" {
			c.findings = append(c.findings, d.ErrorAt(at, "docs/rules.md lists the fields", "%s", problem))
			continue
		}
		value, mistake := c.expressions.CompileValue(spec.Set[path], f.kind)
		if mistake != nil {
			c.addMistake(d, at, mistake)
			continue
		}
		if key, is := labelKey(path); is && spec.Labels[key] != "" {
			c.findings = append(c.findings, d.ErrorAt(at, "keep one of them", "spec.labels sets this label too"))
		}
		r.actions = append(r.actions, action{field: f, at: at, value: &value})
	}
	c.checkCredentials(d)
	return r
}

// checkCredentials finds a Secret that is missing, or has no login.
func (c *compiler) checkCredentials(d schemas.Document) {
	const at = "spec.credentials.secret"
	spec := d.Rule.Spec
	if spec.Credentials == nil || spec.Credentials.Secret == "" {
		return
	}
	if spec.Set[credentialsField] != "" {
		c.findings = append(c.findings, d.ErrorAt(at, "keep one of them", "spec.set gives spec.bmc.credentials too"))
	}
	sealed, there := c.secrets[spec.Credentials.Secret]
	if !there {
		c.findings = append(c.findings, d.ErrorAt(at, "", "there is no Secret %q", spec.Credentials.Secret))
		return
	}
	c.findings = append(c.findings, arrivals.CheckLoginKeys(d, at, sealed)...)
}
