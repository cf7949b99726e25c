package load

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/refs"
	"github.com/gitmetal/ingot/inventory/rules"
	"github.com/gitmetal/ingot/inventory/settings"
	"github.com/gitmetal/ingot/inventory/steps"
	"github.com/gitmetal/ingot/schemas"
	"github.com/gitmetal/ingot/schemas/yamltext"
)

// installSeconds is the deadline of the step install: enough for a slow disk, a slow network, a large image.
const installSeconds = 2 * 60 * 60

// Limits in bytes, so that a step fits into one message to the agent, below wire.MaxBody: of the scripts of one list,
// and of the arguments of one step, with secrets by their sealed length.
const (
	maxScripts   = 2 << 20
	maxArguments = 256 << 10
)

// preparedStep is a Step of a tree.
type preparedStep struct {
	spec   schemas.StepSpec
	script []byte
	// plugins are the candidates of a Step of plug-ins; one that is missing is left out.
	plugins []inventory.Plugin
	schema  steps.Schema
	broken  bool // the schema has a mistake: arguments cannot be checked
	looks   bool // the Step says that it writes nothing
	when    []steps.Condition
}

// entry is a use of a step, before a host is known.
type entry struct {
	step     inventory.Step // without arguments while the arguments hold vars
	use      schemas.StepUse
	prepared preparedStep
	vars     bool             // the arguments hold vars: they are resolved for each host
	document schemas.Document // with the use
	field    string           // of the use in the document
}

// hostDocuments are the documents of a host: in the trunk, and in the tree that the host runs.
type hostDocuments struct{ trunk, running schemas.Document }

// prepareSteps reads the script and the schema of every Step of a tree, used or not.
func (l *loader) prepareSteps(t *tree) {
	t.prepared = map[string]preparedStep{}
	for _, name := range slices.Sorted(maps.Keys(t.steps())) {
		d := t.steps()[name]
		l.checkScript(t, d)
		schema, mistakes := steps.Compile(d.Step.Spec.Args)
		for _, m := range mistakes {
			l.addFindings(d.ErrorAt("spec.args"+m.Field, m.Hint, "%s", m.Message))
		}
		t.prepared[name] = preparedStep{spec: d.Step.Spec, script: t.Files[d.Step.Spec.Script].Data, schema: schema,
			broken: len(mistakes) > 0 || d.Fields.IsSpoiledBelow("spec.args"), looks: d.IsWritten("spec.writes") && len(d.Step.Spec.Writes) == 0,
			when: l.readCondition(d, "spec.when", d.Step.Spec.When), plugins: l.readPlugins(t, d)}
	}
}

// readCondition reads a condition; none where there is none, or where the condition cannot be used.
func (l *loader) readCondition(d schemas.Document, field, text string) []steps.Condition {
	if strings.TrimSpace(text) == "" || len(text) > schemas.MaxCondition {
		return nil // reported already where a condition was meant
	}
	if l.conditions == nil {
		l.conditions = rules.NewCompiler()
	}
	if _, mistake := l.conditions.Compile(text); mistake != nil {
		l.addFindings(d.ErrorAt(field, "a condition sees facts, labels, vars, name and id",
			"line %d, column %d of the condition: %s", mistake.Line, mistake.Column, mistake.Message))
		return nil
	}
	return []steps.Condition{{Text: text, From: d.PositionOf(field)}}
}

// checkScript finds a Step without a script, or a script without an interpreter.
func (l *loader) checkScript(t *tree, d schemas.Document) {
	name := d.Step.Spec.Script
	script, usable := l.useFile(t, name)
	if _, ok := t.Files[name]; name != "" && !ok {
		l.addFindings(d.ErrorAt("spec.script", "", "there is no file %s in this commit", name))
	} else if name != "" && usable && !strings.HasPrefix(string(script), "#!") {
		l.addFindings(d.ErrorAt("spec.script", "start it with a line such as #!/bin/sh",
			"the first line of %s does not name its interpreter", name))
	}
}

