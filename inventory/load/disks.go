package load

import (
	"fmt"
	"maps"
	"reflect"
	"slices"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/diskid"
	"github.com/gitmetal/ingot/schemas"
)

// checkDiskNames finds a disk that has two names, as far as the hints tell: by the same serial, WWN or path. Package
// pick finds the others on the machine.
func (l *loader) checkDiskNames(d schemas.Document) {
	spec, taken := d.Host.Spec, map[string]string{} // the field that has a name of a disk
	note := func(field string, hints *schemas.DiskHints) {
		name := strongestName(hints)
		first, has := taken[name]
		switch {
		case has && name != "":
			l.addFindings(d.ErrorAt(field, "leave one of them out", "%s names the same disk", first))
		default:
			taken[name] = field
		}
	}
	if len(spec.Disks) == 0 {
		return
	}
	note("spec.rootDisk", spec.RootDisk)
	for _, name := range slices.Sorted(maps.Keys(spec.Disks)) {
		for i, item := range spec.Disks[name] {
			field := fmt.Sprintf("spec.disks.%s[%d]", name, i)
			if hints := item.Hints(); hints.WWN != "" && diskid.IsPlaceholderWWN(hints.WWN) ||
				hints.Serial != "" && inventory.IsPlaceholder(hints.Serial) {
				l.addFindings(d.ErrorAt(field, "name the disk by something else", "a placeholder names no disk"))
			}
			note(field, item.Hints())
		}
	}
}

// releasesRetire reports whether the release of a ring has spec.retire of a host as the trunk has it.
func (l *loader) releasesRetire(d schemas.Document, name string) bool {
	ring := l.after.rings[name]
	switch {
	case ring.Spec.Tag == "", ring.Commit == l.trunk.Commit:
		return true
	case ring.Commit == "":
		return false
	}
	released, there := l.after.releases[ring.Commit].hosts()[d.ID()]
	return there && released.Host.Spec.Lifecycle == d.Host.Spec.Lifecycle &&
		reflect.DeepEqual(released.Host.Spec.Retire, d.Host.Spec.Retire)
}

// checkRetireNames finds a name in spec.retire.disks that no disk has.
func (l *loader) checkRetireNames(d schemas.Document) {
	spec := d.Host.Spec
	for _, name := range spec.Retire.Disks {
		known := name == schemas.RootDiskName || name == schemas.RetireAll && len(spec.Retire.Disks) == 1
		if _, there := spec.Disks[name]; !known && !there {
			l.addFindings(d.ErrorAt("spec.retire.disks", "say which disks these are", "there is no spec.disks.%s", name))
		}
	}
}

// strongestName is the name by which hints mean one disk: a WWN before a serial, as several disks may share a serial;
// "" without a name.
func strongestName(hints *schemas.DiskHints) string {
	hints = normalizeHints(hints)
	switch {
	case hints == nil:
		return ""
	case hints.WWN != "":
		return "wwn " + hints.WWN
	case hints.Serial != "":
		return "serial " + hints.Serial
	case hints.Path != "":
		return "path " + hints.Path
	default:
		return ""
	}
}
