// Package load turns the commits of a fleet into the fleet's hosts: what is desired of every machine, with references
// resolved, Defaults filled in, rings and releases applied. The package is pure.
//
// Call Fleet, and use the fleet only when no finding is an Error. A caller that loads one commit after the other calls
// FleetWithCache. Do not use a fleet with an Error: the last good fleet stays in force.
package load

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/arrivals"
	"github.com/gitmetal/ingot/inventory/load/steplist"
	"github.com/gitmetal/ingot/inventory/retirement"
	"github.com/gitmetal/ingot/inventory/ruleset"
	"github.com/gitmetal/ingot/inventory/runs"
	"github.com/gitmetal/ingot/inventory/secrets/section"
	"github.com/gitmetal/ingot/inventory/steps"
	"github.com/gitmetal/ingot/schemas"
	"github.com/gitmetal/ingot/schemas/decode"
)

// Translator checks and measures a Butane config once per accepted commit, with the config's files and vars, so that
// mistakes become findings of the commit. A Translator knows the lengths of secrets only.
type Translator interface {
	Check(config inventory.Butane) inventory.Translation
}

// Fleet resolves the trunk and the releases. With an Error among the findings the fleet must not be used. A fleet
// without hosts is legal and has no findings: every machine is then orphaned, hands off.
//
// Findings are complete, sorted, and without repetition. Neither findings nor fleet depend on the order of files. A nil
// Translator means that Butane configs are not translated.
//
// Documents are the .yaml and .yml files with apiVersion: ingot.dev/… at the top, in any YAML spelling. In the folders of
// documents (hosts, workloads, steps, secrets, rings, defaults, rules) every other YAML file is a mistake, unless a
// Butane config or a Step names the file. Elsewhere such files are ignored, and so are files and folders that start
// with a dot.
func Fleet(sources inventory.Sources, translator Translator) (inventory.Fleet, []schemas.Finding) {
	fleet, findings, _ := FleetWithCache(Cache{}, sources, translator)
	return fleet, findings
}

// FleetWithCache is Fleet with the Cache of the last load, and gives the Cache for the next. Fleet and findings are the
// same as those of Fleet.
func FleetWithCache(
	cache Cache, sources inventory.Sources, translator Translator,
) (inventory.Fleet, []schemas.Finding, Cache) {
	l := loader{
		translator: translator, before: cache.state, after: newLoadState(),
		fleet: inventory.Fleet{Commit: sources.Trunk.Commit, Path: sources.Trunk.Path, Secrets: map[string]inventory.Sealed{}},
	}
	if l.before == nil {
		l.before = newLoadState()
	}
	l.steps = steplist.Reader{Report: l.addFindings, Secrets: l.fleet.Secrets, IsOutOfScope: l.isOutOfScope, SealedLength: l.sealedLength}
	if l.incremental = l.loadIncrementally(sources); !l.incremental {
		l.loadFromScratch(sources.Trunk)
	}
	l.fleet.Rules, l.fleet.Deliveries = l.trunk.list(schemas.KindRule), l.trunk.list(schemas.KindDelivery)
	l.groupHosts(sources.Releases)
	l.fleet.Hosts, l.after.hosts = make(map[inventory.MachineID]inventory.Desired, len(l.after.ids)),
		make(map[string]*resolvedHost, len(l.after.ids))
	fill := l.newHostFiller(l.trunk)
	for _, id := range l.after.ids {
		l.loadHost(l.trunk.hosts()[id], fill)
	}
	l.listDefinitions()
	l.warnAboutUnread()
	l.warnAboutFailureDomain()
	l.fleet.Runs = l.trunk.works // of the commit that changed a Workload last
	l.after.trunk, l.after.releaseKey = l.trunk, describeReleases(sources.Releases)
	return l.fleet, sortUnique(l.findings), Cache{l.after}
}

// loadFromScratch reads a trunk, without what concerns a single host or ring.
func (l *loader) loadFromScratch(trunk inventory.Snapshot) {
	l.trunk = l.readTree(trunk)
	l.keepSettings()
	l.keepSecrets()
	l.checkSecrets()
	l.addFindings(arrivals.CheckDeliveries(l.trunk.list(schemas.KindDelivery), l.fleet.Secrets)...)
	_, findings := ruleset.Compile(l.trunk.list(schemas.KindRule), l.fleet.Secrets)
	l.addFindings(findings...)
	before := len(l.findings)
	l.prepareWorkloads(l.trunk)
	l.trunk.incompleteWorkloads = schemas.Fatal(l.findings[before:])
	l.checkImageHosts()
	l.checkUndeclaredFiles(l.trunk)
	l.trunk.unread = l.listUnread(l.trunk)
	l.after.sharedFindings = slices.Clone(l.findings) // a copy: the findings are sorted in the end
}

