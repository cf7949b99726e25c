package steps

import (
	"cmp"
	"maps"
	"slices"

	"github.com/gitmetal/ingot/schemas"
)

// Definition is a Step of a fleet, for people.
type Definition struct {
	From       string         `json:"from"` // file:line:col
	Timeout    string         `json:"timeout"`
	Attempts   int            `json:"attempts"`
	Repeatable bool           `json:"repeatable"`
	Reboots    bool           `json:"reboots,omitempty"`
	Looks      bool           `json:"looks,omitempty"`  // no part of a workload's inputs
	Writes     []string       `json:"writes,omitempty"` // names of disks
	Mounts     string         `json:"mounts,omitempty"` // system: the step is shown the written system
	When       string         `json:"when,omitempty"`   // condition in CEL
	Arguments  []string       `json:"arguments,omitempty"`
	Plugins    []string       `json:"plugins,omitempty"` // places of the candidates, in their order
	Schema     map[string]any `json:"schema,omitempty"`
	Bios       map[string]any `json:"bios,omitempty"`  // attributes of a Step with bmc
	Apply      string         `json:"apply,omitempty"` // of a Step with bmc: WithInstall, InTurn
}

// DescribeArguments lists the properties of a schema in words: the name, the type, and what is required, secret or a
// default.
func DescribeArguments(schema map[string]any) []string {
	var all []string
	properties, _ := schema["properties"].(map[string]any)
	required, _ := schema["required"].([]any)
	for _, name := range slices.Sorted(maps.Keys(properties)) {
		text := name
		property, _ := properties[name].(map[string]any)
		if want, ok := property["type"].(string); ok {
			text += ":" + want
		}
		if slices.Contains(required, any(name)) {
			text += "!"
		}
		if property[secretKeyword] == true {
			text += "(secret)"
		}
		if value, ok := property["default"]; ok {
			text += "=" + encodeJSON(value)
		}
		all = append(all, text)
	}
	return all
}

// Describe gives the definition of a Step, with the defaults of what the Step does not say.
func Describe(d schemas.Document) Definition {
	spec := d.Step.Spec
	if spec.BMC != nil {
		step := Step{Arguments: Arguments{Args: spec.BMC.Bios}}
		return Definition{From: d.PositionOf("").String(), Timeout: cmp.Or(spec.Timeout, "1h"), Attempts: 1, Repeatable: true, Looks: true,
			Bios: spec.BMC.Bios, Apply: cmp.Or(spec.Apply, schemas.WithInstall), Arguments: append(step.ListArgs(), "at the BMC, "+cmp.Or(spec.Apply, schemas.WithInstall))}
	}
	var plugins []string
	for _, p := range spec.Plugins {
		plugins = append(plugins, Plugin{Path: p.Path, URL: p.URL}.Place())
	}
	return Definition{From: d.PositionOf("").String(), Timeout: cmp.Or(spec.Timeout, DefaultTimeout), Attempts: max(1, spec.Attempts),
		Repeatable: spec.Repeatable == nil || *spec.Repeatable, Reboots: spec.Reboots, Looks: d.IsWritten("spec.writes") && len(spec.Writes) == 0, Writes: spec.Writes, Mounts: spec.Mounts, Schema: spec.Args, When: spec.When,
		Arguments: DescribeArguments(spec.Args), Plugins: plugins}
}

// DefaultTimeout is the timeout of a Step that says none.
const DefaultTimeout = "10m"
