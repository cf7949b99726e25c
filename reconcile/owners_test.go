package reconcile_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile"
	"github.com/gitmetal/ingot/reconcile/journal"
	"github.com/gitmetal/ingot/reconcile/status"
	"github.com/gitmetal/ingot/schemas"
)

// fate is what becomes of a write of the journal.
type fate string

const (
	answered   fate = "answered"
	lost       fate = "not written, an error"
	unanswered fate = "written, an error"
	late       fate = "written when its time is over, an error"
)

// failing is a world whose journal fails.
type failing struct {
	used
	fates []fate // of the next writes; those after them are answered
	late  bool   // some of them are late
}

// Put implements reconcile.Records.
func (f *failing) Put(ctx context.Context, record inventory.Record, revision int64) (int64, error) {
	f.mu.Lock()
	is := answered
	if len(f.fates) > 0 {
		is, f.fates = f.fates[0], f.fates[1:]
	}
	f.mu.Unlock()
	ambiguous := errors.New("deadline exceeded")
	switch is {
	case lost:
		return 0, ambiguous
	case unanswered:
		if _, err := f.world.Put(ctx, record, revision); errors.Is(err, journal.ErrConflict) {
			return 0, err
		}
		return 0, ambiguous
	case late:
		time.AfterFunc(5*time.Second, func() { _, _ = f.world.Put(ctx, record, revision) })
		return 0, ambiguous
	default:
		return f.world.Put(ctx, record, revision)
	}
}

// calling is one host of a commit: what a machine is called, who it is said to be, and whether its serial is declared.
type calling struct {
	machine  int
	name, id string
	declared bool
}

// drawHosts gives the hosts of one commit: each machine at most once, under any name and id that no other has.
func drawHosts(t *rapid.T) (hosts []calling) {
	names, ids := rapid.Permutation([]string{"a", "b", "c", "d"}).Draw(t, "names"), rapid.Permutation([]string{"a", "b", "c", "d"}).Draw(t, "ids")
	keeps := rapid.Bool().Draw(t, "ids stay")
	for m := range 3 {
		if rapid.IntRange(0, 3).Draw(t, "absent") == 0 {
			continue
		}
		id := ids[m]
		if keeps {
			id = []string{"a", "b", "c"}[m]
		}
		hosts = append(hosts, calling{m, names[m], id, rapid.Bool().Draw(t, "declared")})
	}
	return hosts
}

func (a calling) desired() inventory.Desired {
	system := inventory.MachineID(fmt.Sprintf("host-%04d", a.machine))
	d := desired(system)
	d.Name, d.ID = a.name, inventory.MachineID(a.id)
	if !a.declared {
		d.Identity = schemas.Identity{}
	}
	return enrols(d)
}

// TestNoMachineIsTwoHosts has random sequences of commits call machines otherwise, give their names and ids to others, swap and delete them, over a journal whose
// writes are lost, late or not answered, and daemons that are restarted: no machine is ever owned by two ids, in the journal and on the pages together, none
// that was owned is forgotten, and no consent counts twice.
func TestNoMachineIsTwoHosts(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		commits := rapid.SliceOfN(rapid.Custom(drawHosts), 1, 5).Draw(rt, "commits")
		fates := rapid.SliceOfN(rapid.SampledFrom([]fate{answered, answered, answered, lost, unanswered, late}), 0, 40).Draw(rt, "fates")
		waits := rapid.SliceOfN(rapid.SampledFrom([]time.Duration{time.Second, 20 * time.Second, time.Hour}), len(commits), len(commits)).Draw(rt, "waits")
		restarts := rapid.SliceOfN(rapid.Bool(), len(commits), len(commits)).Draw(rt, "restarts")
		var wrong []string
		synctest.Test(t, func(t *testing.T) { wrong = ownersAfter(t, commits, fates, waits, restarts) })
		if len(wrong) > 0 {
			rt.Fatalf("%v with %q, %v, %v:\n%s", commits, fates, waits, restarts, strings.Join(wrong, "\n"))
		}
	})
}

func ownersAfter(t *testing.T, commits [][]calling, fates []fate, waits []time.Duration, restarts []bool) (wrong []string) {
	f := &failing{used{newWorld(3)}, fates, slices.Contains(fates, late)}
	serve := func() *daemon {
		return f.run(t, reconcile.Config{Source: f, Load: f.load, Journal: f, Observer: f, Executor: f, Publisher: f, Limits: reconcile.Limits{PublishEvery: time.Second}})
	}
	f.commit("9") // no host yet
	d := serve()
	before := map[string]inventory.MachineID{}
	for i, hosts := range append(commits, commits[len(commits)-1]) {
		var all []inventory.Desired
		for _, a := range hosts {
			all = append(all, a.desired())
		}
		f.cut()
		f.commit(fmt.Sprint(i), all...)
		d.Refresh()
		if i == len(commits) { // the journal is well again
			f.mu.Lock()
			f.fates = nil
			f.mu.Unlock()
			after(2 * time.Hour)
			break
		}
		after(waits[i])
		if restarts[i] {
			d.end(t)
			d = serve()
			after(time.Second)
		}
		wrong = append(wrong, check(before, f.owners(!f.late), f.owners(false))...)
	}
	d.end(t)
	wrong = append(wrong, check(before, f.owners(!f.late), f.owners(false))...)
	for system, m := range f.machines {
		if m.installs > 1 {
			wrong = append(wrong, fmt.Sprintf("%s was installed %d times", system, m.installs))
		}
	}
	return wrong
}

// cut has a person power off the machines that serve, after which none of them is found running.
func (f *failing) cut() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, m := range f.machines {
		if m.served && m.agent.Boot == "" {
			m.power, m.media, m.override = inventory.PoweredOff, "", "None"
		}
	}
}

// owners are the ids under which machines are known, by serial, as the journal and the pages say: by what agents reported, and, when asked for, by what a BMC
// showed when a boot was opened.
func (f *failing) owners(boots bool) map[string][]inventory.MachineID {
	f.mu.Lock()
	defer f.mu.Unlock()
	records := map[inventory.MachineID][]inventory.Record{}
	for id, e := range f.records {
		records[id] = append(records[id], e.Record)
	}
	for file, page := range f.branch {
		if document, err := status.Page(file, page); err == nil {
			records[status.IDOf(file)] = append(records[status.IDOf(file)], document.Record())
		}
	}
	owners := map[string][]inventory.MachineID{}
	for _, id := range slices.Sorted(maps.Keys(records)) {
		for _, r := range records[id] {
			var serial string
			switch {
			case r.Facts != nil:
				serial = r.Facts.System.Serial
			case r.BMC != nil && boots:
				serial = r.BMC.Serial
			}
			if serial != "" && !slices.Contains(owners[serial], id) {
				owners[serial] = append(owners[serial], id)
			}
		}
	}
	return owners
}

// check says what is wrong with who owns machines now, and keeps it. A boot alone, of which nothing came, is forgotten when the fleet gives the id to another
// machine.
func check(before map[string]inventory.MachineID, all, now map[string][]inventory.MachineID) (wrong []string) {
	for serial, ids := range all {
		if len(ids) > 1 {
			wrong = append(wrong, fmt.Sprintf("%s is owned by %v", serial, ids))
		}
	}
	for serial, ids := range now {
		if was := before[serial]; was == "" {
			before[serial] = ids[0]
		}
	}
	for serial, id := range before {
		if !slices.Contains(now[serial], id) {
			wrong = append(wrong, fmt.Sprintf("%s, which was %s, is owned by %v", serial, id, now[serial]))
		}
	}
	return wrong
}
