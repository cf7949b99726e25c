// Package load resolves the commits of a fleet to what is desired of every host: references, rings, defaults, secrets in scope. Pure.
package load

import (
	"bytes"
	"cmp"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/schemas"
	"github.com/gitmetal/ingot/schemas/decode"
)

// Translator checks and measures a Butane config once per accepted commit, with its files and vars, so that its errors are findings of the commit.
// Secrets are not known to it but for how long they are.
type Translator interface {
	Check(config inventory.Butane) inventory.Translation
}

// Fleet resolves what the sources ask for. A fleet without hosts is legal and has no findings: then every machine is orphaned, hands off.
// With a fatal finding the fleet must not be used. All findings are returned at once, sorted, each once; neither they nor the fleet depend on
// the order of files. Without a Translator Butane configs are not translated.
//
// Read as documents are the .yaml and .yml files that say so: a line that starts with apiVersion: ingot.dev/. In the folders hosts,
// workloads, steps and secrets any other of these files is a mistake, and a finding, unless a Butane config or a Step names it as its own;
// elsewhere it is none of our business. Files and folders that start with a dot are never read.
func Fleet(sources inventory.Sources, check Translator) (inventory.Fleet, []schemas.Finding) {
	fleet, findings, _ := Next(Cache{}, sources, check)
	return fleet, findings
}

// Next is Fleet with what the last load left, and gives what the next one may use. The fleet and the findings are those that Fleet gives.
func Next(cache Cache, sources inventory.Sources, check Translator) (inventory.Fleet, []schemas.Finding, Cache) {
	l := loader{
		check: check, before: cache.past, after: newPast(),
		fleet: inventory.Fleet{Commit: sources.Trunk.Commit, Secrets: map[string]inventory.Sealed{}},
	}
	if l.before == nil {
		l.before = newPast()
	}
	if l.same = l.again(sources); !l.same {
		l.afresh(sources.Trunk)
	}
	l.everybody(sources.Releases)
	l.fleet.Hosts, l.after.hosts = make(map[inventory.MachineID]inventory.Desired, len(l.after.ids)), make(map[string]*resolved, len(l.after.ids))
	fill := l.filler(l.trunk)
	for _, id := range l.after.ids {
		l.put(l.trunk.hosts()[id], fill)
	}
	l.after.trunk, l.after.followed = l.trunk, followed(sources.Releases)
	return l.fleet, unique(l.findings), Cache{l.after}
}

// afresh reads a trunk, all but what concerns one host or one ring alone.
func (l *loader) afresh(trunk inventory.Snapshot) {
	l.trunk = l.read(trunk)
	l.settings()
	l.seal()
	before := len(l.findings)
	l.prepare(l.trunk)
	l.trunk.lacks = len(l.findings) > before
	l.imageHosts()
	l.strangers(l.trunk)
	l.after.shared = slices.Clone(l.findings) // which are sorted in the end
}

type loader struct {
	before   *past // read only
	after    *past
	same     bool // only hosts' own files differ from before
	alike    bool // and no host has other claims
	trunk    *tree
	check    Translator
	fleet    inventory.Fleet
	findings []schemas.Finding
}

// tree is one snapshot, decoded.
type tree struct {
	inventory.Snapshot
	kinds   map[string]map[string]schemas.Document // documents by kind, and by name; hosts by id
	recipes map[string]*recipe                     // workloads by name, as far as no host is needed
	unread  []string                               // YAML files in our folders that do not say that they are documents
	named   map[string]bool                        // files that a Butane config or a Step names
	given   map[string]map[string]schemas.Position // by host's id and field, where Defaults filled it in
	broken  string                                 // why the tree cannot be run
	twice   bool                                   // whether documents share a name, or an id
	lacks   bool                                   // whether something is wrong with a Workload, or with a file that one names
}

func (t *tree) hosts() map[string]schemas.Document     { return t.kinds[schemas.KindHost] }
func (t *tree) workloads() map[string]schemas.Document { return t.kinds[schemas.KindWorkload] }
func (t *tree) steps() map[string]schemas.Document     { return t.kinds[schemas.KindStep] }
func (t *tree) secrets() map[string]schemas.Document   { return t.kinds[schemas.KindSecret] }

func (l *loader) find(findings ...schemas.Finding) { l.findings = append(l.findings, findings...) }

// read decodes every document of a snapshot.
func (l *loader) read(snapshot inventory.Snapshot) *tree {
	t := &tree{
		Snapshot: snapshot, recipes: map[string]*recipe{}, named: map[string]bool{}, given: map[string]map[string]schemas.Position{},
		kinds: map[string]map[string]schemas.Document{},
	}
	for _, kind := range schemas.Kinds {
		t.kinds[kind] = map[string]schemas.Document{}
	}
	for _, file := range slices.Sorted(maps.Keys(snapshot.Files)) {
		data := snapshot.Files[file].Data
		folder, _, nested := strings.Cut(file, "/")
		switch {
		case !isYAML(file):
		case saysSo(data):
			l.keep(t, file)
		case nested && slices.Contains(folders, folder):
			t.unread = append(t.unread, file)
		}
	}
	return t
}

// folders are where a YAML file is expected to be a document.
var folders = []string{"hosts", "workloads", "steps", "secrets", "rings", "defaults", "rules"}

