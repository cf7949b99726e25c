package inventory

import (
	"path"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/gitmetal/ingot/schemas"
)

// Translator checks a Butane config once per accepted commit, with its files and vars, so that its errors are findings of the commit.
// Secrets are not known to it.
type Translator interface {
	Check(config Butane) []schemas.Finding
}

// folders are where every YAML file must be a document of the contract; elsewhere only files that say so are read.
var folders = []string{"hosts", "workloads", "steps", "secrets"}

// Load resolves what the sources ask for. A fleet without hosts is legal: then every machine is orphaned, hands off. With a fatal finding
// the fleet must not be used. The result does not depend on the order of files.
func Load(sources Sources, check Translator) (Fleet, []schemas.Finding) {
	l := loader{
		trunk: sources.Trunk, check: check, checked: map[string]bool{},
		workloads: map[string]schemas.Document{}, steps: map[string]schemas.Document{}, hosts: map[string]schemas.Document{},
		fleet: Fleet{Commit: sources.Trunk.Commit, Hosts: map[string]Desired{}, Secrets: map[string]Sealed{}},
	}
	l.read()
	l.duplicates()
	for _, name := range sortedNames(l.hosts) {
		l.resolve(l.hosts[name])
	}
	schemas.Sort(l.findings)
	return l.fleet, l.findings
}

type loader struct {
	trunk     Snapshot
	check     Translator
	checked   map[string]bool // Butane configs that were checked, by digest
	hosts     map[string]schemas.Document
	workloads map[string]schemas.Document
	steps     map[string]schemas.Document
	fleet     Fleet
	findings  []schemas.Finding
}

func (l *loader) find(findings ...schemas.Finding) { l.findings = append(l.findings, findings...) }

// read decodes every document of the trunk.
func (l *loader) read() {
	for _, file := range sortedNames(l.trunk.Files) {
		data := l.trunk.Files[file].Data
		if !isFleetFile(file, data) {
			continue
		}
		documents, findings := schemas.Decode(file, data)
		l.find(findings...)
		for _, document := range documents {
			l.keep(document, data)
		}
	}
}

// isFleetFile reports whether a file is read as documents: every .yaml and .yml file in the folders of the contract, and any other that
// names our apiVersion. Files and folders that start with a dot are never read.
func isFleetFile(file string, data []byte) bool {
	if ext := path.Ext(file); ext != ".yaml" && ext != ".yml" {
		return false
	}
	parts := strings.Split(file, "/")
	if slices.ContainsFunc(parts, func(part string) bool { return strings.HasPrefix(part, ".") }) {
		return false
	}
	if len(parts) > 1 && slices.Contains(folders, parts[0]) {
		return true
	}
	group, _, _ := strings.Cut(schemas.APIVersion, "/")
	return strings.Contains(string(data), "apiVersion: "+group+"/") || strings.Contains(string(data), `apiVersion: "`+group+"/")
}

func (l *loader) keep(d schemas.Document, data []byte) {
	if d.Name == "" {
		return // a finding already
	}
	var known map[string]schemas.Document
	switch d.Kind {
	case schemas.KindHost:
		known = l.hosts
	case schemas.KindWorkload:
		known = l.workloads
	case schemas.KindStep:
		known = l.steps
	case schemas.KindSecret:
		if first, twice := l.fleet.Secrets[d.Name]; twice {
			l.find(d.Finding("metadata.name", "", "there is a Secret %q in %s already", d.Name, first.File))
			return
		}
		l.fleet.Secrets[d.Name] = Sealed{Name: d.Name, File: d.File, Scope: d.Secret.Spec.Scope, Keys: sortedNames(d.Secret.Spec.Data), Document: data}
		return
	}
	if first, twice := known[d.Name]; twice {
		l.find(d.Finding("metadata.name", "", "there is a %s %q in %s already", d.Kind, d.Name, first.Pos("metadata.name")))
		return
	}
	known[d.Name] = d
}

// duplicates finds what only one host may have: a BMC's system, a serial, a MAC, a former name.
func (l *loader) duplicates() {
	type claim struct{ kind, value string }
	owners := map[claim]string{}
	for _, name := range sortedNames(l.hosts) {
		d := l.hosts[name]
		own := func(field, kind, value string) {
			key := claim{kind, strings.ToLower(strings.TrimSpace(value))}
			if key.value == "" {
				return
			}
			if other, taken := owners[key]; taken {
				l.find(d.Finding(field, "", "host %s has the same %s %s", other, kind, value))
				return
			}
			owners[key] = name
		}
		spec := d.Host.Spec
		if spec.BMC != nil {
			own("spec.bmc.address", "bmc address", strings.TrimRight(spec.BMC.Address, "/"))
		}
		if Placeholder(spec.Identity.Serial) && spec.Identity.Serial != "" {
			l.find(d.Finding("spec.identity.serial", "identify the machine by its MACs", "%q is a placeholder, no identity", spec.Identity.Serial))
		} else {
			own("spec.identity.serial", "serial", spec.Identity.Serial)
		}
		for _, mac := range spec.Identity.MACs {
			own("spec.identity.macs", "MAC", mac)
		}
		own("metadata.formerly", "former name", d.Host.Metadata.Formerly)
		if _, lives := l.hosts[d.Host.Metadata.Formerly]; lives {
			l.find(d.Finding("metadata.formerly", "remove the old file in the same commit", "host %s still exists", d.Host.Metadata.Formerly))
		}
	}
}

