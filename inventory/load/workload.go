package load

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/schemas"
)

// installSeconds is the deadline of the step install: a slow disk, a slow network, a large image.
const installSeconds = 2 * 60 * 60

// recipe is a Workload with its steps and files, before it is known which host runs it.
type recipe struct {
	workload inventory.Workload // without what depends on a host
	config   *config            // nil: no Butane
}

// prepare resolves every Workload of a tree, also those that no host runs, so that each mistake in them is told once.
func (l *loader) prepare(t *tree) {
	for _, name := range slices.Sorted(maps.Keys(t.steps())) {
		l.script(t, t.steps()[name])
	}
	for _, name := range slices.Sorted(maps.Keys(t.workloads())) {
		d := t.workloads()[name]
		install := d.Workload.Spec.Install
		if install == nil {
			continue // a finding already
		}
		r := &recipe{workload: inventory.Workload{
			Name: name, Image: install.Image, KernelArguments: install.KernelArguments, Steps: l.steps(t, d),
			Update:    cmp.Or(d.Workload.Spec.Update, schemas.OnConsent),
			PhoneHome: cmp.Or(install.PhoneHome, schemas.PhoneHomeRequired),
		}}
		if install.Butane != "" {
			r.config = l.config(t, d, install.Butane)
		}
		t.recipes[name] = r
	}
}

// script finds a Step without its file.
func (l *loader) script(t *tree, d schemas.Document) {
	name := d.Step.Spec.Script
	t.named[name] = true
	if file, ok := t.Files[name]; name != "" && !ok {
		l.find(d.Finding("spec.script", "", "there is no file %s in this commit", name))
	} else if name != "" && !strings.HasPrefix(string(file.Data), "#!") {
		l.find(d.Finding("spec.script", "start it with a line such as #!/bin/sh", "the first line of %s does not name its interpreter", name))
	}
}

// steps is a Workload's list in its order; the install alone when it has none.
func (l *loader) steps(t *tree, d schemas.Document) []inventory.Step {
	uses := d.Workload.Spec.Steps
	if len(uses) == 0 {
		uses = []schemas.StepUse{{Step: schemas.StepInstall}}
	}
	var steps []inventory.Step
	for i, use := range uses {
		if use.Step == schemas.StepInstall {
			steps = append(steps, inventory.Step{Name: use.Step, Seconds: installSeconds})
			continue
		}
		step, ok := t.steps()[use.Step]
		if !ok {
			l.find(d.Finding(fmt.Sprintf("spec.steps[%d].step", i), "", "there is no Step %q", use.Step))
			continue
		}
		timeout, err := time.ParseDuration(cmp.Or(step.Step.Spec.Timeout, "10m"))
		if err != nil {
			continue // a finding already
		}
		steps = append(steps, inventory.Step{Name: use.Step, Script: t.Files[step.Step.Spec.Script].Data, Seconds: int(timeout.Seconds())})
	}
	return steps
}

// workload is what a host runs: the recipe of a tree with the vars that the host has there. nil when it runs nothing, or when what it names is not there.
func (l *loader) workload(t *tree, d, running schemas.Document) *inventory.Workload {
	if running.Host.Spec.Workload == "" {
		return nil
	}
	name := running.Host.Spec.Workload
	r, ok := t.recipes[name]
	if !ok {
		if _, broken := t.workloads()[name]; !broken {
			l.find(running.Finding("spec.workload", "", "there is no Workload %q", name))
		}
		return nil
	}
	w := r.workload
	var blobs []string
	if r.config != nil {
		w.Butane, w.Secrets, blobs = l.forHost(r.config, d, running), r.config.secrets(), r.config.blobs
	}
	w.Parts = parts(&w, blobs, d.Host.Spec.RootDisk)
	w.Inputs = inputs(w.Parts)
	return &w
}

// forHost is a config with the vars of a host; what the host lacks is found in the host's file.
func (l *loader) forHost(c *config, d, running schemas.Document) *inventory.Butane {
	b := c.butane
	b.Vars = map[string]string{}
	complete := true
	for _, use := range c.uses {
		if use.Var != "" {
			value, ok := running.Host.Spec.Vars[use.Var]
			if !ok {
				l.find(running.Finding("spec.vars."+use.Var, "", "the field is missing: %s uses %s", use.at, use.Ref))
				complete = false
				continue
			}
			b.Vars[use.Var] = value
			continue
		}
		if sealed, ok := l.fleet.Secrets[use.Secret.Name]; ok && !sealed.Scope.Selects(d.Name, d.Host.Metadata.Labels) {
			l.find(d.Finding("spec.workload", "widen spec.scope in "+sealed.File, "this host is not in the scope of Secret %q, which %s uses", sealed.Name, use.at))
		}
	}
	if complete && c.whole {
		l.translate(c, &b)
	}
	return &b
}

// translate has a config checked, once for all hosts that give it the same vars: those that only come into the text of files make no difference.
func (l *loader) translate(c *config, b *inventory.Butane) {
	if l.check == nil {
		return
	}
	vars := map[string]string{}
	for name, value := range b.Vars {
		if c.shapes[name] || strings.ContainsFunc(value, unprintable) {
			vars[name] = value
		}
	}
	key := inventory.Digest(append(slices.Clone(c.blobs), b.Path, mustJSON(vars))...)
	findings, known := l.after.checked[key]
	if !known {
		if findings, known = l.before.checked[key]; !known {
			findings = l.check.Check(*b)
		}
		l.after.checked[key] = findings
	}
	l.find(findings...)
}

func unprintable(r rune) bool { return !unicode.IsPrint(r) }
