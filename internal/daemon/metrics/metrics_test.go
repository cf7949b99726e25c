package metrics

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/gitmetal/ingot/boot/images"
	"github.com/gitmetal/ingot/boot/redfish"
	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/runs"
	"github.com/gitmetal/ingot/reconcile"
	"github.com/gitmetal/ingot/reconcile/batches"
	"github.com/gitmetal/ingot/reconcile/journal"
)

// memory is a journal of one record.
type memory struct {
	reconcile.Journal
	record inventory.Record
	err    error
}

func (m *memory) List(context.Context) ([]journal.Entry, error) {
	return []journal.Entry{{Record: m.record}}, m.err
}

func (m *memory) Put(_ context.Context, record inventory.Record, revision int64) (int64, error) {
	if m.err == nil {
		m.record = record
	}
	return revision + 1, m.err
}

// TestOperationsAreCountedFromRecords follows one machine through its records.
func TestOperationsAreCountedFromRecords(t *testing.T) {
	t.Parallel()
	m := New()
	operation := func(id string, started time.Time) *inventory.Operation {
		return &inventory.Operation{ID: id, Kind: inventory.Install, Started: started}
	}
	ended := func(id, outcome string) *inventory.Operation {
		return &inventory.Operation{ID: id, Kind: inventory.Install, Outcome: outcome}
	}
	before, now := m.started.Add(-time.Hour), m.started.Add(time.Second)
	under := &memory{record: inventory.Record{ID: "a", Operation: operation("o1", before)}}
	r := &records{Journal: under, metrics: m, under: map[inventory.MachineID]underWay{}}
	if _, err := r.List(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		name                                string
		record                              inventory.Record
		err                                 error
		started, succeeded, dropped, erases int
	}{
		{name: "an operation from before goes on", record: inventory.Record{ID: "a", Operation: operation("o1", before)}},
		{name: "and succeeds", record: inventory.Record{ID: "a", Last: ended("o1", inventory.Succeeded)}, succeeded: 1},
		{name: "a write that failed", record: inventory.Record{ID: "a", Operation: operation("o2", now)},
			err: errors.New("no"), succeeded: 1},
		{name: "a new one", record: inventory.Record{ID: "a", Operation: operation("o2", now)}, started: 1, succeeded: 1},
		{name: "the same again, which erases", record: inventory.Record{ID: "a", Operation: operation("o2", now),
			Erased: []time.Time{before, now}}, started: 1, succeeded: 1, erases: 1},
		{name: "it is dropped, another begins", record: inventory.Record{ID: "a", Operation: operation("o3", now),
			Last: ended("o1", inventory.Succeeded), Erased: []time.Time{before, now}}, started: 2, succeeded: 1, dropped: 1,
			erases: 1},
		{name: "another machine, restored from a page", record: inventory.Record{ID: "b", Operation: operation("o4", before),
			Erased: []time.Time{before}}, started: 2, succeeded: 1, dropped: 1, erases: 1},
	} {
		under.err = step.err
		if _, err := r.Put(t.Context(), step.record, 1); !errors.Is(err, step.err) {
			t.Errorf("%s: Put = %v, want the journal's own answer", step.name, err)
		}
		for what, test := range map[string]struct {
			counter prometheus.Collector
			want    int
		}{
			"started":   {m.opened.WithLabelValues("Install"), step.started},
			"succeeded": {m.ended.WithLabelValues("Install", "Succeeded"), step.succeeded},
			"dropped":   {m.ended.WithLabelValues("Install", "Dropped"), step.dropped},
			"erases":    {m.erases, step.erases},
		} {
			if got := testutil.ToFloat64(test.counter); got != float64(test.want) {
				t.Errorf("%s: %s is %v, want %d", step.name, what, got, test.want)
			}
		}
	}
	if got := testutil.ToFloat64(m.journal.WithLabelValues("put", "error")); got != 1 {
		t.Errorf("%v failed writes are counted, want 1", got)
	}
}

// TestRequestsAreCountedByTheClassOfTheirError wants the kinds of package redfish as they are.
func TestRequestsAreCountedByTheClassOfTheirError(t *testing.T) {
	t.Parallel()
	m := New()
	m.CountRequest("GET", time.Second, nil)
	m.CountRequest("GET", time.Second, &redfish.Error{Kind: redfish.Unauthorized})
	m.CountRequest("PATCH", time.Second, errors.New("of another kind"))
	for labels, want := range map[[2]string]float64{{"GET", "ok"}: 1, {"GET", "Unauthorized"}: 1, {"PATCH", "Other"}: 1} {
		if got := testutil.ToFloat64(m.requests.WithLabelValues(labels[:]...)); got != want {
			t.Errorf("%v is counted %v times, want %v", labels, got, want)
		}
	}
}

