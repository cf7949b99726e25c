package load

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/load/steplist"
	"github.com/gitmetal/ingot/inventory/refs"
	"github.com/gitmetal/ingot/inventory/runs"
	"github.com/gitmetal/ingot/inventory/settings"
	"github.com/gitmetal/ingot/inventory/work"
	"github.com/gitmetal/ingot/schemas"
)

// recipe is a Workload with steps and files, before a host is known.
type recipe struct {
	workload inventory.Workload // without the parts that depend on a host
	config   *butaneConfig      // nil without Butane
	entries  []steplist.Entry   // of the Workload's list
}

// prepareWorkloads resolves every Workload of a tree, used or not, so that each mistake is reported once.
func (l *loader) prepareWorkloads(t *tree) {
	read := func(file string) ([]byte, bool, bool) {
		data, usable := l.useFile(t, file)
		_, has := t.Files[file]
		return data, has, usable
	}
	t.stepTree = l.steps.ReadTree(steplist.Source{Steps: t.steps(), ReadFile: read, UseFile: func(file string) ([]byte, bool, bool) {
		data, has, usable := read(file)
		if usable {
			l.addFindings(refs.WarnInFile(file, data, stepFile)...)
		}
		return data, has, usable
	}})
	t.works = map[string]runs.Work{}
	for _, name := range slices.Sorted(maps.Keys(t.workloads())) {
		d := t.workloads()[name]
		install := d.Workload.Spec.Install
		if install == nil {
			if d.Workload.Spec.Run != nil {
				l.keepWork(t, d)
			} else {
				l.prepareImage(t, d)
			}
			continue
		}
		r := &recipe{workload: inventory.Workload{
			Name: name, Image: install.Image, KernelArguments: install.KernelArguments, Ignition: install.Ignition,
			Installer: inventory.InstallerOptions{DeleteKernelArguments: install.DeleteKernelArguments, Platform: install.Platform,
				Consoles: install.Consoles},
			Update:            cmp.Or(d.Workload.Spec.Update, schemas.OnConsent),
			StaysOn:           d.Workload.Spec.OnFailure == schemas.FailedKeep,
			PhoneHome:         cmp.Or(install.PhoneHome, schemas.PhoneHomeRequired),
			OtherDisksAllowed: install.OtherDisks == schemas.OtherDisksAllowed,
		}}
		r.entries = l.steps.ListEntries(t.stepTree, d)
		if install.Butane != "" {
			r.config = l.readConfig(t, d, install.Butane)
		}
		t.recipes[name] = r
	}
}

// prepareImage resolves a Workload whose step write-image stands in place of an install.
func (l *loader) prepareImage(t *tree, d schemas.Document) {
	entries := l.steps.ListEntries(t.stepTree, d)
	image, found := steplist.FindImage(entries)
	if !found {
		return // reported already
	}
	t.recipes[d.Name] = &recipe{entries: entries, workload: inventory.Workload{
		Name: d.Name, Image: image, Update: cmp.Or(d.Workload.Spec.Update, schemas.OnConsent),
		PhoneHome: cmp.Or(d.Workload.Spec.PhoneHome, schemas.PhoneHomeRequired), StaysOn: d.Workload.Spec.OnFailure == schemas.FailedKeep}}
}

// keepWork resolves a Workload with spec.run.
func (l *loader) keepWork(t *tree, d schemas.Document) {
	r, runs := work.Resolve(d, t.Files)
	if !runs {
		return
	}
	l.addFindings(r.Findings...)
	for _, file := range r.Files {
		if data, usable := l.useFile(t, file); usable {
			l.addFindings(refs.WarnInFile(file, data, runFile)...)
		}
	}
	t.works[d.Name] = r.Work
}