// listEntries lists a Workload's steps in order, the install alone when the Workload lists none. A Step that is listed
// again without an id gets the id NAME-2, NAME-3.
func (l *loader) listEntries(t *tree, d schemas.Document) []entry {
	uses := d.Workload.Spec.Steps
	if len(uses) == 0 {
		return []entry{{step: inventory.Step{Name: schemas.StepInstall, Seconds: installSeconds}, document: d}}
	}
	var entries []entry
	count := map[string]int{}
	for i, use := range uses {
		if use.ID == "" {
			if count[use.Step]++; count[use.Step] > 1 {
				use.ID = fmt.Sprintf("%s-%d", use.Step, count[use.Step])
			}
		}
		if e, ok := l.newEntry(t, d, fmt.Sprintf("spec.steps[%d]", i), use); ok {
			entries = append(entries, e)
		}
	}
	for i, e := range entries {
		if first := slices.IndexFunc(entries,
			func(o entry) bool { return o.step.Key() == e.step.Key() }); first < i {
			l.addTwice(e, entries[first])
		}
	}
	l.checkScripts(d, entries)
	return entries
}

// addTwice reports an entry with the id of another entry.
func (l *loader) addTwice(e, first entry) {
	l.addFindings(e.document.ErrorAt(e.field+".id", "write another id", "the step in %s has the id %q already",
		first.document.PositionOf(first.field), e.step.Key()))
}

// checkScripts finds a list whose scripts are too large.
func (l *loader) checkScripts(d schemas.Document, entries []entry) {
	size := 0
	for _, e := range entries {
		size += len(e.step.Script)
	}
	if size > maxScripts {
		l.addFindings(d.ErrorAt("spec.steps", "have the scripts fetch what is large",
			"the scripts of all steps have %d bytes, at most %d can be delivered", size, maxScripts))
	}
}

// newEntry reads a use of a step; not ok when the Step is missing.
func (l *loader) newEntry(t *tree, d schemas.Document, field string, use schemas.StepUse) (entry, bool) {
	e := entry{use: use, document: d, field: field, step: inventory.Step{Name: use.Step, From: d.PositionOf(field),
		Host: d.Kind == schemas.KindHost}}
	if use.ID != use.Step {
		e.step.ID = use.ID
	}
	if use.Step == schemas.StepInstall {
		e.step.Seconds = readSeconds(cmp.Or(use.Timeout, fmt.Sprintf("%ds", installSeconds)))
		return e, true
	}
	prepared, ok := l.findPrepared(t, use.Step)
	if !ok {
		l.addFindings(d.ErrorAt(field+".step", suggestStep(t, use.Step), "there is no Step %q", use.Step))
		return entry{}, false
	}
	e.prepared = prepared
	if prepared.spec.BMC != nil {
		e.step.Looks, e.step.Seconds = true, readSeconds(cmp.Or(use.Timeout, prepared.spec.Timeout, settings.DefaultTimeout))
		l.addFindings(settings.CheckUse(d, field, use.Step)...)
		return e, true
	}
	e.step.Script, e.step.Looks, e.step.Needs = prepared.script, prepared.looks, prepared.spec.Needs
	e.step.Plugins = prepared.plugins
	e.step.Writes = prepared.spec.Writes
	e.step.Seconds = readSeconds(cmp.Or(use.Timeout, prepared.spec.Timeout, steps.DefaultTimeout))
	e.step.Attempts = max(1, cmp.Or(use.Attempts, prepared.spec.Attempts))
	e.step.When = append(slices.Clone(prepared.when), l.readCondition(d, field+".when", use.When)...)
	e.step.Reboots = prepared.spec.Reboots
	e.step.Once = prepared.spec.Repeatable != nil && !*prepared.spec.Repeatable
	if e.vars = steps.UsesVars(use.Args); !e.vars {
		e.step.Arguments = l.resolveArguments(e, func(string) (string, error) { return "", nil })
		e.step = l.completeStep(e, e.step)
	}
	return e, true
}

// findPrepared gives a Step of a tree, or a reserved step.
func (l *loader) findPrepared(t *tree, name string) (preparedStep, bool) {
	reserved, ok := steps.ListReserved()[name]
	if !ok {
		prepared, known := t.prepared[name]
		return prepared, known
	}
	schema, mistakes := steps.Compile(reserved.Schema)
	if len(mistakes) > 0 {
		panic("load: the schema of step " + name + ": " + mistakes[0].Message) // made of constants
	}
	return preparedStep{schema: schema, looks: !reserved.Writes, spec: schemas.StepSpec{Timeout: reserved.Timeout}}, true
}