// TestRunsAreCounted scrapes a fleet with a batch that stopped, one that has not begun, and one whose Workload is gone.
func TestRunsAreCounted(t *testing.T) {
	t.Parallel()
	m := New()
	batch := func(name, stopped string) runs.State {
		return runs.State{Workload: name, Batch: &runs.Batch{ID: "b1", Stopped: stopped}}
	}
	m.Collect(State{View: func() reconcile.View { return reconcile.View{} }, Images: func() images.Tally { return images.Tally{} },
		Results: func() int64 { return 4096 },
		Runs: func() []batches.Progress {
			return []batches.Progress{
				{State: batch("pi", "10 items failed (spec.run.onFailure)"), Work: &runs.Work{}, Lacks: 2,
					Tally: runs.Tally{Waiting: 1, Running: 2, Succeeded: 3, Failed: 10}},
				{State: runs.State{Workload: "burn-in"}, Work: &runs.Work{}, Lacks: 4},
				{State: batch("gone", ""), Tally: runs.Tally{Succeeded: 7}},
			}
		}})
	want := `# HELP ingot_results_bytes Bytes of all files in results.dir.
# TYPE ingot_results_bytes gauge
ingot_results_bytes 4096
# HELP ingot_run_batch_stopped 1 while a batch starts no more: too many items failed, or it was cancelled.
# TYPE ingot_run_batch_stopped gauge
ingot_run_batch_stopped{workload="pi"} 1
# HELP ingot_run_items Items of the present batch of a Workload, by state (waiting, running, succeeded, failed).
# TYPE ingot_run_items gauge
ingot_run_items{state="failed",workload="pi"} 10
ingot_run_items{state="running",workload="pi"} 2
ingot_run_items{state="succeeded",workload="pi"} 3
ingot_run_items{state="waiting",workload="pi"} 1
# HELP ingot_run_machines_missing Machines that a Workload with runs wants and does not get.
# TYPE ingot_run_machines_missing gauge
ingot_run_machines_missing{workload="burn-in"} 4
ingot_run_machines_missing{workload="pi"} 2
`
	if err := testutil.GatherAndCompare(m.registry, strings.NewReader(want), "ingot_results_bytes", "ingot_run_batch_stopped",
		"ingot_run_items", "ingot_run_machines_missing"); err != nil {
		t.Error(err)
	}
}

// TestProbes wants the answers that a supervisor acts on.
func TestProbes(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		quiet     time.Duration
		began     bool
		parts     map[string]error
		live      int
		ready     int
		readyBody string
	}{
		"before the first turn": {quiet: time.Hour, live: 200, ready: 200, readyBody: "ok\n"},
		"turning":               {quiet: 59 * time.Second, began: true, live: 200, ready: 200, readyBody: "ok\n"},
		"stuck":                 {quiet: 61 * time.Second, began: true, live: 503, ready: 200, readyBody: "ok\n"},
		"no fleet": {began: true, parts: map[string]error{"fleet": errors.New("the forge is away")}, live: 200, ready: 503,
			readyBody: "fleet: the forge is away\n"},
	} {
		probes := Probes{Quiet: func() (time.Duration, bool) { return test.quiet, test.began }}
		for _, part := range []string{"fleet", "journal"} {
			probes.Ready = append(probes.Ready, Part{part, func(context.Context) error { return test.parts[part] }})
		}
		live, ready := httptest.NewRecorder(), httptest.NewRecorder()
		probes.ServeLive(live, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/healthz", http.NoBody))
		probes.ServeReady(ready, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/readyz", http.NoBody))
		if live.Code != test.live || ready.Code != test.ready || ready.Body.String() != test.readyBody {
			t.Errorf("%s: live %d, ready %d %q, want %d, %d %q", name, live.Code, ready.Code, ready.Body, test.live,
				test.ready, test.readyBody)
		}
	}
}

// TestEveryMetricIsDocumented compares the registered names with docs/metrics.md and with the alert rules.
func TestEveryMetricIsDocumented(t *testing.T) {
	t.Parallel()
	m := New()
	m.Collect(State{View: func() reconcile.View { return reconcile.View{} },
		Images: func() images.Tally { return images.Tally{} }})
	descs := make(chan *prometheus.Desc)
	go func() {
		m.registry.Describe(descs)
		close(descs)
	}()
	var registered []string
	for desc := range descs {
		if found := regexp.MustCompile(`fqName: "(ingot_[a-z_]+)"`).FindStringSubmatch(desc.String()); found != nil {
			registered = append(registered, found[1])
		}
	}
	if len(registered) < 25 {
		t.Fatalf("%d metrics are registered: the comparison would prove nothing", len(registered))
	}
	docs := namesIn(t, "../../../docs/metrics.md")
	for _, name := range registered {
		if !slices.Contains(docs, name) {
			t.Errorf("docs/metrics.md does not name %s", name)
		}
	}
	for _, file := range []string{"../../../docs/metrics.md", "../../../examples/monitoring/ingot.rules.yml"} {
		for _, name := range namesIn(t, file) {
			whole := regexp.MustCompile(`_(bucket|count|sum)$`).ReplaceAllString(name, "")
			if !slices.Contains(registered, name) && !slices.Contains(registered, whole) {
				t.Errorf("%s names %s: there is no such metric", file, name)
			}
		}
	}
}

func namesIn(t *testing.T, file string) []string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return regexp.MustCompile(`\bingot_[a-z_]+`).FindAllString(strings.ReplaceAll(string(text), "ingot_*", ""), -1)
}
