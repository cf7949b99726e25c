// Package repairs finds known machines that came back with another disk, board, network card or BMC, and hosts without a BMC
// whose machine registered, and keeps a record of each for package proposals, which makes the pull request. What a look means decides package inventory/discovery/repair:
// do not decide here.
//
// Make a Keeper with New and call Run. A lost record loses nothing: the next look at the machine makes it again.
package repairs

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/discovery"
	"github.com/gitmetal/ingot/inventory/discovery/records"
	"github.com/gitmetal/ingot/inventory/discovery/repair"
	"github.com/gitmetal/ingot/reconcile/view"
	"github.com/gitmetal/ingot/reconcile/watch"
	"github.com/gitmetal/ingot/schemas"
)

// Hosts are the hosts of the daemon's loop.
type Hosts interface {
	Fleet() (inventory.Fleet, bool)
	View() view.View
	ViewHost(inventory.MachineID) (view.HostView, bool)
	Watch() *watch.Watcher
}

// Records are the discovery records.
type Records interface {
	List() []discovery.Record
	Get(discovery.ID) (discovery.Record, error)
	Update(discovery.ID, func(*discovery.Record) error) error
	AddRepair(*repair.Repair, time.Time) (discovery.ID, error)
	Forget(discovery.ID) error
}

// Limits.
const (
	lookEvery  = time.Minute     // at the machines at the discovery door
	allEvery   = 5 * time.Minute // at every host
	betweenTwo = time.Second     // looks at least
	wordEvery  = 24 * time.Hour  // a record of a repair that goes on is kept so
)

// Keeper keeps the records of repairs. Run is its only user.
type Keeper struct {
	hosts   Hosts
	records Records
	now     func() time.Time
	log     *slog.Logger

	ids    map[inventory.MachineID]discovery.ID   // records of repairs
	before map[inventory.MachineID][]string       // labels of the disks that were in a machine with more than one
	door   map[inventory.MachineID]*repair.Repair // what machines at the door ask for
	marks  map[discovery.ID]marked                // of the machines at the door
	all    time.Time                              // of the last look at every host
}

// marked are the disk GUIDs of a machine at the door, by its report, and the hosts that it is in conflict with.
type marked struct {
	report string
	guids  []string
	hosts  []inventory.MachineID
}

// New makes a Keeper; it asks nobody anything.
func New(hosts Hosts, records Records, now func() time.Time, log *slog.Logger) *Keeper {
	return &Keeper{hosts: hosts, records: records, now: now, log: log, before: map[inventory.MachineID][]string{},
		door: map[inventory.MachineID]*repair.Repair{}, marks: map[discovery.ID]marked{}}
}

// Run keeps the records until ctx ends.
func (k *Keeper) Run(ctx context.Context) error {
	changes := k.hosts.Watch()
	defer changes.Stop()
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for {
		k.pass(changes.TakeIDs())
		pause := time.NewTimer(betweenTwo)
		select {
		case <-ctx.Done():
			pause.Stop()
			return ctx.Err()
		case <-pause.C:
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changes.Changed():
		case <-ticker.C:
		}
	}
}

// pass looks at the hosts that changed, and from time to time at all, and at the door.
func (k *Keeper) pass(changed []inventory.MachineID) {
	now := k.now()
	if _, known := k.hosts.Fleet(); !known {
		return // nobody knows yet which hosts there are; the commit wakes this
	}
	if k.ids == nil {
		k.ids = map[inventory.MachineID]discovery.ID{}
		for _, r := range k.records.List() {
			if r.Repair != nil {
				k.ids[r.Repair.Host] = r.ID
			}
		}
	}
	hosts := k.lookAtDoor()
	if now.Sub(k.all) >= allEvery || slices.Contains(changed, "") {
		k.all = now
		if hosts == nil {
			hosts = k.hosts.View().Hosts
		}
		for _, host := range hosts {
			k.look(host, now)
		}
		return
	}
	for _, id := range changed {
		if host, known := k.hosts.ViewHost(id); known {
			k.look(host, now)
		}
	}
}