type loader struct {
	before      *loadState
	after       *loadState
	incremental bool // only hosts' own files differ from the last load
	claimsKept  bool // no host changed a claim: name, machine or labels
	trunk       *tree
	translator  Translator
	fleet       inventory.Fleet
	findings    []schemas.Finding
	steps       steplist.Reader
}

// tree is one snapshot, decoded.
type tree struct {
	inventory.Snapshot
	kinds    map[string]map[string]schemas.Document // documents by kind and name; hosts by id
	recipes  map[string]*recipe                     // Workloads by name, resolved as far as possible without a host
	stepTree steplist.Tree                          // the Steps, read
	works    map[string]runs.Work                   // Workloads with spec.run by name
	// YAML files in the folders of documents that declare no document
	undeclared          []string
	unread              []unreadDocument                       // what a person left in a file that is not read
	referenced          map[string]bool                        // files that a Butane config or a Step names
	defaulted           map[string]map[string]schemas.Position // by host's id and field, where Defaults gave the field
	broken              string                                 // why no host can run the tree
	duplicateNames      bool                                   // two documents share a name or an id
	incompleteWorkloads bool                                   // a Workload, or a file of a Workload, has a mistake
}

func (t *tree) hosts() map[string]schemas.Document     { return t.kinds[schemas.KindHost] }
func (t *tree) workloads() map[string]schemas.Document { return t.kinds[schemas.KindWorkload] }
func (t *tree) steps() map[string]schemas.Document     { return t.kinds[schemas.KindStep] }
func (t *tree) secrets() map[string]schemas.Document   { return t.kinds[schemas.KindSecret] }

// list lists the documents of a kind, by name.
func (t *tree) list(kind string) (all []schemas.Document) {
	for _, name := range slices.Sorted(maps.Keys(t.kinds[kind])) {
		all = append(all, t.kinds[kind][name])
	}
	return all
}

// addFindings takes every finding of the fleet, each as one line.
func (l *loader) addFindings(findings ...schemas.Finding) {
	for _, f := range findings {
		l.findings = append(l.findings, f.OneLine())
	}
}

// readTree decodes every document of a snapshot.
func (l *loader) readTree(snapshot inventory.Snapshot) *tree {
	t := &tree{
		Snapshot: snapshot, recipes: map[string]*recipe{}, referenced: map[string]bool{},
		defaulted: map[string]map[string]schemas.Position{},
		kinds:     map[string]map[string]schemas.Document{},
	}
	for _, kind := range schemas.Kinds {
		t.kinds[kind] = map[string]schemas.Document{}
	}
	for _, file := range slices.Sorted(maps.Keys(snapshot.Files)) {
		data := snapshot.Files[file].Data
		folder, _, nested := strings.Cut(file, "/")
		switch {
		case !isYAML(file):
			if isMisnamed(file) && decode.DeclaresDocument(data) {
				l.addFindings(misnamedFinding(file))
			}
		case decode.DeclaresDocument(data):
			l.keepDocuments(t, file)
		case nested && slices.Contains(folders, folder):
			t.undeclared = append(t.undeclared, file)
		}
	}
	return t
}

// folders are where a YAML file is expected to be a document.
var folders = []string{"hosts", "workloads", "steps", "secrets", "rings", "defaults", "rules"}

// keepDocuments decodes a file and keeps the documents by kind and name.
func (l *loader) keepDocuments(t *tree, file string) {
	decoded := l.decodeFile(file, t.Files[file])
	l.addFindings(decoded.findings...)
	for _, d := range decoded.documents {
		if d.Kind == schemas.KindSecret && len(decoded.documents) > 1 {
			l.addFindings(d.ErrorAt("kind", "give it a file of its own",
				"a Secret stands alone in its file: sops encrypts files, not documents"))
		}
		known := t.kinds[d.Kind]
		if d.Name == "" {
			continue // reported already
		}
		if first, twice := known[d.ID()]; twice {
			t.duplicateNames = true
			l.addFindings(duplicateFinding(d, first))
			continue
		}
		known[d.ID()] = d
	}
}

