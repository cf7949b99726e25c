package load

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/schemas"
	"github.com/gitmetal/ingot/schemas/decode"
)

// Cache is what one load hands to the next: documents by blob, translated Butane configs, resolved hosts. The zero
// Cache is empty. A Cache never changes, holds only what its fleet needed, and belongs to one Translator.
type Cache struct{ state *loadState }

// DecodeFiles decodes the documents among the files, so that FleetWithCache need not. Goroutines may call DecodeFiles
// for parts of a tree at the same time.
func DecodeFiles(files map[string]inventory.File) Cache {
	l := loader{before: newLoadState(), after: newLoadState()}
	for file, f := range files {
		if isYAML(file) && decode.DeclaresDocument(f.Data) {
			l.decodeFile(file, f)
		}
	}
	return Cache{l.after}
}

// JoinCaches joins the results of DecodeFiles for the parts of one tree.
func JoinCaches(parts ...Cache) Cache {
	joined := newLoadState()
	for _, part := range parts {
		maps.Copy(joined.files, part.state.files)
	}
	return Cache{joined}
}

// loadState is what one load read and resolved.
type loadState struct {
	files          map[fileKey]decodedFile
	translations   map[string]inventory.Translation // of Butane configs, by digest
	trunk          *tree
	releases       map[string]*tree // by commit
	releaseKey     string
	sharedFindings []schemas.Finding        // about files, settings and Workloads, not about a host
	hosts          map[string]*resolvedHost // by id
	ids            []string                 // of all hosts, sorted
	noDuplicates   bool                     // no two hosts claim one machine
	rings          map[string]inventory.Ring
	ringOf         map[string]string // ring by host's id
	ringFindings   []schemas.Finding
}

// fileKey names one content of the file at one path.
type fileKey struct{ file, blob string }

// decodedFile holds the documents of a file and the findings about the file.
type decodedFile struct {
	documents []schemas.Document
	findings  []schemas.Finding
	commented []decode.Unread // documents that are commented out
	// damage is what keeps everyone from opening the file's Secret. Only the trunk's Secrets are opened.
	damage []schemas.Finding
}

// resolvedHost is a host's Desired with the findings about the host.
type resolvedHost struct {
	desired   inventory.Desired // as of the commit in which the host was resolved
	runsTrunk bool              // the host runs the trunk, not a release
	findings  []schemas.Finding
}

func newLoadState() *loadState {
	return &loadState{files: map[fileKey]decodedFile{}, translations: map[string]inventory.Translation{},
		releases: map[string]*tree{}, hosts: map[string]*resolvedHost{}}
}

// describeReleases names the releases of the rings, and who signed them, in a text that can be compared.
func describeReleases(releases map[string]inventory.Release) string {
	var text strings.Builder
	for _, ring := range slices.Sorted(maps.Keys(releases)) {
		r := releases[ring]
		fmt.Fprintf(&text, "%q %q %q %q %q\n", ring, r.Tag, r.Snapshot.Commit, r.Trouble, r.Signatures)
	}
	return text.String()
}

// loadIncrementally reads a trunk that differs from the last one only in hosts' own files, under the same releases.
// Everything else is taken from the last load. The result is false, and nothing was done, where more might have
// changed.
func (l *loader) loadIncrementally(sources inventory.Sources) bool {
	before := l.before
	if before.trunk == nil || before.releaseKey != describeReleases(sources.Releases) ||
		!before.trunk.hostFilesIndependent() || before.trunk.Path != sources.Trunk.Path ||
		len(changedFiles(before.trunk.Shared, sources.Trunk.Shared)) > 0 {
		return false
	}
	for _, release := range sources.Releases { // a trunk that is also a release needs Defaults filled in
		if commit := release.Snapshot.Commit; commit == before.trunk.Commit || commit == sources.Trunk.Commit {
			return false
		}
	}
	t := *before.trunk
	t.Snapshot, t.kinds, t.defaulted = sources.Trunk, maps.Clone(t.kinds), map[string]map[string]schemas.Position{}
	t.kinds[schemas.KindHost] = maps.Clone(t.hosts())
	l.after.files = maps.Clone(before.files)
	changed := changedFiles(before.trunk.Files, t.Files)
	if !l.replaceHosts(&t, changed) {
		l.after.files = map[fileKey]decodedFile{}
		return false
	}
	l.trunk, l.claimsKept = &t, before.noDuplicates && l.claimsUnchanged(&t, changed)
	l.after.translations, l.after.sharedFindings = maps.Clone(before.translations), before.sharedFindings
	l.addFindings(before.sharedFindings...)
	l.keepSecrets()
	l.collectFindings(l.keepSettings)
	return true
}

