package inventory

import (
	"strings"

	"github.com/gitmetal/ingot/schemas"
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
	for former, record := range orphans {
		if former == d.Name || record.Facts == nil || (name != "" && name < former) {
			continue
		}
		if strings.EqualFold(strings.TrimSpace(record.Facts.System.Serial), serial) {
			name = former
		}
	}
	return name, false
}

// OfAnother reports whether what is known was seen on another machine than a host declares: the name was given to it since.
func (r Record) OfAnother(identity schemas.Identity) bool {
	if r.Facts == nil || Placeholder(identity.Serial) || Placeholder(r.Facts.System.Serial) {
		return false
	}
	return !strings.EqualFold(strings.TrimSpace(identity.Serial), strings.TrimSpace(r.Facts.System.Serial))
}

// Fresh reports whether nothing is known of a host under its name.
func (r Record) Fresh() bool {
	return r.Epoch == 0 && r.Installed == nil && r.Facts == nil && r.Operation == nil && r.Last == nil && r.Boot == nil
}