// completeStep completes a reserved step whose arguments are resolved.
func (l *loader) completeStep(e entry, step inventory.Step) inventory.Step {
	if takes := steps.ListReserved()[step.Name].Schema != nil; takes && step.Args == nil {
		return step // a mistake is reported already
	}
	next, err := steps.Complete(step)
	if err != nil {
		l.addFindings(e.document.ErrorAt(e.field+".args", "such as {for: 30s}", "%v", err))
	}
	return next
}

// readSeconds reads a timeout; 0 for a timeout that is reported already.
func readSeconds(timeout string) int {
	d, err := time.ParseDuration(timeout)
	if err != nil {
		return 0
	}
	return int(d.Seconds())
}

// suggestStep names the nearest three Steps.
func suggestStep(t *tree, name string) string {
	hint := "`ingot step list` lists the Steps"
	names := yamltext.NearestWords(name, slices.Collect(maps.Keys(t.prepared)), 3)
	if len(names) == 0 {
		return hint
	}
	return "the nearest are " + strings.Join(names, ", ") + "; " + hint
}

// resolveArguments checks the arguments of an entry. An error of lookup is reported by lookup.
func (l *loader) resolveArguments(e entry, lookup func(string) (string, error)) steps.Arguments {
	if e.prepared.broken || e.document.Fields.IsSpoiledBelow(e.field) {
		return steps.Arguments{}
	}
	missing := false
	arguments, mistakes := e.prepared.schema.Resolve(e.use.Args, func(name string) (string, error) {
		value, err := lookup(name)
		missing = missing || err != nil
		return value, err
	})
	if missing {
		return steps.Arguments{}
	}
	for _, m := range mistakes {
		l.addFindings(e.document.ErrorAt(e.field+".args"+m.Field, m.Hint, "%s", m.Message))
	}
	size := len(mustJSON(arguments.Args))
	for _, ref := range arguments.ListSecrets() {
		size += l.checkSecret(e, ref)
	}
	if size > maxArguments {
		l.addFindings(e.document.ErrorAt(e.field+".args", "have the script fetch what is large",
			"the arguments have %d bytes, at most %d can be delivered", size, maxArguments))
	}
	return arguments
}

// checkSecret finds a missing Secret, and gives the sealed length of the value: it is longer than the plain one.
func (l *loader) checkSecret(e entry, ref refs.Secret) int {
	sealed, ok := l.fleet.Secrets[ref.Name]
	switch {
	case !ok:
		l.addFindings(e.document.ErrorAt(e.field+".args", "", "there is no Secret %q", ref.Name))
		return 0
	case !slices.Contains(sealed.Keys, ref.Key) && !slices.Contains(sealed.Binary, ref.Key):
		l.addFindings(e.document.ErrorAt(e.field+".args", "add it to "+sealed.File, "there is no key %q in Secret %q",
			ref.Key, ref.Name))
		return 0
	}
	spec := l.trunk.secrets()[ref.Name].Secret.Spec
	return len(spec.Data[ref.Key]) + len(spec.BinaryData[ref.Key]) // a key is in one of the two
}

// listDefinitions lists the Steps and the Workloads of the trunk for people.
func (l *loader) listDefinitions() {
	l.fleet.Steps, l.fleet.Workloads = map[string]steps.Definition{}, map[string][]inventory.Step{}
	for name, d := range l.trunk.steps() {
		l.fleet.Steps[name] = steps.Describe(d)
	}
	for name, r := range l.trunk.recipes {
		for _, e := range r.entries {
			step := e.step
			if e.vars {
				step.Args = e.use.Args
			}
			l.fleet.Workloads[name] = append(l.fleet.Workloads[name], step)
		}
		l.fleet.Workloads[name] = steps.AddDescribe(l.fleet.Workloads[name])
	}
}

// errMissing says that a host lacks a var, which is reported in the host's file.
var errMissing = errors.New("the host lacks the var")

