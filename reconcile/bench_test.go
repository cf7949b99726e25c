package reconcile_test

import (
	"context"
	"testing"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile"
	"github.com/gitmetal/ingot/reconcile/journal"
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

// BenchmarkQuietPass is a start of the daemon on 1,000 hosts that have nothing to do: their pages read, the commit accepted, one look at each.
func BenchmarkQuietPass(b *testing.B) {
	const hosts = 1000
	w := newWorld(hosts)
	for name, m := range w.machines {
		d := w.fleet.Hosts[name]
		m.power = inventory.PoweredOn
		w.records[name] = journal.Entry{Revision: 1, Record: inventory.Record{Host: name, Epoch: 2, Installed: &inventory.Installed{
			ID: "id", Workload: d.Workload.Name, Inputs: d.Workload.Inputs, Disk: inventory.DiskID{Serial: "disk-" + name},
		}}}
	}
	looks := make(chan struct{}, hosts)
	for b.Loop() {
		loop, err := reconcile.New(reconcile.Config{
			Source: w, Load: w.load, Journal: w, Observer: counted{w, looks}, Executor: w, Publisher: w, NewID: func() string { return "id" },
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
}