// resolve puts a host together.
func (l *loader) resolve(d schemas.Document) {
	spec := d.Host.Spec
	desired := Desired{
		Commit: l.trunk.Commit, Release: l.trunk.Commit, File: d.File, Line: d.Pos("").Line,
		Name: d.Name, Former: d.Host.Metadata.Formerly, Labels: d.Host.Metadata.Labels,
		BMC: spec.BMC, Identity: spec.Identity, Boot: spec.Boot, Power: spec.Power, RootDisk: spec.RootDisk, Network: spec.Network,
		Protect: spec.Protect, Lifecycle: orDefault(spec.Lifecycle, schemas.Managed), Consent: spec.Consent,
	}
	if spec.BMC != nil {
		l.credentials(d, spec.BMC.Credentials)
	}
	if spec.Workload != "" {
		w, ok := l.workloads[spec.Workload]
		if !ok {
			l.find(d.Finding("spec.workload", "", "there is no Workload %q", spec.Workload))
		} else {
			desired.Workload = l.workload(d, w)
		}
	}
	l.fleet.Hosts[d.Name] = desired
}

func (l *loader) credentials(d schemas.Document, name string) {
	sealed, ok := l.fleet.Secrets[name]
	if !ok {
		l.find(d.Finding("spec.bmc.credentials", "", "there is no Secret %q", name))
		return
	}
	if !InScope(sealed.Scope, d.Name, d.Host.Metadata.Labels) {
		l.find(d.Finding("spec.bmc.credentials", "widen spec.scope in "+sealed.File, "this host is not in the scope of Secret %q", name))
	}
	for _, key := range []string{"username", "password"} {
		if !slices.Contains(sealed.Keys, key) {
			l.find(d.Finding("spec.bmc.credentials", "", "Secret %q has no key %q", name, key))
		}
	}
}

// InScope reports whether a host may have a secret.
func InScope(scope schemas.Scope, host string, labels map[string]string) bool {
	if scope.AllHosts {
		return true
	}
	if len(scope.Hosts) == 0 && len(scope.MatchLabels) == 0 {
		return false
	}
	if len(scope.Hosts) > 0 && !slices.Contains(scope.Hosts, host) {
		return false
	}
	for key, want := range scope.MatchLabels {
		if have, ok := labels[key]; !ok || have != want {
			return false
		}
	}
	return true
}

// workload resolves what a host runs, with its own vars.
func (l *loader) workload(host, d schemas.Document) *Workload {
	install := d.Workload.Spec.Install
	if install == nil {
		return nil // a finding already
	}
	w := &Workload{
		Name: d.Name, Image: install.Image, KernelArguments: install.KernelArguments,
		Update:    orDefault(d.Workload.Spec.Update, schemas.OnConsent),
		PhoneHome: orDefault(install.PhoneHome, schemas.PhoneHomeRequired),
		Steps:     l.stepList(d),
	}
	var blobs []string
	if install.Butane != "" {
		w.Butane, w.Secrets, blobs = l.butane(host, d, install.Butane)
	}
	w.Parts = parts(w, blobs, host.Host.Spec.RootDisk)
	w.Inputs = inputs(w.Parts)
	return w
}

func (l *loader) stepList(d schemas.Document) []Step {
	uses := d.Workload.Spec.Steps
	if len(uses) == 0 {
		uses = []schemas.StepUse{{Step: schemas.StepInstall}}
	}
	var steps []Step
	for _, use := range uses {
		if use.Step == schemas.StepInstall {
			steps = append(steps, Step{Name: schemas.StepInstall, Seconds: int((2 * time.Hour).Seconds())})
			continue
		}
		step, ok := l.steps[use.Step]
		if !ok {
			l.find(d.Finding("spec.steps", "", "there is no Step %q", use.Step))
			continue
		}
		script, ok := l.trunk.Files[step.Step.Spec.Script]
		if !ok {
			l.find(step.Finding("spec.script", "", "there is no file %s in this commit", step.Step.Spec.Script))
			continue
		}
		timeout, err := time.ParseDuration(orDefault(step.Step.Spec.Timeout, "10m"))
		if err != nil {
			continue // a finding already
		}
		steps = append(steps, Step{Name: use.Step, Script: script.Data, Seconds: int(timeout.Seconds())})
	}
	return steps
}

func orDefault(value, fallback string) string {
	if value == "" {
		return fallback
	}
	return value
}

func sortedNames[V any](m map[string]V) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}
