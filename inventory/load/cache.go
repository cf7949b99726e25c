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

// Cache is what one load leaves for the next: documents by blob, Butane configs that were translated, hosts that were put together. The zero Cache is
// empty. A Cache is never changed once it was given, and holds nothing that the fleet it came with did not need. It belongs to one Translator.
type Cache struct{ past *past }

// Ahead decodes files, so that a load of a tree that holds them starts from there. It may be called for parts of a tree at the same time.
func Ahead(files map[string]inventory.File) Cache {
	l := loader{before: newPast(), after: newPast()}
	for file, f := range files {
		if isYAML(file) && saysSo(f.Data) {
			l.decode(file, f)
		}
	}
	return Cache{l.after}
}

// Join puts the parts of a tree that were decoded ahead together.
func Join(parts ...Cache) Cache {
	all := newPast()
	for _, part := range parts {
		maps.Copy(all.decoded, part.past.decoded)
	}
	return Cache{all}
}

// past is the last load.
type past struct {
	decoded  map[place]decoded
	checked  map[string]inventory.Translation // of Butane configs, by digest
	trunk    *tree
	releases map[string]*tree // by commit
	followed string
	shared   []schemas.Finding    // of what is no host's: files, settings, Workloads
	hosts    map[string]*resolved // by id
	ids      []string             // of all hosts, sorted
	unique   bool                 // no two hosts claim one machine
	rings    map[string]inventory.Ring
	member   map[string]string // ring by host's id
	inRings  []schemas.Finding // about rings
}

// place is one file's content at one path.
type place struct{ file, blob string }

// decoded is a file as it was read.
type decoded struct {
	documents []schemas.Document
	findings  []schemas.Finding
}

// resolved is a host that was put together, and what was found.
type resolved struct {
	desired  inventory.Desired // of the commit in which it was put together
	follows  bool              // it runs the trunk
	findings []schemas.Finding
}

func newPast() *past {
	return &past{decoded: map[place]decoded{}, checked: map[string]inventory.Translation{}, releases: map[string]*tree{}, hosts: map[string]*resolved{}}
}

// followed names the releases that rings run, and who signed them.
func followed(releases map[string]inventory.Release) string {
	var all strings.Builder
	for _, ring := range slices.Sorted(maps.Keys(releases)) {
		r := releases[ring]
		fmt.Fprintf(&all, "%q %q %q %q %q\n", ring, r.Tag, r.Snapshot.Commit, r.Trouble, r.Signatures)
	}
	return all.String()
}

// again reads a trunk of which only hosts' own files differ from the last one, under the same releases: everything else stays as it was read. It is
// false, and nothing was done, where anything else might be touched.
func (l *loader) again(sources inventory.Sources) bool {
	before := l.before
	if before.trunk == nil || before.followed != followed(sources.Releases) || !before.trunk.hostsAlone() {
		return false
	}
	for _, release := range sources.Releases { // the trunk itself, as a release, is read in another way
		if commit := release.Snapshot.Commit; commit == before.trunk.Commit || commit == sources.Trunk.Commit {
			return false
		}
	}
	t := *before.trunk
	t.Snapshot, t.kinds, t.given = sources.Trunk, maps.Clone(t.kinds), map[string]map[string]schemas.Position{}
	t.kinds[schemas.KindHost] = maps.Clone(t.hosts())
	l.after.decoded = maps.Clone(before.decoded)
	changed := differing(before.trunk.Files, t.Files)
	if !l.replace(&t, changed) {
		l.after.decoded = map[place]decoded{}
		return false
	}
	l.trunk, l.alike = &t, before.unique && l.claimAlike(&t, changed)
	l.after.checked, l.after.shared = maps.Clone(before.checked), before.shared
	l.find(before.shared...)
	l.seal()
	l.apart(l.settings)
	return true
}

// replace has a tree hold the hosts of its files instead of those that the last trunk had in files that differ.
func (l *loader) replace(t *tree, files []string) bool {
	for _, file := range files {
		if f, was := l.before.trunk.Files[file]; was && !l.without(t, file, f) {
			return false
		}
	}
	for _, file := range files {
		if f, is := t.Files[file]; is && !l.with(t, file, f) {
			return false
		}
	}
	return true
}

// claimAlike reports whether the hosts in files that differ are called as before, claim the same machines, and go into the same rings.
func (l *loader) claimAlike(t *tree, files []string) bool {
	for _, file := range files {
		was, is := l.before.decoded[place{file, l.before.trunk.Files[file].Blob}], l.after.decoded[place{file, t.Files[file].Blob}]
		if !slices.EqualFunc(was.documents, is.documents, sameClaims) {
			return false
		}
	}
	return true
}