// resolveSteps gives the steps of a host: those of the Workload and those that the host adds, with the host's vars.
func (l *loader) resolveSteps(t *tree, entries []entry, host hostDocuments) []inventory.Step {
	list := make([]inventory.Step, 0, len(entries))
	for _, e := range entries {
		list = append(list, l.resolveEntry(e, host))
	}
	added, all := host.running.Host.Spec.Steps, slices.Clone(entries)
	if len(added) == 0 {
		l.checkErasedSystem(list, all)
		return steps.AddDescribe(list)
	}
	var additions []steps.Addition
	for i, use := range added {
		e, ok := l.newEntry(t, host.running, fmt.Sprintf("spec.steps[%d]", i), use.Use())
		if !ok {
			continue
		}
		if first := slices.IndexFunc(all, func(o entry) bool { return o.step.Key() == e.step.Key() }); first >= 0 {
			l.addTwice(e, all[first])
			continue
		}
		all = append(all, e)
		additions = append(additions, steps.Addition{Step: l.resolveEntry(e, host),
			Place: steps.Place{After: use.After, Before: use.Before}})
	}
	l.checkScripts(host.running, all)
	list, lost := steps.InsertSteps(list, additions)
	for _, i := range lost {
		l.addLost(all[len(entries)+i], additions[i].Place, list)
	}
	l.checkErasedSystem(list, all)
	return steps.AddDescribe(list)
}

// checkErasedSystem finds a step that would erase the system that the install wrote.
func (l *loader) checkErasedSystem(list []inventory.Step, entries []entry) {
	step, found := steps.FindErasedSystem(list)
	at := slices.IndexFunc(entries, func(e entry) bool { return e.step.Key() == step.Key() })
	if !found || at < 0 {
		return
	}
	e := entries[at]
	finding := e.document.ErrorAt(e.field+".args", "put the step in front of install",
		"the step erases the root disk behind the install")
	if !slices.Contains(l.findings, finding) { // one finding for all hosts of a Workload
		l.addFindings(finding)
	}
}

// addLost reports a step whose place is not in the list.
func (l *loader) addLost(e entry, at steps.Place, list []inventory.Step) {
	field, id := ".after", at.After
	if at.Before != "" {
		field, id = ".before", at.Before
	}
	if id == "" {
		return // reported already
	}
	l.addFindings(e.document.ErrorAt(e.field+field, "the nearest are "+
		strings.Join(yamltext.NearestWords(id, steps.ListKeys(list), 3), ", ")+"; `ingot step list -w WORKLOAD` lists the ids",
		"no step before this one has the id %q", id))
}

// resolveEntry gives a use for a host. The host must be in the scope of the secrets.
func (l *loader) resolveEntry(e entry, host hostDocuments) inventory.Step {
	step := e.step
	if e.vars {
		step.Arguments = l.resolveArguments(e, func(name string) (string, error) {
			value, ok := host.running.Host.Spec.Vars[name]
			if !ok {
				l.addFindings(host.running.ErrorAt("spec.vars."+name, "", "the field is missing: %s uses ${vars.%s}",
					e.document.PositionOf(e.field+".args"), name))
				return "", errMissing
			}
			return value, nil
		})
		step = l.completeStep(e, step)
	}
	for _, name := range step.Writes {
		if name == schemas.RootDiskName {
			continue
		}
		if field := "spec.disks." + name; len(host.trunk.Host.Spec.Disks[name]) == 0 &&
			!host.trunk.Fields.IsSpoiledBelow("spec.disks") {
			l.addFindings(host.trunk.ErrorAt(field, "such as "+name+": [{serial: S5H9NX12}]",
				"the name is missing: the step in %s writes to these disks", e.document.PositionOf(e.field)))
		}
	}
	for _, ref := range step.ListSecrets() {
		if sealed, ok := l.fleet.Secrets[ref.Name]; ok &&
			!sealed.Scope.SelectsHost(host.trunk.ID(), host.trunk.Host.Metadata.Labels) {
			l.addFindings(host.trunk.ErrorAt("spec.workload", "widen spec.scope in "+sealed.File,
				"this host is not in the scope of Secret %q, which %s uses", sealed.Name,
				e.document.PositionOf(e.field+".args")))
		}
	}
	return step
}
