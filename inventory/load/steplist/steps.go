package steplist

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

// Entry is a use of a step, before a host is known.
type Entry struct {
	step     inventory.Step // without arguments while the arguments hold vars
	use      schemas.StepUse
	prepared preparedStep
	vars     bool             // the arguments hold vars: they are resolved for each host
	document schemas.Document // with the use
	field    string           // of the use in the document
}

// Host is the documents of a host: in the trunk, and in the tree that the host runs.
type Host struct{ Trunk, Running schemas.Document }

// ReadTree reads the script and the schema of every Step of a tree, used or not.
func (r *Reader) ReadTree(source Source) Tree {
	t := Tree{prepared: map[string]preparedStep{}, readFile: source.ReadFile}
	for _, name := range slices.Sorted(maps.Keys(source.Steps)) {
		d := source.Steps[name]
		script := r.readScript(source, d)
		schema, mistakes := steps.Compile(d.Step.Spec.Args)
		for _, m := range mistakes {
			r.Report(d.ErrorAt("spec.args"+m.Field, m.Hint, "%s", m.Message))
		}
		t.prepared[name] = preparedStep{spec: d.Step.Spec, script: script, schema: schema,
			broken: len(mistakes) > 0 || d.Fields.IsSpoiledBelow("spec.args"), looks: d.IsWritten("spec.writes") && len(d.Step.Spec.Writes) == 0,
			when: r.readCondition(d, "spec.when", d.Step.Spec.When), plugins: r.readPlugins(source, d)}
	}
	return t
}

// readCondition reads a condition; none where there is none, or where the condition cannot be used.
func (r *Reader) readCondition(d schemas.Document, field, text string) []steps.Condition {
	if strings.TrimSpace(text) == "" || len(text) > schemas.MaxCondition {
		return nil // reported already where a condition was meant
	}
	if r.conditions == nil {
		r.conditions = rules.NewCompiler()
	}
	if _, mistake := r.conditions.Compile(text); mistake != nil {
		r.Report(d.ErrorAt(field, "a condition sees facts, labels, vars, name and id",
			"line %d, column %d of the condition: %s", mistake.Line, mistake.Column, mistake.Message))
		return nil
	}
	return []steps.Condition{{Text: text, From: d.PositionOf(field)}}
}

// readScript gives the script of a Step, and finds a missing one, or one without an interpreter.
func (r *Reader) readScript(source Source, d schemas.Document) []byte {
	name := d.Step.Spec.Script
	script, has, usable := source.UseFile(name)
	if name != "" && !has {
		r.Report(d.ErrorAt("spec.script", "", "there is no file %s in this commit", name))
	} else if name != "" && usable {
		if why, mend := schemas.WhyNotScript(name, script); why != "" {
			r.Report(d.ErrorAt("spec.script", mend, "%s", why))
		}
	}
	return script
}

// ListEntries lists a Workload's steps in order, the install alone when the Workload lists none. A Step that is listed
// again without an id gets the id NAME-2, NAME-3.
func (r *Reader) ListEntries(t Tree, d schemas.Document) []Entry {
	uses := d.Workload.Spec.Steps
	if len(uses) == 0 {
		return []Entry{{step: inventory.Step{Name: schemas.StepInstall, Seconds: installSeconds}, document: d}}
	}
	var entries []Entry
	count := map[string]int{}
	for i, use := range uses {
		if use.ID == "" {
			if count[use.Step]++; count[use.Step] > 1 {
				use.ID = fmt.Sprintf("%s-%d", use.Step, count[use.Step])
			}
		}
		if e, ok := r.newEntry(t, d, fmt.Sprintf("spec.steps[%d]", i), use); ok {
			entries = append(entries, e)
		}
	}
	for i, e := range entries {
		if first := slices.IndexFunc(entries,
			func(o Entry) bool { return o.step.Key() == e.step.Key() }); first < i {
			r.addTwice(e, entries[first])
		}
	}
	r.checkScripts(d, entries)
	return entries
}

// addTwice reports an entry with the id of another entry.
func (r *Reader) addTwice(e, first Entry) {
	r.Report(e.document.ErrorAt(e.field+".id", "write another id", "the step in %s has the id %q already",
		first.document.PositionOf(first.field), e.step.Key()))
}

// checkScripts finds a list whose scripts are too large.
func (r *Reader) checkScripts(d schemas.Document, entries []Entry) {
	size := 0
	for _, e := range entries {
		size += len(e.step.Script)
	}
	if size > maxScripts {
		r.Report(d.ErrorAt("spec.steps", "have the scripts fetch what is large",
			"the scripts of all steps have %d bytes, at most %d can be delivered", size, maxScripts))
	}
}