// replaceHosts replaces the hosts of the given files in a tree: hosts of the last trunk's files go, hosts of the tree's
// files come.
func (l *loader) replaceHosts(t *tree, files []string) bool {
	for _, file := range files {
		if f, existed := l.before.trunk.Files[file]; existed && !l.removeHosts(t, file, f) {
			return false
		}
	}
	for _, file := range files {
		if f, exists := t.Files[file]; exists && !l.addHosts(t, file, f) {
			return false
		}
	}
	return true
}

// claimsUnchanged reports whether the hosts in the given files have the same names, machines and labels as in the last
// load.
func (l *loader) claimsUnchanged(t *tree, files []string) bool {
	for _, file := range files {
		before, after := l.before.files[fileKey{file, l.before.trunk.Files[file].Blob}],
			l.after.files[fileKey{file, t.Files[file].Blob}]
		if !slices.EqualFunc(before.documents, after.documents, sameClaims) {
			return false
		}
	}
	return true
}

func sameClaims(a, b schemas.Document) bool {
	x, y := a.Host, b.Host
	return a.Name == b.Name && a.ID() == b.ID() && maps.Equal(x.Metadata.Labels, y.Metadata.Labels) &&
		x.Spec.Identity.Serial == y.Spec.Identity.Serial && x.Spec.Identity.UUID == y.Spec.Identity.UUID &&
		slices.Equal(x.Spec.Identity.MACs, y.Spec.Identity.MACs) &&
		bmcAddress(x) == bmcAddress(y)
}

// bmcAddress is the address of a host's BMC, "" without a BMC: a missing BMC is found elsewhere.
func bmcAddress(h *schemas.Host) string {
	if h.Spec.BMC == nil {
		return ""
	}
	return h.Spec.BMC.Address
}

// groupHosts finds hosts that claim the same machine, and puts hosts into rings. With unchanged claims the last load's
// result stays.
func (l *loader) groupHosts(releases map[string]inventory.Release) {
	if l.claimsKept {
		l.after.ids, l.after.noDuplicates, l.after.ringOf, l.after.ringFindings, l.after.releases = l.before.ids, true,
			l.before.ringOf, l.before.ringFindings, l.before.releases
		l.after.rings = maps.Clone(l.before.rings)
		for name, ring := range l.after.rings {
			if ring.Spec.Tag == "" {
				ring.Commit = l.trunk.Commit
				l.after.rings[name] = ring
			}
		}
		l.addFindings(l.after.ringFindings...)
	} else {
		l.after.ids = slices.Sorted(maps.Keys(l.trunk.hosts()))
		before := len(l.findings)
		l.findDuplicates()
		l.after.noDuplicates = len(l.findings) == before
		l.after.ringFindings = l.collectFindings(func() { l.loadRings(releases); l.checkScopes() })
		l.addFindings(l.after.ringFindings...)
	}
	l.fleet.Rings = l.after.rings
}

