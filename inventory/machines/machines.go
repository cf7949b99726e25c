// Package machines says which host of an older commit is the machine that a newer one calls by what name. Pure.
package machines

import (
	"fmt"
	"iter"
	"strings"

	"github.com/gitmetal/ingot/inventory"
)

// Host is what a commit says of who a machine is.
type Host struct{ Name, Former, Serial string }

// serial is the one that identifies it, in one spelling; "" when none does.
func (h Host) serial() string {
	if inventory.Placeholder(h.Serial) {
		return ""
	}
	return strings.ToLower(strings.TrimSpace(h.Serial))
}

// Commit is who the machines of one commit are. It is never changed.
type Commit struct {
	hosts  map[string]Host
	serial map[string]string // name by serial; "" where two hosts declare it
	heirs  map[string]string // name by former name
}

// Of gives who the machines of a commit are.
func Of(hosts iter.Seq[Host]) Commit {
	c := Commit{hosts: map[string]Host{}, serial: map[string]string{}, heirs: map[string]string{}}
	for h := range hosts {
		c.hosts[h.Name] = h
		if h.Former != "" && h.Former != h.Name {
			c.heirs[h.Former] = h.Name
		}
		if serial := h.serial(); serial != "" {
			if _, twice := c.serial[serial]; twice {
				c.serial[serial] = ""
			} else {
				c.serial[serial] = h.Name
			}
		}
	}
	return c
}

// Matched finds the machines of a trunk in a release of it. It remembers what it found, and is for one goroutine.
type Matched struct {
	trunk, release Commit
	found          map[string]string // by name in the trunk; "" also while it is being looked for
}

// Match looks for nothing yet. The release is an ancestor of the trunk.
func Match(trunk, release Commit) *Matched {
	return &Matched{trunk: trunk, release: release, found: map[string]string{}}
}

// Host gives the host of the release that is the same machine as one of the trunk; or "", and why there is none: "in which …".
//
//	the release has a host                               it is
//	with this serial                                     this one
//	of this name, which is not told apart                this one, unless another host of the trunk is that by its serial, or was called so then
//	of the former name, which is not told apart          this one, unless another host of the trunk is that by its serial
//	otherwise                                            none
//
// Two hosts are told apart when both declare a serial, and not the same. Another host was called so then if it says so in metadata.formerly, and is in the
// release neither by its serial nor by its own name.
func (m *Matched) Host(name string) (found, why string) {
	if found = m.find(name); found != "" {
		return found, ""
	}
	namesake, there := m.release.hosts[name]
	switch {
	case !there:
		return "", "in which this host is not yet"
	case m.told(m.trunk.hosts[name], namesake):
		return "", fmt.Sprintf("in which %s is another machine, with serial %s", name, strings.TrimSpace(namesake.Serial))
	case m.bySerial(namesake) != "":
		return "", fmt.Sprintf("in which %s is the machine that is called %s now", name, m.bySerial(namesake))
	default:
		return "", fmt.Sprintf("in which %s is the machine that is called %s now", name, m.trunk.heirs[name])
	}
}

func (m *Matched) find(name string) string {
	if found, known := m.found[name]; known {
		return found
	}
	m.found[name] = ""
	h := m.trunk.hosts[name]
	found := m.release.serial[h.serial()]
	switch {
	case found != "":
	case m.may(h, name) && !m.leaves(name):
		found = name
	case h.Former != "" && m.may(h, h.Former):
		found = h.Former
	}
	m.found[name] = found
	return found
}

// may reports whether the release has a host of a name that no serial says is another one.
func (m *Matched) may(h Host, name string) bool {
	r, there := m.release.hosts[name]
	owner := m.bySerial(r)
	return there && !m.told(h, r) && (owner == "" || owner == h.Name)
}

// leaves reports whether the machine that the release has by a name has another one since. In a row of names that bites its tail everybody's does: where
// serials do not tell, the release is older than the row, as such a row needs serials.
func (m *Matched) leaves(name string) bool {
	heir, claimed := m.trunk.heirs[name]
	if !claimed || !m.may(m.trunk.hosts[heir], name) {
		return false
	}
	found, known := m.found[heir]
	return known && found == "" || m.find(heir) == name // one that may be it is something: it is being looked for
}

// bySerial gives the host of the trunk that declares the serial of one of the release; "" for none.
func (m *Matched) bySerial(r Host) string { return m.trunk.serial[r.serial()] }

// told reports whether serials tell two hosts apart.
func (m *Matched) told(a, b Host) bool {
	return a.serial() != "" && b.serial() != "" && a.serial() != b.serial()
}
