package metrics

import (
	"context"
	"sync"
	"time"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile"
	"github.com/gitmetal/ingot/reconcile/journal"
)

// records measures the journal, and reads from the records that were written which operations started and ended.
type records struct {
	reconcile.Journal
	metrics *Metrics

	mu    sync.Mutex
	under map[inventory.MachineID]underWay
}

// outcomeDropped is the outcome of an operation that ended before a write, as if it had never been: no record keeps it.
const outcomeDropped = "Dropped"

// underWay is what is under way on a machine, by its record that was read or written last.
type underWay struct {
	operation string // id
	kind      inventory.OperationKind
	erased    time.Time // start of the newest erase
}

// List implements reconcile.Records. What the records say of the time before this process is counted nowhere.
func (r *records) List(ctx context.Context) ([]journal.Entry, error) {
	defer r.measure("list", time.Now())
	entries, err := r.Journal.List(ctx)
	r.count("list", err)
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, entry := range entries {
		r.under[entry.Record.ID] = describeRecord(entry.Record)
	}
	return entries, err
}

// Get implements reconcile.Records.
func (r *records) Get(ctx context.Context, id inventory.MachineID) (inventory.Record, int64, error) {
	defer r.measure("get", time.Now())
	record, revision, err := r.Journal.Get(ctx, id)
	r.count("get", err)
	if err == nil {
		r.compareRecord(record) // a write without an answer may have happened
	}
	return record, revision, err
}

// Put implements reconcile.Records.
func (r *records) Put(ctx context.Context, record inventory.Record, revision int64) (int64, error) {
	defer r.measure("put", time.Now())
	revision, err := r.Journal.Put(ctx, record, revision)
	r.count("put", err)
	if err == nil {
		r.compareRecord(record)
	}
	return revision, err
}

// Accept implements reconcile.Commits.
func (r *records) Accept(ctx context.Context, accepted journal.Accepted) error {
	defer r.measure("accept", time.Now())
	err := r.Journal.Accept(ctx, accepted)
	r.count("accept", err)
	return err
}

func (r *records) measure(request string, began time.Time) {
	r.metrics.journalTime.WithLabelValues(request).Observe(time.Since(began).Seconds())
}

func (r *records) count(request string, err error) {
	r.metrics.journal.WithLabelValues(request, resultOf(err)).Inc()
}

func describeRecord(record inventory.Record) underWay {
	var now underWay
	if record.Operation != nil {
		now.operation, now.kind = record.Operation.ID, record.Operation.Kind
	}
	if n := len(record.Erased); n > 0 {
		now.erased = record.Erased[n-1]
	}
	return now
}

// compareRecord counts what began and ended between two records of a machine. A record that was restored from a page
// may name an operation from before this process: such an operation did not start now.
func (r *records) compareRecord(record inventory.Record) {
	r.mu.Lock()
	defer r.mu.Unlock()
	was, now := r.under[record.ID], describeRecord(record)
	r.under[record.ID] = now
	if op := record.Operation; op != nil && op.ID != was.operation && !op.Started.Before(r.metrics.started) {
		r.metrics.opened.WithLabelValues(string(op.Kind)).Inc()
	}
	if was.operation != "" && was.operation != now.operation {
		outcome := outcomeDropped
		if record.Last != nil && record.Last.ID == was.operation {
			outcome = record.Last.Outcome
		}
		r.metrics.ended.WithLabelValues(string(was.kind), outcome).Inc()
	}
	if now.erased.After(was.erased) && !now.erased.Before(r.metrics.started) {
		r.metrics.erases.Inc()
	}
}
