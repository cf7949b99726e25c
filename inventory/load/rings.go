package load

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/schemas"
)

var ringKind = regexp.MustCompile(`(?m)^kind:[ \t]*["']?Ring`)

// TagPatterns gives the tag patterns of a trunk's rings, by the ring's name. Rings that run the trunk have no pattern.
// Mistakes in a ring are left to Fleet.
func TagPatterns(trunk inventory.Snapshot) map[string]string {
	l := loader{before: newLoadState(), after: newLoadState()}
	patterns := map[string]string{}
	rings := trunk
	rings.Files = maps.Clone(trunk.Files)
	maps.DeleteFunc(rings.Files, func(_ string, f inventory.File) bool {
		return !bytes.Contains(f.Data, []byte(schemas.KindRing)) || !ringKind.Match(f.Data)
	})
	for name, d := range l.readTree(rings).kinds[schemas.KindRing] {
		if d.Ring.Spec.Tag != "" {
			patterns[name] = d.Ring.Spec.Tag
		}
	}
	return patterns
}

// loadRings puts hosts into rings, and rings onto releases.
func (l *loader) loadRings(releases map[string]inventory.Release) {
	documents := l.trunk.kinds[schemas.KindRing]
	l.after.rings, l.after.ringOf = map[string]inventory.Ring{}, map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(documents)) {
		d := documents[name]
		ring := inventory.Ring{Name: name, Spec: d.Ring.Spec, Commit: l.trunk.Commit}
		if ring.Spec.Tag != "" {
			release := releases[name]
			ring.Tag, ring.Commit, ring.Trouble, ring.Signatures = release.Tag, release.Snapshot.Commit,
				release.Trouble, release.Signatures
			l.loadRelease(&ring, d, release)
		}
		ring.Hosts = l.joinHosts(d)
		l.after.rings[name] = ring
		for i, other := range d.Ring.Spec.After {
			if _, known := documents[other]; !known {
				l.addFindings(d.ErrorAt(fmt.Sprintf("spec.after[%d]", i), "", "there is no Ring %q", other))
			}
		}
	}
	l.findCircles(documents)
}

// joinHosts lists the hosts of a ring. A host that another ring selected already is a mistake.
func (l *loader) joinHosts(d schemas.Document) []inventory.MachineID {
	hosts := []inventory.MachineID{}
	canaries := 0
	for _, id := range l.after.ids {
		host := l.trunk.hosts()[id]
		labels := host.Host.Metadata.Labels
		if !d.Ring.Spec.Hosts.SelectsHost(id, labels) {
			continue
		}
		if other, twice := l.after.ringOf[id]; twice {
			l.addFindings(d.ErrorAt("spec.hosts", "a host is in one ring at most", "host %s is in ring %s already",
				host.Name, other))
			continue
		}
		l.after.ringOf[id] = d.Name
		hosts = append(hosts, inventory.MachineID(id))
		if d.Ring.Spec.Canaries.SelectsHost(id, labels) {
			canaries++
		}
	}
	if d.Ring.Spec.Canaries.Set() && canaries == 0 && len(hosts) > 0 {
		found := d.ErrorAt("spec.canaries", "canaries are chosen among the ring's hosts",
			"no host of the ring is a canary")
		found.Severity = schemas.Warning
		l.addFindings(found)
	}
	return hosts
}

// findCircles finds rings that wait for each other.
func (l *loader) findCircles(documents map[string]schemas.Document) {
	for _, name := range slices.Sorted(maps.Keys(documents)) {
		seen := map[string]bool{}
		for open := slices.Clone(documents[name].Ring.Spec.After); len(open) > 0; open = open[1:] {
			if open[0] == name {
				l.addFindings(documents[name].ErrorAt("spec.after", "", "rings wait for each other in a circle"))
				break
			}
			if next, known := documents[open[0]]; known && !seen[open[0]] {
				seen[open[0]] = true
				open = append(open, next.Ring.Spec.After...)
			}
		}
	}
}

// loadRelease reads a ring's release. A mistake in the release concerns the ring alone, and is a warning: the trunk
// stays usable.
func (l *loader) loadRelease(ring *inventory.Ring, d schemas.Document, release inventory.Release) {
	if ring.Commit == "" {
		if ring.Trouble == "" {
			ring.Trouble = "no tag matches " + ring.Spec.Tag
		}
		return
	}
	t, known := l.after.releases[ring.Commit]
	if !known {
		t = l.releaseTree(ring, release)
		l.after.releases[ring.Commit] = t
		if t.broken != "" {
			found := d.ErrorAt("spec.tag", "tag a commit that validates", "%s", t.broken)
			found.Severity = schemas.Warning
			l.addFindings(found)
		}
	}
	ring.Trouble = cmp.Or(ring.Trouble, t.broken)
}

// releaseTree reads the tree of a release.
func (l *loader) releaseTree(ring *inventory.Ring, release inventory.Release) *tree {
	if ring.Commit == l.trunk.Commit {
		return l.trunk
	}
	if t, known := l.before.releases[ring.Commit]; known && l.incremental {
		return t
	}
	var t *tree
	findings := l.collectFindings(func() {
		t = l.readTree(release.Snapshot)
		l.fillDefaults(t)
		l.prepareWorkloads(t)
	})
	if fatal := filterSeverity(findings, schemas.Error); len(fatal) > 0 {
		t.broken = fmt.Sprintf("release %s has %d errors, the first: %s", ring.Tag, len(fatal), fatal[0])
	}
	return t
}