// newEntry reads a use of a step; not ok when the Step is missing.
func (r *Reader) newEntry(t Tree, d schemas.Document, field string, use schemas.StepUse) (Entry, bool) {
	use = r.inlineFiles(t, d, field, use)
	e := Entry{use: use, document: d, field: field, step: inventory.Step{Name: use.Step, From: d.PositionOf(field),
		Host: d.Kind == schemas.KindHost}}
	if use.ID != use.Step {
		e.step.ID = use.ID
	}
	if use.Step == schemas.StepInstall {
		e.step.Seconds = readSeconds(cmp.Or(use.Timeout, fmt.Sprintf("%ds", installSeconds)))
		return e, true
	}
	prepared, ok := r.findPrepared(t, use.Step)
	if !ok {
		r.Report(d.ErrorAt(field+".step", suggestStep(t, use.Step), "there is no Step %q", use.Step))
		return Entry{}, false
	}
	e.prepared = prepared
	if prepared.spec.BMC != nil {
		e.step.Looks, e.step.Seconds = true, readSeconds(cmp.Or(use.Timeout, prepared.spec.Timeout, settings.DefaultTimeout))
		r.Report(settings.CheckUse(d, field, use.Step)...)
		return e, true
	}
	e.step.Script, e.step.Looks, e.step.Needs = prepared.script, prepared.looks, prepared.spec.Needs
	e.step.Plugins = prepared.plugins
	e.step.Writes, e.step.Mounts = prepared.spec.Writes, prepared.spec.Mounts == schemas.MountsSystem
	e.step.Seconds = readSeconds(cmp.Or(use.Timeout, prepared.spec.Timeout, steps.DefaultTimeout))
	e.step.Attempts = max(1, cmp.Or(use.Attempts, prepared.spec.Attempts))
	e.step.When = append(slices.Clone(prepared.when), r.readCondition(d, field+".when", use.When)...)
	e.step.Reboots = prepared.spec.Reboots
	e.step.Once = prepared.spec.Repeatable != nil && !*prepared.spec.Repeatable
	if e.vars = steps.UsesVars(use.Args); !e.vars {
		e.step.Arguments = r.resolveArguments(e, func(string) (string, error) { return "", nil })
		e.step = r.completeStep(e, e.step)
	}
	return e, true
}

