package admit

import (
	"fmt"
	"slices"
	"strings"

	"github.com/gitmetal/ingot/inventory"
)

// Progress is how far a ring is. There are no times in Progress: the same hosts give the same bytes.
type Progress struct {
	Name     string   `json:"name"`
	Tag      string   `json:"tag,omitempty"`    // tag of the release; "" when the ring follows the trunk
	Commit   string   `json:"commit,omitempty"` // commit of the release
	Hosts    int      `json:"hosts"`
	Done     int      `json:"done"`
	Waiting  int      `json:"waiting"`
	Changing []string `json:"changing,omitempty"`
	Held     []string `json:"held,omitempty"`
	Failed   []string `json:"failed,omitempty"`
	Paused   string   `json:"paused,omitempty"`  // why no further operation begins
	Trouble  string   `json:"trouble,omitempty"` // why the release differs from the tags
	// Signatures are the signatures of the release's tag, counted when the fleet asks for two signers: `ingot plan`
	// cannot count signatures. A daemon without its journal knows by the tag's object whether the tag was moved.
	Signatures *inventory.Signatures `json:"signatures,omitempty"`

	ring     inventory.Ring
	down     []string
	canaries []string // canaries that are not done
}

// measureRing counts a ring's machines, in any order.
func measureRing(ring inventory.Ring, machines []Machine) Progress {
	p := Progress{Name: ring.Name, Tag: ring.Tag, Commit: ring.Commit, Hosts: len(ring.Hosts), Trouble: ring.Trouble,
		ring: ring}
	if ring.Signatures.Object != "" {
		p.Signatures = &ring.Signatures
	}
	slices.SortFunc(machines, func(a, b Machine) int { return strings.Compare(a.Name, b.Name) })
	for _, m := range machines {
		switch m.State {
		case Done:
			p.Done++
		case Waiting:
			p.Waiting++
		case Changing:
			p.Changing = append(p.Changing, m.Name)
		case Held:
			p.Held = append(p.Held, m.Name)
		case Failed:
			p.Failed = append(p.Failed, m.Name)
		case Excluded:
		default:
			panic("admit: unknown state " + string(m.State))
		}
		if m.Down {
			p.down = append(p.down, m.Name)
		}
		if m.Canary && m.State != Done && m.State != Excluded {
			p.canaries = append(p.canaries, m.Name)
		}
	}
	p.Paused = p.whyPaused()
	return p
}

const pausedByPerson = "spec.paused is true"

// whyPaused says why no further operation of the ring begins, or "".
func (p Progress) whyPaused() string {
	switch {
	case p.ring.Spec.Paused:
		return pausedByPerson
	case len(p.Failed) >= p.ring.Spec.Failures():
		return fmt.Sprintf("%s failed: release something that mends it, or see to the machine",
			strings.Join(p.Failed, ", "))
	default:
		return ""
	}
}

// WhyStopped says why failed machines let no further operation of the ring begin; "" also where a person paused the
// ring.
func (p Progress) WhyStopped() string {
	if p.ring.Spec.Paused {
		return ""
	}
	return p.Paused
}

// IsComplete reports whether every changeable host of the ring runs the release.
func (p Progress) IsComplete() bool {
	return p.Commit != "" && p.Waiting+len(p.Changing)+len(p.Held)+len(p.Failed) == 0
}

// whyIncomplete says why an earlier ring has not completed the release of p, as a clause, or "".
func (p Progress) whyIncomplete(earlier Progress) string {
	switch {
	case earlier.Tag != "" && earlier.Commit != p.Commit:
		return "which runs " + earlier.Tag
	case earlier.Commit == "":
		return "which runs nothing yet"
	case earlier.Paused != "":
		return "which is paused: " + earlier.Paused
	case !earlier.IsComplete():
		return fmt.Sprintf("of which %d of %d hosts are done", earlier.Done, earlier.Hosts)
	default:
		return ""
	}
}

// withoutName drops one name from a list.
func withoutName(hosts []string, one string) []string {
	return slices.DeleteFunc(slices.Clone(hosts), func(h string) bool { return h == one })
}