// duplicateFinding reports a second document of the same name, or a second host of the same id. A reused name needs an
// id of its own; a copied file brings along the id of the original.
func duplicateFinding(d, first schemas.Document) schemas.Finding {
	switch {
	case d.Name == first.Name:
		return d.ErrorAt("metadata.name", "", "there is a %s %q in %s already", d.Kind, d.Name,
			first.PositionOf("metadata.name"))
	case d.Host.Metadata.ID == "":
		return d.ErrorAt("metadata.name", "a reused name needs an id of its own: write metadata.id",
			"host %s in %s has the id %s, which is this host's too as it writes none", first.Name,
			first.PositionOf("metadata.id"), d.ID())
	case first.Host.Metadata.ID == "":
		return d.ErrorAt("metadata.id", "",
			"the name of the host in %s is %s, which is its id too: one of the two needs another id",
			first.PositionOf("metadata.name"), d.ID())
	default:
		return d.ErrorAt("metadata.id", "in a copied file, write another id or delete the line",
			"host %s in %s has this id already", first.Name, first.PositionOf("metadata.id"))
	}
}

// checkUndeclaredFiles reports YAML files in the folders of documents that are neither documents nor named by any.
func (l *loader) checkUndeclaredFiles(t *tree) {
	for _, file := range t.undeclared {
		if !t.referenced[file] && l.checkPointer(file, t.Files[file].Data, "the document is not read") {
			_, findings := decode.DecodeFile(file, t.Files[file].Data)
			l.addFindings(findings...)
		}
	}
}

// resolveHost gives what is desired of a host with Defaults filled in.
func (l *loader) resolveHost(d schemas.Document) inventory.Desired {
	spec := d.Host.Spec
	desired := inventory.Desired{
		Commit: l.trunk.Commit, File: d.File, Line: d.PositionOf("").Line,
		ID: inventory.MachineID(d.ID()), Name: d.Name, Labels: d.Host.Metadata.Labels,
		BMC: spec.BMC, Identity: spec.Identity, Boot: spec.Boot, Power: spec.Power, OffBy: spec.OffBy, Requests: spec.Requests, RootDisk: spec.RootDisk,
		Disks: spec.Disks, Network: spec.Network,
		Protect: spec.Protect, Claimable: spec.Claimable, Named: spec.Workload, Lifecycle: cmp.Or(spec.Lifecycle, schemas.Managed), Consent: spec.Consent,
	}
	if spec.BMC != nil && spec.BMC.Credentials != "" {
		l.checkCredentials(d, spec.BMC.Credentials)
	}
	l.fillRelease(d, &desired)
	desired.Canary = desired.Ring != "" &&
		l.fleet.Rings[desired.Ring].Spec.Canaries.SelectsHost(d.ID(), d.Host.Metadata.Labels)
	if spec.Retire != nil {
		retirement.Apply(&desired, *spec.Retire, d.PositionOf("spec.retire"))
		desired.RetireReleased = l.releasesRetire(d, desired.Ring)
		l.checkRetireNames(d)
	}
	l.checkDiskNames(d)
	l.checkComplete(d, spec.Workload != "" || desired.Workload != nil)
	return desired
}

func (l *loader) checkCredentials(d schemas.Document, name string) {
	const field = "spec.bmc.credentials"
	sealed, ok := l.fleet.Secrets[name]
	if !ok {
		l.addFindings(d.ErrorAt(field, "", "there is no Secret %q", name))
		return
	}
	if l.isOutOfScope(sealed, d) {
		l.addFindings(d.ErrorAt(field, hintWiden(sealed), "this host is not in the scope of Secret %q", name))
	}
	l.addFindings(arrivals.CheckLoginKeys(d, field, sealed)...)
}

// hintWiden says how to widen the scope of a Secret. By hand only a scope that the MAC does not cover may be changed.
func hintWiden(sealed inventory.Sealed) string {
	if _, s, err := section.Read(sealed.Document); err == nil && s.MACOnlyEncrypted {
		return "widen spec.scope, with `ingot secret scope " + sealed.File + "` or by hand: its mac leaves the scope out"
	}
	return "widen spec.scope with `ingot secret edit " + sealed.File + "`: by hand, its mac would not match"
}

// listDefinitions lists the Steps and the Workloads of the trunk for people.
func (l *loader) listDefinitions() {
	l.fleet.Steps, l.fleet.Workloads = map[string]steps.Definition{}, map[string][]inventory.Step{}
	for name, d := range l.trunk.steps() {
		l.fleet.Steps[name] = steps.Describe(d)
	}
	for name, r := range l.trunk.recipes {
		l.fleet.Workloads[name] = steplist.ListUses(r.entries)
	}
}

// sortUnique sorts findings and drops repetitions, also those of many hosts about one document.
func sortUnique(findings []schemas.Finding) []schemas.Finding {
	schemas.SortFindings(findings)
	return joinFollowers(slices.Compact(findings))
}
