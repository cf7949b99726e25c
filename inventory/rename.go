package inventory

import (
	"maps"
	"slices"
	"strings"
)

// Predecessor gives the name under which the machine of a host was known, among the records of hosts that the fleet does not name any more. It
// is confirmed when metadata.formerly says so; otherwise the serial number says so, and the fleet must confirm it. "" for none.
func Predecessor(d Desired, orphans map[string]Record) (name string, confirmed bool) {
	if _, known := orphans[d.Former]; known {
		return d.Former, true
	}
	serial := strings.TrimSpace(d.Identity.Serial)
	if Placeholder(serial) {
		return "", false
	}
	for _, name := range slices.Sorted(maps.Keys(orphans)) {
		if facts := orphans[name].Facts; name != d.Name && facts != nil && strings.EqualFold(strings.TrimSpace(facts.System.Serial), serial) {
			return name, false
		}
	}
	return "", false
}

// Fresh reports whether nothing is known of a host under its name.
func (r Record) Fresh() bool {
	return r.Epoch == 0 && r.Installed == nil && r.Facts == nil && r.Operation == nil && r.Last == nil && r.Boot == nil
}
