package notices

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/gitmetal/ingot/reconcile/admit"
)

// State is the state of a commit status.
type State string

// States.
const (
	StatePending    State = "pending"
	StateSuccess    State = "success"
	StateFailure    State = "failure"
	StateSuperseded State = "superseded" // another commit came before every host was done
)

// Times of commit statuses.
const (
	// HeldFails is how long a host may be held before that counts as failure.
	HeldFails = time.Hour
	// DescriptionPause is the time between two statuses of a context that differ in the description alone: a forge keeps
	// a limited number of statuses for a commit.
	DescriptionPause = 5 * time.Minute
)

// maxDescription is the longest description, in characters: GitHub's limit.
const maxDescription = 140

// CommitStatus is what the forge shows on a commit, for one ring.
type CommitStatus struct {
	Commit      string `json:"commit"`
	Context     string `json:"context"`
	State       State  `json:"state"`
	Description string `json:"description,omitempty"`
}

// Sent is a commit status that the forge took.
type Sent struct {
	CommitStatus
	At time.Time `json:"at"`
}

// count is how far the hosts of a commit and ring are.
type count struct {
	done, changing, waiting, excluded int
	held, failed                      []string // names
	overdue                           bool     // a host is held for longer than HeldFails
	unseen                            int      // hosts that nobody has looked at since the start
}

// JudgeCommits gives the verdict on the release of each ring, and on the trunk's commit for the hosts without a ring.
// A host counts by its state in package admit: the one that the rollout goes by. The first row that fits decides:
//
//	the hosts of the ring                               state
//	one failed, or is held for an hour                  failure
//	a host is not done, or was not looked at            pending
//	every host is done, or may not be changed           success
//
// Where hosts were not looked at since the start, what the forge shows already stays. A refused commit is a failure of
// the trunk.
func (m *Memory) JudgeCommits(fleet Fleet, hosts []Host, now time.Time) []CommitStatus {
	if fleet.Commit == "" {
		return nil // nothing was accepted since the start: nothing is known
	}
	counts := m.countHosts(hosts, now)
	var all []CommitStatus
	for _, ring := range fleet.Rings {
		if ring.Commit == "" {
			continue
		}
		word := ring.Name
		if word == "trunk" {
			word = "trunk-ring"
		}
		all = m.judge(all, CommitStatus{Commit: ring.Commit, Context: contextName(word, fleet)}, counts[ring.Name])
	}
	trunk := contextName("trunk", fleet)
	if without := counts[""]; without != nil {
		all = m.judge(all, CommitStatus{Commit: fleet.Commit, Context: trunk}, without)
	}
	if fleet.Refused != "" && fleet.Refused != fleet.Commit {
		all = append(all, CommitStatus{fleet.Refused, trunk, StateFailure, cutDescription("refused: " + fleet.Finding)})
	}
	return all
}

// contextName is the context of a commit status: ingot/<ring or trunk>, and the fleet's directory.
func contextName(ring string, fleet Fleet) string {
	if fleet.Path != "" {
		return "ingot/" + ring + "/" + fleet.Path
	}
	return "ingot/" + ring
}

// countHosts counts the hosts of each ring; "" is no ring.
func (m *Memory) countHosts(hosts []Host, now time.Time) map[string]*count {
	counts := map[string]*count{}
	for _, h := range hosts {
		if h.Desired.Lifecycle == "" {
			continue // an orphan is in no commit
		}
		c := counts[h.Desired.Ring]
		if c == nil {
			c = &count{}
			counts[h.Desired.Ring] = c
		}
		if !h.Looked {
			c.unseen++
		}
		told := m.Told[string(h.Desired.ID)]
		switch state := stateOf(h); state {
		case admit.Done:
			c.done++
		case admit.Changing:
			c.changing++
		case admit.Failed:
			c.failed = append(c.failed, h.Desired.Name)
		case admit.Held:
			c.held = append(c.held, h.Desired.Name)
			c.overdue = c.overdue || told.Kind == Held && now.Sub(time.Unix(told.Since, 0)) >= HeldFails
		case admit.Waiting:
			c.waiting++
		case admit.Excluded:
			c.excluded++
		default:
			panic("notices: unknown state " + string(state))
		}
	}
	for _, c := range counts {
		slices.Sort(c.held)
		slices.Sort(c.failed)
	}
	return counts
}

