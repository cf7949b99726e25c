package reconcile

import (
	"slices"
	"strings"
	"time"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/news"
	"github.com/gitmetal/ingot/reconcile/plan"
	"github.com/gitmetal/ingot/reconcile/status"
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
	Name     string
	Orphaned bool // known, but not in the fleet
	Desired  inventory.Desired
	Observed inventory.Observed // with the record
	Plan     plan.Plan
	Action   plan.Kind // what the last look did; "" when nothing was due
	Outcome  plan.Outcome
	Looked   time.Time
	Again    time.Time       // the next look, unless something happens before
	Document status.Document // its page of the status branch; zero before the first look. Of a host that is not known, what people are told instead
	Pushed   bool            // that page is on the branch
}

// View gives a snapshot; hosts by name.
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
	for name, h := range l.hosts {
		v.Hosts = append(v.Hosts, l.hostView(name, h))
	}
	slices.SortFunc(v.Hosts, func(a, b HostView) int { return strings.Compare(a.Name, b.Name) })
	return v
}

// Host gives one host of the View; false when it is not known.
func (l *Loop) Host(name string) (HostView, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if h := l.hosts[name]; h != nil {
		return l.hostView(name, h), true
	}
	return HostView{}, false
}

func (l *Loop) hostView(name string, h *host) HostView {
	observed := h.seen.observed
	observed.Record = h.record
	return HostView{
		Name: name, Orphaned: h.orphaned, Desired: h.desired, Observed: observed, Plan: h.seen.plan,
		Action: h.seen.action, Outcome: h.seen.outcome, Looked: h.seen.at, Again: h.seen.again,
		Document: status.Told(l.branch.Document(name), h.desired, h.lost), Pushed: l.branch.Pushed(name),
	}
}

// Watch tells the name of each host that was looked at, and "" when something about the whole fleet changed.
func (l *Loop) Watch() *news.Watch { return l.news.Watch() }