// look keeps the record of one host.
func (k *Keeper) look(host view.HostView, now time.Time) {
	managed := host.Desired.Lifecycle == schemas.Managed || host.Desired.Lifecycle == schemas.Adopted
	switch {
	case host.Orphaned || !managed:
		k.keep(host.ID, nil, true)
		return
	case host.Looked.IsZero(): // nothing was seen since the start
		return
	}
	seen := repair.Seen{Desired: host.Desired, Observed: host.Observed, Before: k.before[host.ID]}
	found, whole := repair.Look(seen)
	found = repair.Choose(found, k.door[host.ID])
	if host.Desired.BMC == nil {
		whole = found != nil // a proposed address outlives the agent at the door
	}
	if facts := host.Observed.Record.Facts; found == nil && facts != nil && len(facts.Disks) > 1 {
		k.before[host.ID] = labelDisks(facts.Disks)
	}
	k.keep(host.ID, found, whole)
}

func labelDisks(disks []inventory.Disk) (labels []string) {
	for _, disk := range inventory.IdentifyDisks(disks) {
		labels = append(labels, disk.ID().Label())
	}
	return labels
}

// keep writes what was found of a host into the host's record, makes the record, or drops it.
func (k *Keeper) keep(host inventory.MachineID, found *repair.Repair, whole bool) {
	id, has := k.ids[host]
	var err error
	switch {
	case has:
		err = k.update(id, found, whole)
	case found != nil:
		if id, err = k.records.AddRepair(found, k.now()); err == nil && id != "" {
			k.ids[host] = id
			k.log.Info("a Host file does not fit its machine", "host", host, "record", id, "repair", found.Kind)
		}
	}
	if errors.Is(err, records.ErrUnknown) { // forgotten by an operator: the next look makes it again
		delete(k.ids, host)
		err = nil
	}
	if err != nil {
		k.log.Error("the record of a repair is not kept", "host", host, "error", err)
	}
}

// update changes the record of a repair. A repair that ended is dropped once its proposal is closed.
func (k *Keeper) update(id discovery.ID, found *repair.Repair, whole bool) error {
	r, err := k.records.Get(id)
	if err != nil {
		return err
	}
	next, now := repair.Next(r.Repair, found, whole), k.now()
	isOpen := r.Proposal != nil && r.Proposal.State == discovery.Open
	switch {
	case next.Ended && !isOpen:
		delete(k.ids, next.Host)
		return k.records.Forget(id)
	case next.Same(r.Repair) && (next.Ended || now.Sub(r.LastWord) < wordEvery):
		return nil
	}
	return k.records.Update(id, func(r *discovery.Record) error {
		isMerged := r.Proposal != nil && r.Proposal.State == discovery.Merged
		if isMerged && next.IsOpen() && !slices.EqualFunc(next.Changes, r.Repair.Changes, repair.Change.Same) {
			r.Proposal = nil // another part since the merge
		}
		r.Repair, r.LastWord = next, now
		return nil
	})
}

// lookAtDoor looks for disks with our marks in the machines at the discovery door, and gives the hosts where the look
// needed them. The door of before stays while no machine there says anything else.
func (k *Keeper) lookAtDoor() []view.HostView {
	seen, news := map[discovery.ID]bool{}, false
	for _, r := range k.records.List() {
		if r.Agent == nil || r.Rival != nil || hasSecondAgent(r) {
			continue
		}
		seen[r.ID] = true
		hosts := listKnown(r)
		if is := k.marks[r.ID]; is.report == r.Inventory && r.Inventory != "" && slices.Equal(is.hosts, hosts) {
			continue
		}
		if full, err := k.records.Get(r.ID); err == nil && full.Facts != nil {
			k.marks[r.ID], news = marked{r.Inventory, listGUIDs(full.Facts.Disks), hosts}, true
		}
	}
	for id := range k.marks {
		if !seen[id] {
			delete(k.marks, id)
			news = true
		}
	}
	none := true
	for _, m := range k.marks {
		none = none && len(m.guids) == 0 && len(m.hosts) == 0
	}
	if none || !news && k.now().Sub(k.all) < allEvery {
		if none {
			clear(k.door)
		}
		return nil
	}
	hosts := k.hosts.View().Hosts
	k.compareDoor(hosts)
	return hosts
}