// findPrepared gives a Step of a tree, or a reserved step.
func (r *Reader) findPrepared(t Tree, name string) (preparedStep, bool) {
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
func (r *Reader) completeStep(e Entry, step inventory.Step) inventory.Step {
	if takes := steps.ListReserved()[step.Name].Schema != nil; takes && step.Args == nil {
		return step // a mistake is reported already
	}
	for _, m := range steps.CheckFiles(step) {
		r.Report(e.document.ErrorAt(e.field+".args"+m.Field, m.Hint, "%s", m.Message))
	}
	next, err := steps.Complete(step)
	if err != nil {
		r.Report(e.document.ErrorAt(e.field+".args", "such as {for: 30s}", "%v", err))
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
func suggestStep(t Tree, name string) string {
	hint := "`ingot step list` lists the Steps"
	names := yamltext.NearestWords(name, slices.Collect(maps.Keys(t.prepared)), 3)
	if len(names) == 0 {
		return hint
	}
	return "the nearest are " + strings.Join(names, ", ") + "; " + hint
}

// resolveArguments checks the arguments of an entry. An error of lookup is reported by lookup.
func (r *Reader) resolveArguments(e Entry, lookup func(string) (string, error)) steps.Arguments {
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
		r.Report(e.document.ErrorAt(e.field+".args"+m.Field, m.Hint, "%s", m.Message))
	}
	size := len(mustJSON(arguments.Args))
	for _, ref := range arguments.ListSecrets() {
		size += r.checkSecret(e, ref)
	}
	if size > maxArguments {
		r.Report(e.document.ErrorAt(e.field+".args", "have the script fetch what is large",
			"the arguments have %d bytes, at most %d can be delivered", size, maxArguments))
	}
	return arguments
}

// checkSecret finds a missing Secret, and gives the sealed length of the value: it is longer than the plain one.
func (r *Reader) checkSecret(e Entry, ref refs.Secret) int {
	sealed, ok := r.Secrets[ref.Name]
	switch {
	case !ok:
		r.Report(e.document.ErrorAt(e.field+".args", "", "there is no Secret %q", ref.Name))
		return 0
	case !slices.Contains(sealed.Keys, ref.Key) && !slices.Contains(sealed.Binary, ref.Key):
		r.Report(e.document.ErrorAt(e.field+".args", "add it to "+sealed.File, "there is no key %q in Secret %q",
			ref.Key, ref.Name))
		return 0
	}
	return r.SealedLength(ref)
}

// ListUses gives the steps of a Workload for people, with references in their arguments.
func ListUses(entries []Entry) (list []inventory.Step) {
	for _, e := range entries {
		step := e.step
		if e.vars {
			step.Args = e.use.Args
		}
		list = append(list, step)
	}
	return steps.AddDescribe(list)
}

// FindImage gives the image that the list of a Workload writes without coreos-installer.
func FindImage(entries []Entry) (image schemas.Image, found bool) {
	for _, e := range entries {
		if e.step.Name == schemas.StepWriteImage {
			return e.use.Image(), true // also where other arguments are known for a host only
		}
	}
	return image, false
}

// errMissing says that a host lacks a var, which is reported in the host's file.
var errMissing = errors.New("the host lacks the var")

// ResolveSteps gives the steps of a host: those of the Workload and those that the host adds, with the host's vars.
func (r *Reader) ResolveSteps(t Tree, entries []Entry, host Host) []inventory.Step {
	list := make([]inventory.Step, 0, len(entries))
	for _, e := range entries {
		list = append(list, r.resolveEntry(e, host))
	}
	added, all := host.Running.Host.Spec.Steps, slices.Clone(entries)
	if len(added) == 0 {
		r.checkPlaces(list, all)
		return steps.AddDescribe(list)
	}
	var additions []steps.Addition
	for i, use := range added {
		e, ok := r.newEntry(t, host.Running, fmt.Sprintf("spec.steps[%d]", i), use.Use())
		if !ok {
			continue
		}
		if first := slices.IndexFunc(all, func(o Entry) bool { return o.step.Key() == e.step.Key() }); first >= 0 {
			r.addTwice(e, all[first])
			continue
		}
		all = append(all, e)
		additions = append(additions, steps.Addition{Step: r.resolveEntry(e, host),
			Place: steps.Place{After: use.After, Before: use.Before}})
	}
	r.checkScripts(host.Running, all)
	list, lost := steps.InsertSteps(list, additions)
	for _, i := range lost {
		r.addLost(all[len(entries)+i], additions[i].Place, list)
	}
	r.checkPlaces(list, all)
	return steps.AddDescribe(list)
}

// addLost reports a step whose place is not in the list.
func (r *Reader) addLost(e Entry, at steps.Place, list []inventory.Step) {
	field, id := ".after", at.After
	if at.Before != "" {
		field, id = ".before", at.Before
	}
	if id == "" {
		return // reported already
	}
	r.Report(e.document.ErrorAt(e.field+field, "the nearest are "+
		strings.Join(yamltext.NearestWords(id, steps.ListKeys(list), 3), ", ")+"; `ingot step list -w WORKLOAD` lists the ids",
		"no step before this one has the id %q", id))
}

// resolveEntry gives a use for a host. The host must be in the scope of the secrets.
func (r *Reader) resolveEntry(e Entry, host Host) inventory.Step {
	step := e.step
	if e.vars {
		step.Arguments = r.resolveArguments(e, func(name string) (string, error) {
			value, ok := host.Running.Host.Spec.Vars[name]
			if !ok {
				r.Report(host.Running.ErrorAt("spec.vars."+name, "", "the field is missing: %s uses ${vars.%s}",
					e.document.PositionOf(e.field+".args"), name))
				return "", errMissing
			}
			return value, nil
		})
		step = r.completeStep(e, step)
	}
	for _, name := range step.Writes {
		if name == schemas.RootDiskName {
			continue
		}
		if field := "spec.disks." + name; len(host.Trunk.Host.Spec.Disks[name]) == 0 &&
			!host.Trunk.Fields.IsSpoiledBelow("spec.disks") {
			r.Report(host.Trunk.ErrorAt(field, "such as "+name+": [{serial: S5H9NX12}]",
				"the name is missing: the step in %s writes to these disks", e.document.PositionOf(e.field)))
		}
	}
	for _, ref := range step.ListSecrets() {
		if sealed, ok := r.Secrets[ref.Name]; ok && r.IsOutOfScope(sealed, host.Trunk) {
			r.Report(host.Trunk.ErrorAt("spec.workload", "widen spec.scope in "+sealed.File,
				"this host is not in the scope of Secret %q, which %s uses", sealed.Name,
				e.document.PositionOf(e.field+".args")))
		}
	}
	return step
}
