// Package rollout decides which host of a ring may begin to change, from the ring and what is known of its hosts. It never starts anything, and
// never takes back what has begun. Pure.
package rollout

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/plan/change"
	"github.com/gitmetal/ingot/schemas"
)

// State is how far a host is with its ring's release.
type State string

// States.
const (
	Done     State = "Done"     // it runs what the release asks for
	Changing State = "Changing" // an operation is under way
	Failed   State = "Failed"   // its operation was given up
	Held     State = "Held"     // it waits for a person
	Waiting  State = "Waiting"  // it has not begun
	Left     State = "Left"     // nothing is to be done to it: protected, orphaned, unmanaged, without a workload
)

// Member is a host of a ring.
type Member struct {
	Host   string // its name
	Canary bool
	State  State
	Down   bool // a rollout took it down: a system ran on it, and it changes or failed
}

// Of says how far a host is. Begun is set when it has been let begin and its record does not know yet.
func Of(d inventory.Desired, rec inventory.Record, held, begun bool) Member {
	m := Member{Host: d.Name, Canary: d.Canary, State: Waiting}
	asked := change.Decide(d, rec)
	op, last := rec.Operation, rec.Last
	switch {
	case asked.Verdict == change.HandsOff && asked.Hold == nil, d.Workload == nil:
		m.State = Left
	case op != nil, begun:
		m.State, m.Down = Changing, (begun && rec.Installed != nil) || (op != nil && ran(op.Content))
	case rec.Installed != nil && rec.Installed.Inputs == d.Workload.Inputs:
		m.State = Done
	case last != nil && last.Outcome == inventory.Quarantined && last.Inputs == d.Workload.Inputs:
		m.State = Failed
	case held:
		m.State = Held
	}
	if op == nil && rec.Installed == nil && last != nil && last.Outcome == inventory.Quarantined && m.State != Left {
		m.Down = ran(last.Content) // whichever release it failed
	}
	return m
}

// ran reports whether a system of ours was on the disk when the operation began, or what an operation of ours had left of one.
func ran(content string) bool {
	return strings.HasPrefix(content, "install:") || strings.HasPrefix(content, "failed:")
}

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
	// Signatures are those on the release's tag, counted where two signers are asked for: whoever plans cannot count them. A daemon that lost its journal
	// knows by the tag's object whether the tag was moved.
	Signatures *inventory.Signatures `json:"signatures,omitempty"`

	ring     inventory.Ring
	down     []string
	canaries []string // that are not done
}

// Measure counts a ring's hosts, given by name in any order.
func Measure(ring inventory.Ring, members []Member) Progress {
	p := Progress{Name: ring.Name, Tag: ring.Tag, Commit: ring.Commit, Hosts: len(ring.Hosts), Trouble: ring.Trouble, ring: ring}
	if ring.Signatures.Object != "" {
		p.Signatures = &ring.Signatures
	}
	members = slices.SortedFunc(slices.Values(members), func(a, b Member) int { return strings.Compare(a.Host, b.Host) })
	for _, m := range members {
		switch m.State {
		case Done:
			p.Done++
		case Waiting:
			p.Waiting++
		case Changing:
			p.Changing = append(p.Changing, m.Host)
		case Held:
			p.Held = append(p.Held, m.Host)
		case Failed:
			p.Failed = append(p.Failed, m.Host)
		case Left:
		default:
			panic("rollout: unknown state " + string(m.State))
		}
		if m.Down {
			p.down = append(p.down, m.Host)
		}
		if m.Canary && m.State != Done && m.State != Left {
			p.canaries = append(p.canaries, m.Host)
		}
	}
	p.Paused = p.paused()
	return p
}

func (p Progress) paused() string {
	switch {
	case p.ring.Spec.Paused:
		return "spec.paused is true"
	case len(p.Failed) >= p.ring.Spec.Failures():
		return fmt.Sprintf("%s failed: release something that mends it, or see to the machine", strings.Join(p.Failed, ", "))
	default:
		return ""
	}
}

// Complete reports whether every host that the ring changes runs the release.
func (p Progress) Complete() bool {
	return p.Commit != "" && p.Waiting+len(p.Changing)+len(p.Held)+len(p.Failed) == 0
}

// Turn says why a host of a ring may not begin now, or "". Again is when it may, if only the time stands against it. The host counts among the
// others by its state: one that failed itself may try again where that is allowed it.
func Turn(m Member, ring Progress, all map[string]Progress, now time.Time) (why string, again time.Time) {
	spec := ring.ring.Spec
	if ring.Paused != "" && (spec.Paused || m.State != Failed) {
		return fmt.Sprintf("ring %s is paused: %s", ring.Name, ring.Paused), time.Time{}
	}
	for _, name := range spec.After {
		if why := ring.after(all[name]); why != "" {
			return fmt.Sprintf("ring %s comes after ring %s, %s", ring.Name, name, why), time.Time{}
		}
	}
	if first := without(ring.canaries, m.Host); !m.Canary && len(first) > 0 {
		return fmt.Sprintf("the canaries of ring %s come first: %s", ring.Name, strings.Join(first, ", ")), time.Time{}
	}
	if why, opens := Closed(ring.ring, now); why != "" {
		return why, opens
	}
	down := without(ring.down, m.Host)
	if limit := spec.Limit(ring.Hosts); m.Down && len(down) >= limit {
		return fmt.Sprintf("ring %s may have %d down for this rollout: %s", ring.Name, limit, strings.Join(down, ", ")), time.Time{}
	}
	return "", time.Time{}
}

// after says why a ring has not completed the same release as p.
func (p Progress) after(earlier Progress) string {
	switch {
	case earlier.Tag != "" && earlier.Commit != p.Commit:
		return "which runs " + earlier.Tag
	case earlier.Commit == "":
		return "which runs nothing yet"
	case earlier.Paused != "":
		return "which is paused: " + earlier.Paused
	case !earlier.Complete():
		return fmt.Sprintf("of which %d of %d hosts are done", earlier.Done, earlier.Hosts)
	default:
		return ""
	}
}

// Closed says that no window of a ring is open now, or "", and when the next one opens.
func Closed(ring inventory.Ring, now time.Time) (why string, opens time.Time) {
	for _, w := range ring.Spec.Windows {
		schedule, err := schemas.ParseSchedule(w)
		length, bad := time.ParseDuration(w.Duration)
		if err != nil || bad != nil {
			continue // it was checked when it was read
		}
		if start := schedule.Next(now.Add(-length)); !start.IsZero() && !start.After(now) {
			return "", time.Time{}
		}
		if next := schedule.Next(now); opens.IsZero() || (!next.IsZero() && next.Before(opens)) {
			opens = next
		}
	}
	if len(ring.Spec.Windows) > 0 {
		why = fmt.Sprintf("ring %s changes in its windows only", ring.Name)
	}
	return why, opens
}

func without(hosts []string, one string) []string {
	return slices.DeleteFunc(slices.Clone(hosts), func(h string) bool { return h == one })
}