// collectFindings runs do and returns its findings, without adding them to the findings of the commit.
func (l *loader) collectFindings(do func()) []schemas.Finding {
	before := l.findings
	l.findings = nil
	do()
	found := sortUnique(l.findings)
	l.findings = before
	return found
}

func filterSeverity(findings []schemas.Finding, severity schemas.Severity) []schemas.Finding {
	return slices.DeleteFunc(slices.Clone(findings), func(f schemas.Finding) bool { return f.Severity != severity })
}

// fillRelease fills in what the ring's release has a host run, and how far the release lags behind the trunk. Without a
// usable release the host runs nothing, and Pending says why.
func (l *loader) fillRelease(host schemas.Document, desired *inventory.Desired) {
	desired.Ring, desired.Given = l.after.ringOf[host.ID()], l.trunk.defaulted[host.ID()]
	ring := l.after.rings[desired.Ring]
	if ring.Spec.Tag == "" {
		desired.Workload, desired.Release = l.resolveWorkload(l.trunk, host, host), l.trunk.Commit
		desired.Vars, desired.Emptied = host.Host.Spec.Vars, host.Host.Spec.Workload == ""
		return
	}
	desired.EmptiedNext = host.Host.Spec.Workload == ""
	if desired.Release = ring.Commit; desired.Release == "" {
		desired.Pending = fmt.Sprintf("ring %s runs nothing yet: %s", ring.Name, ring.Trouble)
		return
	}
	var wanted *inventory.Workload
	l.addFindings(l.collectFindings(func() { wanted = l.resolveWorkload(l.trunk, host, host) })...)
	if ring.Commit == l.trunk.Commit {
		desired.Workload, desired.Vars, desired.Emptied = wanted, host.Host.Spec.Vars, desired.EmptiedNext
		return
	}
	t := l.after.releases[ring.Commit]
	running, there := t.hosts()[host.ID()]
	desired.Given = mergeOrigins(desired.Given, t, running)
	switch {
	case t.broken != "":
		desired.Pending = fmt.Sprintf("ring %s: %s", ring.Name, t.broken)
		return
	case !there:
		desired.Pending = fmt.Sprintf("ring %s runs %s, which does not have the host yet", ring.Name, ring.Tag)
		return
	}
	var workload *inventory.Workload
	if fatal := filterSeverity(l.collectFindings(func() { workload = l.resolveWorkload(t, host, running) }),
		schemas.Error); len(fatal) > 0 {
		desired.Pending = fmt.Sprintf("ring %s: release %s cannot be used for this host: %s", ring.Name, ring.Tag,
			fatal[0])
		return
	}
	desired.Workload, desired.Pending = workload, describeLag(ring, workload, wanted)
	desired.Vars, desired.Emptied = running.Host.Spec.Vars, running.Host.Spec.Workload == ""
}

// mergeOrigins says where the fields of a host come from: fields about what runs from the release, the rest from the
// trunk.
func mergeOrigins(
	trunk map[string]schemas.Position, release *tree, running schemas.Document,
) map[string]schemas.Position {
	origins := map[string]schemas.Position{}
	for field, at := range trunk {
		if !inventory.Runs(field) {
			origins[field] = at
		}
	}
	for field, at := range release.defaulted[running.ID()] {
		if inventory.Runs(field) {
			origins[field] = at
		}
	}
	for _, field := range []string{"spec.workload", "spec.steps", "spec.vars"} {
		if running.Host != nil && running.IsWritten(field) {
			origins[field] = running.PositionOf(field)
		}
	}
	return origins
}

// describeLag says what the trunk asks for and the release does not.
func describeLag(ring inventory.Ring, runs, wanted *inventory.Workload) string {
	var lag string
	switch {
	case runs == nil && wanted == nil, wanted.IsSystem(runs):
		return ""
	case wanted == nil:
		lag = "no workload"
	case runs == nil || runs.Name != wanted.Name:
		lag = "workload " + wanted.Name
	default:
		lag = describeParts(wanted, runs)
	}
	return fmt.Sprintf("the trunk asks for %s; ring %s runs %s until a newer tag matches %s", lag, ring.Name, ring.Tag,
		ring.Spec.Tag)
}

// describeParts says what of a system is another one, or is taken out. Another spelling of the Butane file, or another name,
// is no difference.
func describeParts(wanted, runs *inventory.Workload) string {
	var others, gone []string
	for _, part := range slices.Sorted(maps.Keys(wanted.Parts)) {
		if wanted.Made().Differs(part, runs.Made()) {
			others = append(others, part)
		}
	}
	for _, part := range slices.Sorted(maps.Keys(runs.Parts)) {
		if _, still := wanted.Parts[part]; !still {
			gone = append(gone, part)
		}
	}
	var all []string
	if len(others) > 0 {
		all = append(all, "another "+strings.Join(others, ", "))
	}
	if len(gone) > 0 {
		all = append(all, "no "+strings.Join(gone, ", "))
	}
	return strings.Join(all, ", and ")
}
