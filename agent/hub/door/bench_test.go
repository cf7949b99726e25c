package door_test

import (
	"fmt"
	"net/http"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gitmetal/ingot/agent/wire"
	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/discovery"
	"github.com/gitmetal/ingot/inventory/discovery/records"
	"github.com/gitmetal/ingot/schemas"
)

// BenchmarkDiscovery has 1,000 machines register at once at the door of a fleet of 10,000 hosts: 900 machines, 50 second
// agents with the identity of one of them, and 50 that pose as a host of the fleet. Meanwhile the fleet's own agents call the
// same listener. It fails unless every machine has the right record and every impostor its conflict.
func BenchmarkDiscovery(b *testing.B) {
	const machines, seconds, impostors = 900, 50, 50
	for b.Loop() {
		r := newRig(b)
		r.keys = []schemas.EnrolmentKey{{ID: pallet.ID, Until: pallet.Until, Max: 2000}}
		for i := range 10_000 {
			id := inventory.MachineID(fmt.Sprint("web-", i))
			r.known.Add(inventory.Desired{ID: id, Name: string(id), Identity: schemas.Identity{Serial: fmt.Sprintf("F%04d", i), UUID: uuidOf(fmt.Sprintf("F%04d", i))}},
				inventory.Record{})
		}
		var all []*stranger
		for i := range machines {
			all = append(all, r.stranger(fmt.Sprintf("N%03d", i)))
		}
		for i := range seconds {
			all = append(all, r.stranger(fmt.Sprintf("N%03d", i)))
		}
		for i := range impostors {
			all = append(all, r.stranger(fmt.Sprintf("F%04d", i)))
		}
		began := time.Now()
		stop := r.runClock(began)
		alone := r.probe(b, 200, nil)
		done := make(chan struct{})
		var during []time.Duration
		var probing sync.WaitGroup
		probing.Go(func() { during = r.probe(b, 100_000, done) })
		began = time.Now()
		r.registerAll(b, all[:machines])
		r.registerAll(b, all[machines:])
		took := time.Since(began)
		close(done)
		probing.Wait()
		stop()
		r.checkRecords(b, machines, seconds, impostors)
		b.ReportMetric(float64(took.Seconds()), "s/1000-machines")
		b.ReportMetric(p99(alone), "fleet-p99-alone-ms")
		b.ReportMetric(p99(during), "fleet-p99-during-ms")
		before := heapNow()
		store, err := records.Open(records.Config{Dir: filepath.Join(r.dir, "records"), Inventories: filepath.Join(r.dir, "inventory")})
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(heapNow()-before)/float64(machines+impostors), "B/record")
		runtime.KeepAlive(store)
	}
}

// runClock has the rig's clock run, from noon on.
func (r *rig) runClock(began time.Time) (stop func()) {
	ticker, done := time.NewTicker(10*time.Millisecond), make(chan struct{})
	var running sync.WaitGroup
	running.Go(func() {
		for {
			select {
			case <-ticker.C:
				r.change(func() { r.now = noon.Add(time.Since(began)) })
			case <-done:
				return
			}
		}
	})
	return func() { close(done); running.Wait(); ticker.Stop() }
}

// registerAll registers machines, 50 at a time. One that is told to come later comes later.
func (r *rig) registerAll(b *testing.B, all []*stranger) {
	b.Helper()
	work := make(chan *stranger)
	var agents sync.WaitGroup
	for range 50 {
		agents.Go(func() {
			for s := range work {
				for s.register() == http.StatusTooManyRequests {
					<-time.After(200 * time.Millisecond)
				}
			}
		})
	}
	for _, s := range all {
		work <- s
	}
	close(work)
	agents.Wait()
}

// probe calls the hub as an agent of the fleet with a wrong token does, each 10 ms, and gives how long each call took.
func (r *rig) probe(b *testing.B, calls int, done <-chan struct{}) (took []time.Duration) {
	client := r.stranger("PROBE").client()
	for range calls {
		select {
		case <-done:
			return took
		case <-time.After(10 * time.Millisecond):
		}
		began := time.Now()
		response, err := send(b, client, callTo{r.server.URL + wire.PathEnrol, "application/json", strings.NewReader(`{"version":4,"host":"web-1","boot":"b1","epoch":1,"token":"x"}`)})
		if err != nil {
			b.Error(err)
			return took
		}
		_ = response.Body.Close()
		took = append(took, time.Since(began))
	}
	return took
}

// checkRecords says what each machine's record must be.
func (r *rig) checkRecords(b *testing.B, machines, seconds, impostors int) {
	b.Helper()
	list := r.records.List()
	rivals, conflicts := 0, 0
	for _, record := range list {
		switch {
		case record.Rival != nil:
			rivals++
		case len(record.Conflicts) == 1 && record.Conflicts[0].Kind == discovery.KnownMachine:
			conflicts++
		case !record.IsClear():
			b.Errorf("record %s: %v", record.ID, record.Conflicts)
		}
	}
	if len(list) != machines+impostors || rivals != seconds || conflicts != impostors {
		b.Errorf("%d records, %d with a second agent, %d impostors", len(list), rivals, conflicts)
	}
}

func p99(took []time.Duration) float64 {
	slices.Sort(took)
	return float64(took[len(took)*99/100].Microseconds()) / 1000
}

func heapNow() int64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc)
}
