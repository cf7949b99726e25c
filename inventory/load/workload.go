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

// maxScripts is how many bytes the scripts of a Workload may have: they come to the agent in one message, which is smaller than wire.MaxBody.
const maxScripts = 2 << 20

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
			PhoneHome: cmp.Or(install.PhoneHome, schemas.PhoneHomeRequired), OtherDisksAllowed: install.OtherDisks == schemas.OtherDisksAllowed,
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
	scripts := 0
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
		scripts += len(t.Files[step.Step.Spec.Script].Data)
	}
	if scripts > maxScripts {
		l.find(d.Finding("spec.steps", "have the scripts fetch what is large", "the scripts of all steps have %d bytes, at most %d can be delivered", scripts, maxScripts))
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
		w.Secrets, blobs = r.config.secrets(), r.config.blobs
		w.Butane, w.OtherDisks = l.forHost(r.config, d, running)
	}
	w.Parts = parts(&w, blobs, d.Host.Spec.RootDisk)
	w.Inputs = inputs(w.Parts)
	return &w
}

// forHost is a config with the vars of a host, and the other disks that it writes to with them; what the host lacks is found in the host's file.
func (l *loader) forHost(c *config, d, running schemas.Document) (*inventory.Butane, []inventory.OtherDisk) {
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
		if sealed, ok := l.fleet.Secrets[use.Secret.Name]; ok && !sealed.Scope.Selects(d.ID(), d.Host.Metadata.Labels) {
			l.find(d.Finding("spec.workload", "widen spec.scope in "+sealed.File, "this host is not in the scope of Secret %q, which %s uses", sealed.Name, use.at))
		}
	}
	if !complete || !c.whole || l.check == nil {
		return &b, nil
	}
	return &b, l.translate(c, b)
}

// translate has a config checked, once for all hosts that give it the same vars: those that only come into the text of files make no difference, but for the
// size. Only where they might make the config too large is it measured with all of them.
func (l *loader) translate(c *config, b inventory.Butane) []inventory.OtherDisk {
	all, vars, texts := b.Vars, map[string]string{}, 0
	for name, value := range all {
		if c.shapes[name] || strings.ContainsFunc(value, unprintable) {
			vars[name] = value
		} else {
			texts += c.texts[name] * len(value) * expansion
		}
	}
	b.Vars = vars
	checked := l.checked(c, b)
	if checked.Room >= 0 && checked.Room < texts {
		b.Vars = all
		checked = l.checked(c, b)
	}
	l.find(checked.Findings...)
	return checked.OtherDisks
}

// expansion is how many bytes of a config one byte of a value makes at most, as JSON or percent-encoded.
const expansion = 6

// checked has a config checked, or remembers it.
func (l *loader) checked(c *config, b inventory.Butane) inventory.Translation {
	key := inventory.Digest(append(slices.Clone(c.blobs), b.Path, mustJSON(b.Vars), fmt.Sprint(b.Sealed))...) // fmt sorts maps
	checked, known := l.after.checked[key]
	if !known {
		if checked, known = l.before.checked[key]; !known {
			checked = l.check.Check(b)
		}
		l.after.checked[key] = checked
	}
	return checked
}

func unprintable(r rune) bool { return !unicode.IsPrint(r) }
