package admit

import (
	"fmt"
	"slices"
	"strings"

	"github.com/gitmetal/ingot/inventory"
)

// Progress is how far a ring is. It has no times: the same hosts give the same bytes.
type Progress struct {
	Name     string   `json:"name"`
	Tag      string   `json:"tag,omitempty"`    // of the release; "" when the ring follows the trunk
	Commit   string   `json:"commit,omitempty"` // of the release
	Hosts    int      `json:"hosts"`
	Done     int      `json:"done"`
	Waiting  int      `json:"waiting"`
	Changing []string `json:"changing,omitempty"`
	Held     []string `json:"held,omitempty"`
	Failed   []string `json:"failed,omitempty"`
	Paused   string   `json:"paused,omitempty"`  // why nothing more begins
	Trouble  string   `json:"trouble,omitempty"` // why the release is not what the tags say
	// Signatures are those on the release's tag, counted where two signers are asked for: whoever plans cannot count
	// them. A daemon that lost its journal knows by the tag's object whether the tag was moved.
	Signatures *inventory.Signatures `json:"signatures,omitempty"`

	ring     inventory.Ring
	down     []string
	canaries []string // that are not done
}

// measureRing counts a ring's machines, given in any order.
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

// whyPaused says why nothing more of the ring begins, or "".
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

// IsComplete reports whether every host that the ring changes runs the release.
func (p Progress) IsComplete() bool {
	return p.Commit != "" && p.Waiting+len(p.Changing)+len(p.Held)+len(p.Failed) == 0
}

// whyIncomplete says why a ring has not completed the same release as p.
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

func withoutName(hosts []string, one string) []string {
	return slices.DeleteFunc(slices.Clone(hosts), func(h string) bool { return h == one })
}