// hostFilesIndependent reports whether files below hosts can be read alone: no Butane config and no Step names a file
// there (or would, once the Workload's mistakes are repaired), and no two documents share a name or an id.
func (t *tree) hostFilesIndependent() bool {
	for file := range t.referenced {
		if strings.HasPrefix(file, hostFolder) {
			return false
		}
	}
	return len(t.hosts()) > 0 && !t.duplicateNames && !t.incompleteWorkloads
}

const hostFolder = "hosts/"

// changedFiles lists the files that differ between two trees, sorted.
func changedFiles(before, after map[string]inventory.File) []string {
	var files []string
	for file, f := range after {
		if fileBefore, there := before[file]; !there || fileBefore.Blob != f.Blob ||
			fileBefore.Executable != f.Executable {
			files = append(files, file)
		}
	}
	for file := range before {
		if _, there := after[file]; !there {
			files = append(files, file)
		}
	}
	slices.Sort(files)
	return files
}

// removeHosts takes the hosts of a file out of a tree. The result is false when the file holds other documents, or had
// findings.
func (l *loader) removeHosts(t *tree, file string, f inventory.File) bool {
	d, known := l.before.files[fileKey{file, f.Blob}]
	if !known || !onlyHosts(file, d) {
		return false
	}
	for _, document := range d.documents {
		delete(t.hosts(), document.ID())
	}
	delete(l.after.files, fileKey{file, f.Blob})
	return true
}

// addHosts puts the hosts of a file into a tree. The result is false when the file is not made of hosts alone, or an id
// is taken.
func (l *loader) addHosts(t *tree, file string, f inventory.File) bool {
	if !isYAML(file) || !decode.DeclaresDocument(f.Data) {
		return false
	}
	d := l.decodeFile(file, f)
	if !onlyHosts(file, d) {
		return false
	}
	for _, document := range d.documents {
		if _, twice := t.hosts()[document.ID()]; twice {
			return false
		}
		t.hosts()[document.ID()] = document
	}
	return true
}

func onlyHosts(file string, d decodedFile) bool {
	return strings.HasPrefix(file, hostFolder) && len(d.findings)+len(d.commented) == 0 && len(d.documents) > 0 &&
		!slices.ContainsFunc(d.documents,
			func(d schemas.Document) bool { return d.Kind != schemas.KindHost || d.Name == "" })
}

// decodeFile decodes a file, or takes the documents from the cache.
func (l *loader) decodeFile(file string, f inventory.File) decodedFile {
	at := fileKey{file, f.Blob}
	d, known := l.after.files[at]
	if known {
		return d
	}
	if d, known = l.before.files[at]; !known {
		d.documents, d.findings = decode.DecodeFile(file, f.Data)
		if len(d.findings) == 0 { // with an error each warning would be a second finding at its place
			d.findings = warnAboutFields(file, f.Data)
		}
		d.commented = decode.ListCommented(f.Data)
		d.findings, d.damage = tellDamageOnce(d.findings, findDamage(d.documents, f.Data))
	}
	l.after.files[at] = d
	return d
}

// loadHost adds a host's Desired to the fleet. The last load's Desired stays where neither the host's file nor anything
// the host depends on changed.
func (l *loader) loadHost(d schemas.Document, fill func(schemas.Document) schemas.Document) {
	host, known := l.before.hosts[d.ID()]
	if !l.incremental || !known || host.desired.File != d.File ||
		l.before.trunk.Files[d.File].Blob != l.trunk.Files[d.File].Blob || !l.claimsKept &&
		l.before.ringOf[d.ID()] != l.after.ringOf[d.ID()] {
		host = &resolvedHost{}
		host.findings = l.collectFindings(func() { host.desired = l.resolveHost(fill(d)) })
		host.runsTrunk = host.desired.Release == l.trunk.Commit
	}
	l.after.hosts[d.ID()] = host
	desired := host.desired
	desired.Commit = l.trunk.Commit
	if host.runsTrunk {
		desired.Release = l.trunk.Commit
	}
	l.fleet.Hosts[desired.ID] = desired
	l.addFindings(host.findings...)
}
