package diskid

import (
	"fmt"
	"strings"

	"github.com/gitmetal/ingot/inventory/format"
)

// ID is what remains the same about a disk between boots: names that were the disk's own when the ID was made. Own and
// Named make IDs; records keep them.
type ID struct {
	Serial string `json:"serial,omitempty"`
	WWN    string `json:"wwn,omitempty"`
	Path   string `json:"path,omitempty"`
	Size   uint64 `json:"size,omitempty"` // bytes; 0 for a disk without a look
	// Unknown holds a newer ingot's members, to write back.
	Unknown format.Unknown `json:"-"`
}

// Named is the identity that a WWN and a serial give without a look. It is zero where both are empty or placeholders.
func Named(wwn, serial string) ID {
	return ID{Serial: strings.TrimSpace(serial), WWN: NormalWWN(wwn)}.WithoutPlaceholders()
}

// Names are a disk's WWN and serial as labels spell them, "" for a missing name or a placeholder.
func (d ID) Names() (wwn, serial string) {
	if name := NormalWWN(d.WWN); !isPlaceholderName(name) {
		wwn = name
	}
	if !IsPlaceholder(d.Serial) {
		serial = strings.TrimSpace(d.Serial)
	}
	return wwn, serial
}

// WithoutPlaceholders is the identity without placeholders, in the machine's own spelling: also an ID from a record
// that is older than the rule.
func (d ID) WithoutPlaceholders() ID {
	return d.keepNames(d.Names())
}

// keepNames is the identity with only the names that Names gives.
func (d ID) keepNames(wwn, serial string) ID {
	if wwn == "" {
		d.WWN = ""
	}
	if serial == "" {
		d.Serial = ""
	}
	return d
}

// Label is the name of a disk for people and consents: WWN, else serial, else path and size. Placeholders do not count.
// The label is "" without a name.
func (d ID) Label() string {
	switch wwn, serial := d.Names(); {
	case wwn != "":
		return wwn
	case serial != "":
		return serial
	case d.Path != "":
		return fmt.Sprintf("%s+%d", d.Path, d.Size)
	default:
		return ""
	}
}

// HasLabelOf reports whether the name that labels another identity is one of this identity's names too.
func (d ID) HasLabelOf(o ID) bool {
	wwn, serial := d.Names()
	switch otherWWN, otherSerial := o.Names(); {
	case otherWWN != "":
		return WWNKey(wwn) == WWNKey(otherWWN)
	case otherSerial != "":
		return SerialKey(serial) == SerialKey(otherSerial)
	default:
		return o.Path != "" && d.Path == o.Path && d.Size == o.Size
	}
}

// Keys are WWN and serial in the spelling that compares. Two disks with names of which IsSameDisk holds have a key in
// common.
func (d ID) Keys() (keys []string) {
	wwn, serial := d.Names()
	if wwn != "" {
		keys = append(keys, "wwn "+WWNKey(wwn))
	}
	if serial != "" {
		keys = append(keys, "serial "+SerialKey(serial))
	}
	return keys
}

// Zero reports whether nothing is known of the disk.
func (d ID) Zero() bool {
	d.Unknown = ""
	return d == ID{}
}

// IsSameDisk reports whether two identities are of one disk: all that is known of both agrees, and both share a WWN or
// a serial. Path and size tell only a disk for which at least one of the two has neither WWN nor serial. Placeholders
// are unknown.
func (d ID) IsSameDisk(o ID) bool {
	wwn, serial := d.Names()
	otherWWN, otherSerial := o.Names()
	shared := false
	for _, pair := range [][2]string{{WWNKey(wwn), WWNKey(otherWWN)}, {SerialKey(serial), SerialKey(otherSerial)}} {
		if pair[0] == "" || pair[1] == "" {
			continue
		}
		if pair[0] != pair[1] {
			return false
		}
		shared = true
	}
	if d.Size != 0 && o.Size != 0 && d.Size != o.Size {
		return false
	}
	toldByPath := wwn == "" && serial == "" || otherWWN == "" && otherSerial == ""
	return shared || toldByPath && d.Path != "" && d.Path == o.Path && d.Size != 0 && d.Size == o.Size
}
