package reconcile

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/plan"
	"github.com/gitmetal/ingot/reconcile/status"
	"github.com/gitmetal/ingot/reconcile/watch"
	"github.com/gitmetal/ingot/schemas"
)

// View is everything the loop knows, at one moment. Its values are shared: read only.
type View struct {
	Commit   string    // the accepted commit; "" until one was accepted since the start: then nothing is done to any machine
	Title    string    // first line of its message
	Accepted time.Time // when
	Last     string    // the commit that was accepted last, even before the start
	Refused  string    // the newest commit, when it was not accepted
	Findings []schemas.Finding
	Source   string       // why the fleet cannot be read; "" when it can
	Publish  string       // why the status branch cannot be pushed; "" when it can
	Another  string       // why nothing is done at all: another daemon runs this fleet; "" when none does
	Tip      string       // of the status branch, as far as this process pushed it
	Fleet    status.Fleet // what its page on the status branch says beyond that: rings, and what stops them
	Hosts    []HostView
}

// HostView is one host in a View.
type HostView struct {
	ID       inventory.MachineID
	Name     string // for people
	Orphaned bool   // known, but not in the fleet
	Desired  inventory.Desired
	Observed inventory.Observed // with the record
	Plan     plan.Plan
	Action   plan.Kind // what the last look did; "" when nothing was due
	Outcome  plan.Outcome
	Looked   time.Time
	Again    time.Time       // the next look, unless something happens before
	Document status.Document // its page of the status branch; zero before the first look
	Pushed   bool            // that page is on the branch
}

// View gives a snapshot; hosts by name, then by id.
func (l *Loop) View() View {
	l.mu.Lock()
	defer l.mu.Unlock()
	v := View{
		Commit: l.fleet.commit, Title: l.fleet.title, Last: l.fleet.accepted.Commit, Refused: l.fleet.refused,
		Findings: l.fleet.findings, Source: l.fleet.trouble, Publish: l.branch.Trouble, Another: l.another, Tip: l.branch.Tip, Fleet: l.summary(),
		Hosts: make([]HostView, 0, len(l.hosts)),
	}
	if v.Commit != "" {
		v.Accepted = l.fleet.accepted.At
	}
	for _, h := range l.hosts {
		v.Hosts = append(v.Hosts, l.hostView(h))
	}
	slices.SortFunc(v.Hosts, func(a, b HostView) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID)) })
	return v
}

// Host gives one host of the View; false when it is not known.
func (l *Loop) Host(id inventory.MachineID) (HostView, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if h := l.hosts[id]; h != nil {
		return l.hostView(h), true
	}
	return HostView{}, false
}

// Find gives the id of the host that somebody means by a word: its name, or id: and its id. A name that a new host has is not an orphan's any more.
func (l *Loop) Find(word string) (id inventory.MachineID, known bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if id, said := strings.CutPrefix(word, "id:"); said {
		return inventory.MachineID(id), l.hosts[inventory.MachineID(id)] != nil
	}
	if d, named := l.fleet.asks.Find(word); named {
		return d.ID, true
	}
	for other, h := range l.hosts {
		if h.label() == word && (!known || other < id) {
			id, known = other, true
		}
	}
	return id, known
}

// label is the host's name for people; its id before anything is known of a name.
func (h *host) label() string { return cmp.Or(h.desired.Name, string(h.record.ID)) }

func (l *Loop) hostView(h *host) HostView {
	observed := h.seen.observed
	observed.Record = h.record
	id := h.record.ID
	return HostView{
		ID: id, Name: h.label(), Orphaned: h.orphaned, Desired: h.desired, Observed: observed, Plan: h.seen.plan,
		Action: h.seen.action, Outcome: h.seen.outcome, Looked: h.seen.at, Again: h.seen.again,
		Document: l.branch.Document(id), Pushed: l.branch.Pushed(id),
	}
}

// Watch tells the id of each host that was looked at, and "" when something about the whole fleet changed.
func (l *Loop) Watch() *watch.Watcher { return l.watchers.Watch() }
