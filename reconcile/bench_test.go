package reconcile_test

import (
	"context"
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile"
	"github.com/gitmetal/ingot/reconcile/act"
	"github.com/gitmetal/ingot/reconcile/journal"
	"github.com/gitmetal/ingot/schemas"
)

// counted tells of every look.
type counted struct {
	reconcile.Observer
	looks chan<- struct{}
}

func (c counted) Observe(ctx context.Context, desired inventory.Desired, record inventory.Record) inventory.Observed {
	defer func() { c.looks <- struct{}{} }()
	return c.Observer.Observe(ctx, desired, record)
}

// BenchmarkQuietPass is a start of the daemon on hosts that have nothing to do: their pages read, the commit accepted, one look at each.
func BenchmarkQuietPass(b *testing.B) {
	for _, hosts := range []int{1000, 10_000} {
		b.Run(fmt.Sprintf("hosts=%d", hosts), func(b *testing.B) {
			w := installedWorld(hosts)
			pass(b, w, hosts)
		})
	}
}

// BenchmarkUpgradePass is a start on the records of a version that pinned no identity and knew no requests: each first look writes
// the record.
func BenchmarkUpgradePass(b *testing.B) {
	const hosts = 10_000
	b.Run(fmt.Sprintf("hosts=%d", hosts), func(b *testing.B) {
		w := installedWorld(hosts)
		for id, entry := range w.records {
			entry.Record.Pinned, entry.Record.Done = inventory.Pinned{}, nil
			w.records[id] = entry
		}
		pass(b, w, hosts)
	})
}

// BenchmarkWaitingPass is a start of the daemon on hosts of three rings that all wait to be replaced: every look asks whose turn it is.
func BenchmarkWaitingPass(b *testing.B) {
	for _, hosts := range []int{1000, 10_000} {
		b.Run(fmt.Sprintf("hosts=%d", hosts), func(b *testing.B) {
			w := installedWorld(hosts)
			w.fleet.Rings = map[string]inventory.Ring{}
			n := 0
			for name, d := range w.fleet.Hosts {
				d.Ring = []string{"canary", "early", "broad"}[n%3]
				n++
				workload := *d.Workload
				workload.Update, workload.Inputs = schemas.Reinstall, "fedcba9876543210"
				d.Workload, d.Reinstallable = &workload, true
				w.fleet.Hosts[name] = d
				ring := w.fleet.Rings[d.Ring]
				ring.Name, ring.Commit, ring.Hosts = d.Ring, d.Commit, append(ring.Hosts, name)
				ring.Spec.Paused = true
				w.fleet.Rings[d.Ring] = ring
			}
			pass(b, w, hosts)
		})
	}
}

// installedWorld has every host run what is asked of it.
func installedWorld(hosts int) *world {
	w := newWorld(hosts)
	for name, m := range w.machines {
		d := w.fleet.Hosts[name]
		m.power = inventory.PoweredOn
		disk := inventory.Disk{Name: "vda", Serial: "disk-" + string(name), Size: 1 << 40, Content: inventory.Content{Signature: "aa"}}
		record := inventory.Record{
			ID: name, Epoch: 2, Facts: &inventory.Facts{System: inventory.System{Serial: serial(name)}, Disks: []inventory.Disk{disk}},
			Installed: &inventory.Installed{
				ID: "id", Workload: d.Workload.Name, Inputs: d.Workload.Inputs, Parts: d.Workload.Parts, Update: schemas.Reinstall, Disk: inventory.IdentifyDisks([]inventory.Disk{disk})[0].ID(), Mark: "0a1b2c3d-0000-8000-8000-000000000001",
			},
		}
		shown := inventory.BMCState{System: record.Facts.System}
		record.Pinned = record.Identity().Fill(shown.ShownIdentity(d.BMC.Address))
		record = act.TakeRequests(record, d)
		w.records[name] = journal.Entry{Revision: 1, Record: record}
	}
	return w
}

// listed is a journal that has its list at hand: what the real one takes to read its records is not the loop's time.
type listed struct {
	*world
	entries []journal.Entry
}

// List implements reconcile.Records.
func (l listed) List(context.Context) ([]journal.Entry, error) { return l.entries, nil }

// prompt is a publisher that answers at once: what a push takes is not the loop's time.
type prompt struct{ *world }

// Publish implements reconcile.Publisher.
func (prompt) Publish(context.Context, map[string][]byte, string) (string, error) { return "tip", nil }

func pass(b *testing.B, w *world, hosts int) {
	b.Helper()
	entries, err := w.List(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	looks := make(chan struct{}, hosts)
	began := processTime(b)
	for b.Loop() {
		loop, err := reconcile.New(reconcile.Config{
			Source: w, Load: w.load, Journal: listed{w, entries}, Observer: counted{w, looks}, Executor: w, Publisher: prompt{w},
			NewID: func() string { return "id" },
		})
		if err != nil {
			b.Fatal(err)
		}
		ctx, cancel := context.WithCancel(b.Context())
		ended := make(chan error, 1)
		go func() { ended <- loop.Run(ctx) }()
		for range hosts {
			<-looks
		}
		cancel()
		if err := <-ended; err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*hosts), "µs/host")
	b.ReportMetric(float64((processTime(b)-began).Microseconds())/float64(b.N*hosts), "cpu-µs/host")
}

// processTime is the processor time of this process: on a machine with other work it says more than the clock.
func processTime(b *testing.B) time.Duration {
	b.Helper()
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// BenchmarkCommit is a commit that changes one of many hosts at rest, from the source's new commit to the look at the host.
func BenchmarkCommit(b *testing.B) {
	const hosts = 10_000
	w := installedWorld(hosts)
	entries, err := w.List(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	looks := make(chan struct{}, 2*hosts)
	loop, err := reconcile.New(reconcile.Config{
		Source: w, Load: w.load, Journal: listed{w, entries}, Observer: counted{w, looks}, Executor: w, Publisher: w,
		NewID: func() string { return "id" }, Limits: reconcile.Limits{Settle: time.Microsecond, Resync: time.Hour},
	})
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	ended := make(chan error, 1)
	go func() { ended <- loop.Run(ctx) }()
	for range hosts {
		<-looks
	}
	for number := 0; b.Loop(); number++ {
		b.StopTimer()
		w.mu.Lock()
		commit := fmt.Sprintf("%040x", number)
		w.sources.Trunk.Commit, w.fleet.Commit = commit, commit
		for id, d := range w.fleet.Hosts {
			d.Commit, d.Release = commit, commit
			w.fleet.Hosts[id] = d
		}
		id := inventory.MachineID(fmt.Sprintf("host-%04d", number%hosts))
		d := w.fleet.Hosts[id]
		d.Labels = map[string]string{"edit": commit}
		w.fleet.Hosts[id] = d
		for len(looks) > 0 {
			<-looks
		}
		w.mu.Unlock()
		b.StartTimer()
		loop.RefreshSource()
		<-looks
	}
	cancel()
	if err := <-ended; err != nil {
		b.Fatal(err)
	}
}
