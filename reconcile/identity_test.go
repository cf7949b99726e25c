package reconcile_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/status"
)

// commit has the trunk ask for exactly these hosts.
func (w *world) commit(id string, hosts ...inventory.Desired) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asks(strings.Repeat(id, 40), hosts...)
}

// asks is commit for who holds the lock.
func (w *world) asks(commit string, hosts ...inventory.Desired) {
	w.sources.Trunk.Commit, w.fleet.Commit, w.fleet.Hosts = commit, commit, map[inventory.MachineID]inventory.Desired{}
	for _, h := range hosts {
		h.Commit, h.Release = commit, commit
		w.fleet.Hosts[h.ID] = h
	}
}

// called is a host under another name: the same machine.
func called(d inventory.Desired, name string) inventory.Desired {
	d.Name = name
	return d
}

// wantOnly asserts which hosts there are, everywhere: in the loop, in the journal, on the branch, in its counts.
func (w *world) wantOnly(t *testing.T, d *daemon, ids ...inventory.MachineID) {
	t.Helper()
	var known []inventory.MachineID
	for _, h := range d.View().Hosts {
		known = append(known, h.ID)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	var pages []inventory.MachineID
	for file, page := range w.branch {
		if status.IsHost(file) {
			document, err := status.Page(file, page)
			if err != nil {
				t.Errorf("%s: %v", file, err)
			}
			pages = append(pages, document.Metadata.Host())
		}
	}
	slices.Sort(pages)
	slices.Sort(known)
	for where, got := range map[string][]inventory.MachineID{"the loop": known, "the journal": slices.Sorted(maps.Keys(w.records)), "the branch": pages} {
		if !slices.Equal(got, ids) {
			t.Errorf("%s knows %v, want %v", where, got, ids)
		}
	}
	counted, err := status.ParseFleet(w.branch[status.FleetPath])
	total := 0
	for _, n := range counted.Hosts {
		total += n
	}
	if err != nil || total != len(ids) {
		t.Errorf("the fleet's page counts %v, %v, want %d hosts", counted.Hosts, err, len(ids))
	}
}