// stateOf is the state of a host in package admit. An operation that waits for a person, and an inspection that was
// given up, go by the page.
func stateOf(h Host) admit.State {
	state := admit.DescribeMachine(h.Desired, h.Record, admit.Live{}, "").State
	one, stopped := describeHost(h.Document)
	switch open := state == admit.Changing || state == admit.Waiting; {
	case open && stopped && one.Kind == Held:
		return admit.Held
	case open && stopped:
		return admit.Failed
	default:
		return state
	}
}

// judge adds the verdict on a commit and ring, unless what the forge shows stays.
func (m *Memory) judge(all []CommitStatus, s CommitStatus, c *count) []CommitStatus {
	if c == nil {
		c = &count{}
	}
	shown := slices.ContainsFunc(m.Sent[s.Context], func(sent Sent) bool { return sent.Commit == s.Commit })
	if c.unseen > 0 && shown {
		return all
	}
	switch todo := c.changing + c.waiting + len(c.held) + len(c.failed) + c.unseen; {
	case len(c.failed) > 0, c.overdue:
		s.State = StateFailure
	case todo > 0:
		s.State = StatePending
	default:
		s.State = StateSuccess
	}
	s.Description = describeCount(*c)
	return append(all, s)
}

// describeCount says how far the hosts are: "38 of 40 done, 2 held: web-3, web-7".
func describeCount(c count) string {
	total := c.done + c.changing + c.waiting + len(c.held) + len(c.failed)
	if total == 0 {
		return "no host to change"
	}
	for most := len(c.held) + len(c.failed); ; most-- {
		text := fmt.Sprintf("%d of %d done", c.done, total) + listNames("failed", c.failed, most) +
			listNames("held", c.held, most)
		if c.changing > 0 {
			text += fmt.Sprintf(", %d changing", c.changing)
		}
		if most == 0 || len([]rune(text)) <= maxDescription {
			return cutDescription(text)
		}
	}
}

// listNames counts hosts, and names some of them.
func listNames(word string, names []string, most int) string {
	switch {
	case len(names) == 0:
		return ""
	case most == 0:
		return fmt.Sprintf(", %d %s", len(names), word)
	default:
		return fmt.Sprintf(", %d %s: %s", len(names), word, nameSome(names, len(names), most))
	}
}

func cutDescription(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	if runes := []rune(text); len(runes) > maxDescription {
		return string(runes[:maxDescription-1]) + "…"
	}
	return text
}

// DueStatuses gives the commit statuses that the forge does not show yet: new verdicts, and a last word on the commits
// that were superseded while they were pending. A status that differs in the description alone waits for
// DescriptionPause; again is when it may be sent, or zero.
func (m *Memory) DueStatuses(verdicts []CommitStatus, now time.Time) (due []CommitStatus, again time.Time) {
	next := map[string]string{} // the commit of each context
	for _, v := range verdicts {
		if _, known := next[v.Context]; !known {
			next[v.Context] = v.Commit
		}
	}
	for _, context := range slices.Sorted(maps.Keys(m.Sent)) {
		commit, judged := next[context]
		for _, sent := range m.Sent[context] {
			if judged && commit != sent.Commit && sent.State == StatePending {
				due = append(due, CommitStatus{sent.Commit, context, StateSuperseded,
					cutDescription(fmt.Sprintf("superseded by %.12s: %s", commit, sent.Description))})
			}
		}
	}
	for _, v := range verdicts {
		before, known := m.findSent(v)
		switch {
		case !known, before.State != v.State:
			due = append(due, v)
		case before.Description != v.Description:
			if at := before.At.Add(DescriptionPause); now.Before(at) {
				again = earliest(again, at)
			} else {
				due = append(due, v)
			}
		}
	}
	return due, again
}

func (m *Memory) findSent(s CommitStatus) (Sent, bool) {
	for _, sent := range m.Sent[s.Context] {
		if sent.Commit == s.Commit {
			return sent, true
		}
	}
	return Sent{}, false
}

// maxSent is how many commits are remembered for a context.
const maxSent = 5

// KeepSent records that the forge took a commit status.
func (m *Memory) KeepSent(s CommitStatus, at time.Time) {
	others := slices.DeleteFunc(slices.Clone(m.Sent[s.Context]), func(sent Sent) bool { return sent.Commit == s.Commit })
	others = append([]Sent{{s, at.UTC().Truncate(time.Second)}}, others...)
	slices.SortStableFunc(others, func(a, b Sent) int {
		return cmp.Compare(finality(a.State), finality(b.State)) // what may still change is kept longest
	})
	m.Sent[s.Context] = others[:min(len(others), maxSent)]
}

// finality is 1 for the states that no later word follows.
func finality(s State) int {
	if s == StateSuperseded {
		return 1
	}
	return 0
}