// saysSo reports whether a file has a line that begins with apiVersion: ingot.dev/, the value in quotes or not.
func saysSo(data []byte) bool {
	for rest := data; ; {
		at := bytes.Index(rest, versionField)
		if at < 0 {
			return false
		}
		begins := at == 0 && len(rest) == len(data) || at > 0 && rest[at-1] == '\n'
		rest = rest[at+len(versionField):]
		value := bytes.TrimLeft(rest, " \t")
		if len(value) > 0 && (value[0] == '"' || value[0] == '\'') {
			value = value[1:]
		}
		if begins && bytes.HasPrefix(value, versionPrefix) {
			return true
		}
	}
}

var versionField, versionPrefix = []byte("apiVersion:"), []byte("ingot.dev/")

// isYAML reports whether a file is called YAML, and neither it nor a folder of it is hidden.
func isYAML(file string) bool {
	ext := path.Ext(file)
	return (ext == ".yaml" || ext == ".yml") && !strings.HasPrefix(file, ".") && !strings.Contains(file, "/.")
}

// keep decodes a file and files its documents by name.
func (l *loader) keep(t *tree, file string) {
	read := l.decode(file, t.Files[file])
	l.find(read.findings...)
	for _, d := range read.documents {
		if d.Kind == schemas.KindSecret && len(read.documents) > 1 {
			l.find(d.Finding("kind", "give it a file of its own", "a Secret stands alone in its file: sops encrypts files, not documents"))
		}
		known := t.kinds[d.Kind]
		if d.Name == "" {
			continue // a finding already
		}
		if first, twice := known[d.ID()]; twice {
			t.twice = true
			l.find(taken(d, first))
			continue
		}
		known[d.ID()] = d
	}
}

// taken is the finding of a document whose name, or a host whose id, another one has. A reused name needs an id of its own, a copied file brings its id along.
func taken(d, first schemas.Document) schemas.Finding {
	switch {
	case d.Name == first.Name:
		return d.Finding("metadata.name", "", "there is a %s %q in %s already", d.Kind, d.Name, first.Pos("metadata.name"))
	case d.Host.Metadata.ID == "":
		return d.Finding("metadata.name", "a reused name needs an id of its own: write metadata.id", "host %s in %s has the id %s, which is this host's too as it writes none", first.Name, first.Pos("metadata.id"), d.ID())
	case first.Host.Metadata.ID == "":
		return d.Finding("metadata.id", "", "the name of the host in %s is %s, which is its id too: one of the two needs another id", first.Pos("metadata.name"), d.ID())
	default:
		return d.Finding("metadata.id", "in a copied file, write another id or delete the line", "host %s in %s has this id already", first.Name, first.Pos("metadata.id"))
	}
}

// strangers reads the YAML files in our folders that nothing names, to say what is wrong with them.
func (l *loader) strangers(t *tree) {
	for _, file := range t.unread {
		if !t.named[file] {
			_, findings := decode.File(file, t.Files[file].Data)
			l.find(findings...)
		}
	}
}

// seal keeps the secrets of the trunk, closed.
func (l *loader) seal() {
	for name, d := range l.trunk.secrets() {
		l.fleet.Secrets[name] = inventory.Sealed{Name: name, File: d.File, Scope: d.Secret.Spec.Scope, Keys: slices.Sorted(maps.Keys(d.Secret.Spec.Data)), Document: l.trunk.Files[d.File].Data}
	}
}

// resolve puts a host together, whose Defaults are filled in.
func (l *loader) resolve(d schemas.Document) inventory.Desired {
	spec := d.Host.Spec
	desired := inventory.Desired{
		Commit: l.trunk.Commit, File: d.File, Line: d.Pos("").Line,
		ID: inventory.MachineID(d.ID()), Name: d.Name, Labels: d.Host.Metadata.Labels,
		BMC: spec.BMC, Identity: spec.Identity, Boot: spec.Boot, Power: spec.Power, RootDisk: spec.RootDisk, Network: spec.Network,
		Protect: spec.Protect, Lifecycle: cmp.Or(spec.Lifecycle, schemas.Managed), Consent: spec.Consent,
	}
	if spec.BMC != nil && spec.BMC.Credentials != "" {
		l.credentials(d, spec.BMC.Credentials)
	}
	l.released(d, &desired)
	desired.Canary = desired.Ring != "" && l.fleet.Rings[desired.Ring].Spec.Canaries.Selects(d.ID(), d.Host.Metadata.Labels)
	l.complete(d, spec.Workload != "" || desired.Workload != nil)
	return desired
}

func (l *loader) credentials(d schemas.Document, name string) {
	const field = "spec.bmc.credentials"
	sealed, ok := l.fleet.Secrets[name]
	if !ok {
		l.find(d.Finding(field, "", "there is no Secret %q", name))
		return
	}
	if !sealed.Scope.Selects(d.ID(), d.Host.Metadata.Labels) {
		l.find(d.Finding(field, "widen spec.scope in "+sealed.File, "this host is not in the scope of Secret %q", name))
	}
	for _, key := range []string{"username", "password"} {
		if !slices.Contains(sealed.Keys, key) {
			l.find(d.Finding(field, "add it to "+sealed.File, "Secret %q has no key %q", name, key))
		}
	}
}

// unique sorts findings and drops those that say the same at the same place.
func unique(findings []schemas.Finding) []schemas.Finding {
	schemas.Sort(findings)
	return slices.Compact(findings)
}