// resolveWorkload gives what a host runs: a recipe of the tree with the host's vars. The Workload is nil when the host
// runs nothing, or names a missing Workload.
func (l *loader) resolveWorkload(t *tree, d, running schemas.Document) *inventory.Workload {
	if running.Host.Spec.Workload == "" {
		if len(running.Host.Spec.Steps) > 0 {
			l.addFindings(running.ErrorAt("spec.steps", "name the workload, or leave the steps out",
				"the steps of a host are added to those of its workload, and this host has none"))
		}
		return nil
	}
	name := running.Host.Spec.Workload
	r, ok := t.recipes[name]
	if !ok {
		if named, known := t.workloads()[name]; !known {
			l.addFindings(running.ErrorAt("spec.workload", "", "there is no Workload %q", name))
		} else if named.Workload.Spec.Run != nil {
			l.addFindings(running.ErrorAt("spec.workload", "write claimable: true, and labels that the Workload selects",
				"Workload %q has spec.run, and claims its machines: no host names it", name))
		}
		return nil
	}
	w := r.workload
	var blobs []string
	if r.config != nil {
		w.Secrets, blobs = r.config.listSecrets(), r.config.blobs
		w.Butane, w.OtherDisks = l.configForHost(r.config, d, running)
	}
	list := l.steps.ResolveSteps(t.stepTree, r.entries, steplist.Host{Trunk: d, Running: running})
	w.Steps, w.Settings = settings.Split(list, t.steps(), running, l.addFindings)
	for _, step := range w.Steps {
		for _, ref := range step.ListSecrets() {
			if !slices.Contains(w.Secrets, ref) {
				w.Secrets = append(w.Secrets, ref)
			}
		}
	}
	w.Parts = digestParts(&w, blobs, d.Host.Spec)
	w.Inputs = digestInputs(w.Parts)
	if r.config != nil {
		w.Config, w.Meaning = r.config.digests.Config, r.config.digests.Meaning
	}
	return &w
}

// configForHost gives a config with the vars of a host, and the other disks that the config writes to. A missing var is
// reported in the host's file.
func (l *loader) configForHost(
	c *butaneConfig, d, running schemas.Document,
) (*inventory.Butane, []inventory.OtherDisk) {
	b := c.butane
	b.Vars = map[string]string{}
	complete := true
	for _, use := range c.references {
		if use.Var != "" {
			value, ok := running.Host.Spec.Vars[use.Var]
			if !ok {
				l.addFindings(running.ErrorAt("spec.vars."+use.Var, "", "the field is missing: %s uses %s", use.at,
					use.Ref))
				complete = false
				continue
			}
			b.Vars[use.Var] = value
			continue
		}
		if sealed, ok := l.fleet.Secrets[use.Secret.Name]; ok && l.isOutOfScope(sealed, d) {
			l.addFindings(d.ErrorAt("spec.workload", hintWiden(sealed),
				"this host is not in the scope of Secret %q, which %s uses", sealed.Name, use.at))
		}
	}
	if !complete || !c.complete || l.translator == nil {
		return &b, nil
	}
	return &b, l.translateConfig(c, b)
}

// translateConfig checks a config once for all hosts with the same vars. Vars inside the text of files count by their
// size only: the config is translated with all vars only where the texts might make the config too large.
func (l *loader) translateConfig(c *butaneConfig, b inventory.Butane) []inventory.OtherDisk {
	allVars, vars, texts := b.Vars, map[string]string{}, 0
	for name, value := range allVars {
		if c.shapingVars[name] || strings.ContainsFunc(value, isUnprintable) {
			vars[name] = value
		} else {
			texts += c.textVars[name] * len(value) * expansion
		}
	}
	b.Vars = vars
	checked := l.checkConfig(c, b)
	if checked.Room >= 0 && checked.Room < texts {
		b.Vars = allVars
		checked = l.checkConfig(c, b)
	}
	l.addFindings(checked.Findings...)
	return checked.OtherDisks
}

// expansion is the most bytes that one byte of a value takes in a config, as JSON or percent-encoded.
const expansion = 6

// checkConfig has the Translator check a config, or takes the result from the cache.
func (l *loader) checkConfig(c *butaneConfig, b inventory.Butane) inventory.Translation {
	// fmt sorts maps
	key := inventory.Digest(append(slices.Clone(c.blobs), b.Path, b.Ignition, mustJSON(b.Vars), fmt.Sprint(b.Sealed, b.Binary))...)
	checked, known := l.after.translations[key]
	if !known {
		if checked, known = l.before.translations[key]; !known {
			checked = l.translator.Check(b)
		}
		l.after.translations[key] = checked
	}
	return checked
}

func isUnprintable(r rune) bool { return !unicode.IsPrint(r) }
