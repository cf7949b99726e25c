package reconcile

import (
	"cmp"
	"slices"
	"strings"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/view"
	"github.com/gitmetal/ingot/reconcile/watch"
)

// What the loop shows of its state; see package view.
type (
	View     = view.View
	HostView = view.HostView
)

// View gives the loop's state. The hosts are sorted by name, then by id.
func (l *Loop) View() View {
	l.mu.Lock()
	v := l.fleetView()
	v.Hosts = make([]HostView, 0, len(l.hosts))
	for _, h := range l.hosts {
		v.Hosts = append(v.Hosts, l.hostView(h))
	}
	l.mu.Unlock() // looks need the lock, and not the order
	slices.SortFunc(v.Hosts,
		func(a, b HostView) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID)) })
	return v
}

// Fleet gives the desired state of the accepted commit, which nobody changes; false before the first accepted commit since
// the start.
func (l *Loop) Fleet() (inventory.Fleet, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.fleet.desired, l.fleet.commit != ""
}

// ViewFleet gives the loop's state without the hosts.
func (l *Loop) ViewFleet() View {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.fleetView()
}

// fleetView is the View without the hosts. The caller holds the lock.
func (l *Loop) fleetView() View {
	v := View{
		Commit: l.fleet.commit, Title: l.fleet.title, Last: l.fleet.accepted.Commit, Refused: l.fleet.refused,
		Findings: l.fleet.findings, Source: l.fleet.sourceTrouble, Publish: l.branch.Trouble, Another: l.otherDaemon,
		Tip: l.branch.Tip, Fleet: l.fleetSummary(),
	}
	if l.otherDaemon != "" {
		v.Fleet.Daemon = l.runner
	}
	if v.Commit != "" {
		v.Accepted = l.fleet.accepted.At
	}
	return v
}

// ViewHost gives one host of the View; false when the host is not known.
func (l *Loop) ViewHost(id inventory.MachineID) (HostView, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if h := l.hosts[id]; h != nil {
		return l.hostView(h), true
	}
	return HostView{}, false
}

// ShowsInstall reports whether the host's page on the status branch says that the system of an install has called.
func (l *Loop) ShowsInstall(id inventory.MachineID, install string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	shown := l.branch.HostDocument(id).Installed
	return shown != nil && shown.ID == install && !shown.PhoneHome.IsZero() && l.branch.IsPushed(id)
}

// FindHost gives the host for a word of an operator: a name, or "id:" and an id. A name in the fleet goes before the
// name of an orphan.
func (l *Loop) FindHost(word string) (id inventory.MachineID, known bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if id, said := strings.CutPrefix(word, "id:"); said {
		return inventory.MachineID(id), l.hosts[inventory.MachineID(id)] != nil
	}
	if d, named := l.fleet.desired.Find(word); named {
		return d.ID, true
	}
	for other, h := range l.hosts {
		if h.displayName() == word && (!known || other < id) {
			id, known = other, true
		}
	}
	return id, known
}

// displayName is the host's name for people; the id before a name is known.
func (h *host) displayName() string { return cmp.Or(h.desired.Name, string(h.record.ID)) }

func (l *Loop) hostView(h *host) HostView {
	observed := h.lastLook.observed
	observed.Record = h.record
	id := h.record.ID
	return HostView{
		ID: id, Name: h.displayName(), Orphaned: h.orphaned, Desired: h.desired, Observed: observed,
		Plan:   h.lastLook.plan,
		Action: h.lastLook.action, Outcome: h.lastLook.outcome, Looked: h.lastLook.at, Again: h.lastLook.again,
		Document: l.branch.HostDocument(id), Pushed: l.branch.IsPushed(id),
	}
}

// Watch notifies of the id of each host after its look, and of "" after a change of the whole fleet.
func (l *Loop) Watch() *watch.Watcher { return l.watchers.Watch() }