func sameClaims(a, b schemas.Document) bool {
	x, y := a.Host, b.Host
	return a.Name == b.Name && a.ID() == b.ID() && maps.Equal(x.Metadata.Labels, y.Metadata.Labels) &&
		x.Spec.Identity.Serial == y.Spec.Identity.Serial && slices.Equal(x.Spec.Identity.MACs, y.Spec.Identity.MACs) && address(x) == address(y)
}

// address is that of a host's BMC, "" without one: a finding elsewhere.
func address(h *schemas.Host) string {
	if h.Spec.BMC == nil {
		return ""
	}
	return h.Spec.BMC.Address
}

// everybody finds who shares a machine or a ring with whom. Where no host has other claims than before, that is as it was.
func (l *loader) everybody(releases map[string]inventory.Release) {
	if l.alike {
		l.after.ids, l.after.unique, l.after.member, l.after.inRings, l.after.releases = l.before.ids, true, l.before.member, l.before.inRings, l.before.releases
		l.after.rings = maps.Clone(l.before.rings)
		for name, ring := range l.after.rings {
			if ring.Spec.Tag == "" {
				ring.Commit = l.trunk.Commit
				l.after.rings[name] = ring
			}
		}
		l.find(l.after.inRings...)
	} else {
		l.after.ids = slices.Sorted(maps.Keys(l.trunk.hosts()))
		before := len(l.findings)
		l.duplicates()
		l.after.unique = len(l.findings) == before
		l.after.inRings = l.apart(func() { l.rings(releases); l.scopes() })
		l.find(l.after.inRings...)
	}
	l.fleet.Rings = l.after.rings
}

// hostsAlone reports whether files below hosts can be read by themselves: no Butane config and no Step names one, or could come to, and no two
// documents share a name or an id.
func (t *tree) hostsAlone() bool {
	for file := range t.named {
		if strings.HasPrefix(file, hostFolder) {
			return false
		}
	}
	return len(t.hosts()) > 0 && !t.twice && !t.lacks
}

const hostFolder = "hosts/"

// differing are the files that are not the same in both trees, sorted.
func differing(before, after map[string]inventory.File) []string {
	var files []string
	for file, f := range after {
		if was, there := before[file]; !there || was.Blob != f.Blob || was.Executable != f.Executable {
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

// without takes the hosts of a file out of a tree; false when it holds anything else, or could not be read without findings.
func (l *loader) without(t *tree, file string, f inventory.File) bool {
	d, known := l.before.decoded[place{file, f.Blob}]
	if !known || !onlyHosts(file, d) {
		return false
	}
	for _, document := range d.documents {
		delete(t.hosts(), document.ID())
	}
	delete(l.after.decoded, place{file, f.Blob})
	return true
}

// with puts the hosts of a file into a tree.
func (l *loader) with(t *tree, file string, f inventory.File) bool {
	if !isYAML(file) || !saysSo(f.Data) {
		return false
	}
	d := l.decode(file, f)
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

func onlyHosts(file string, d decoded) bool {
	return strings.HasPrefix(file, hostFolder) && len(d.findings) == 0 && len(d.documents) > 0 &&
		!slices.ContainsFunc(d.documents, func(d schemas.Document) bool { return d.Kind != schemas.KindHost || d.Name == "" })
}

// decode reads a file, or remembers it.
func (l *loader) decode(file string, f inventory.File) decoded {
	at := place{file, f.Blob}
	d, known := l.after.decoded[at]
	if known {
		return d
	}
	if d, known = l.before.decoded[at]; !known {
		d.documents, d.findings = decode.File(file, f.Data)
	}
	l.after.decoded[at] = d
	return d
}

// put gives what is desired of a host: as it was, if its file is as it was and so is all it depends on.
func (l *loader) put(d schemas.Document, fill func(schemas.Document) schemas.Document) {
	host, known := l.before.hosts[d.ID()]
	if !l.same || !known || host.desired.File != d.File || l.before.trunk.Files[d.File].Blob != l.trunk.Files[d.File].Blob || !l.alike && l.before.member[d.ID()] != l.after.member[d.ID()] {
		host = &resolved{}
		host.findings = l.apart(func() { host.desired = l.resolve(fill(d)) })
		host.follows = host.desired.Release == l.trunk.Commit
	}
	l.after.hosts[d.ID()] = host
	desired := host.desired
	desired.Commit = l.trunk.Commit
	if host.follows {
		desired.Release = l.trunk.Commit
	}
	l.fleet.Hosts[desired.ID] = desired
	l.find(host.findings...)
}
