// Package metrics measures the daemon for Prometheus. New makes the Metrics; the functions in ports.go put a
// measurement between the loop and each of its ports; Collect adds what is counted when somebody asks; Metrics.Handler
// answers
// /metrics, and Probes answers /healthz and /readyz.
//
// Label values come from closed sets, from the names of rings, and from nothing else: a metric with a label per host
// would grow with the fleet. Every name is in docs/metrics.md, and the alert rules of examples/monitoring use them.
package metrics

import (
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/gitmetal/ingot/agent/hub"
	"github.com/gitmetal/ingot/inventory"
)

// Metrics are the counters of one daemon. Make them with New. They are safe for concurrent use.
type Metrics struct {
	registry *prometheus.Registry
	started  time.Time

	fetches     *prometheus.CounterVec
	fetchTime   prometheus.Histogram
	lastFetch   prometheus.Gauge
	journal     *prometheus.CounterVec
	journalTime *prometheus.HistogramVec
	looks       *prometheus.CounterVec
	lookTime    prometheus.Histogram
	actions     *prometheus.CounterVec
	actionTime  prometheus.Histogram
	opened      *prometheus.CounterVec
	ended       *prometheus.CounterVec
	erases      prometheus.Counter
	requests    *prometheus.CounterVec
	requestTime *prometheus.HistogramVec
	pushes      *prometheus.CounterVec
	pushTime    prometheus.Histogram
	agents      *prometheus.CounterVec
	images      *prometheus.CounterVec

	notifications        *prometheus.CounterVec
	notificationsWaiting *prometheus.GaugeVec
	statuses             *prometheus.CounterVec
	statusesWaiting      prometheus.Gauge
}

// Buckets of latencies, in seconds: of what happens in this process, and of what crosses a network to a slow peer.
var (
	quick = []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5}
	slow  = []float64{.01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 25, 60, 120}
)

// New makes metrics without any measurement. Counters count from now on: what happened before counts in no counter.
func New() *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry(), started: time.Now()}
	m.registry.MustRegister(collectors.NewGoCollector(), collectors.NewBuildInfoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	m.fetches = m.counters("fleet_fetches_total", "Looks at trunk and tags, by result (ok, error, frozen).", "result")
	m.fetchTime = m.histogram("fleet_fetch_duration_seconds", "Time of a look at trunk and tags.", slow)
	m.lastFetch = m.gauge("fleet_last_fetch_timestamp_seconds", "End of the last good look at trunk and tags; 0 before.")
	m.journal = m.counters("journal_requests_total", "Requests to the journal, by result (ok, conflict, error).",
		"request", "result")
	m.journalTime = m.histograms("journal_request_duration_seconds", "Time of a request to the journal.", quick,
		"request")
	m.looks = m.counters("looks_total", "Looks at hosts, by how the BMC was reached.", "bmc")
	m.lookTime = m.histogram("look_duration_seconds", "Time of a look at a host, before anything is done.", slow)
	m.actions = m.counters("actions_total", "Actions done for hosts, by result.", "action", "result")
	m.actionTime = m.histogram("action_duration_seconds", "Time of an action, without what it waits for.", slow)
	m.opened = m.counters("operations_started_total", "Operations that were started.", "kind")
	m.ended = m.counters("operations_ended_total", "Operations that ended, by outcome.", "kind", "outcome")
	m.erases = m.counter("erases_begun_total", "Machines with data on which a write was allowed to begin.")
	m.requests = m.counters("bmc_requests_total", "Requests to BMCs, by result (ok, or the class of the error).",
		"method", "result")
	m.requestTime = m.histograms("bmc_request_duration_seconds", "Time of a request to a BMC.", slow, "method")
	m.pushes = m.counters("status_pushes_total",
		"Pushes of the status branch, by result (pushed, unchanged, moved, error).", "result")
	m.pushTime = m.histogram("status_push_duration_seconds", "Time of a push of the status branch.", slow)
	m.agents = m.counters("agent_events_total",
		"Agents: enrolled, refused; leave to write: asked, given; reports of a step that is over: late.", "event")
	m.images = m.counters("image_fetches_total", "Fetches of images into the mirror, by result (ok, error).", "result")
	m.addNotices()
	m.presetCounters()
	return m
}

// presetCounters begins counters of closed sets with 0, so that the first event is an increase too.
func (m *Metrics) presetCounters() {
	for _, result := range []string{"ok", "error", "frozen"} {
		m.fetches.WithLabelValues(result)
	}
	for _, result := range []string{"pushed", "unchanged", "moved", "error"} {
		m.pushes.WithLabelValues(result)
	}
	for _, result := range []string{"ok", "error"} {
		m.images.WithLabelValues(result)
	}
	for _, event := range hub.Counts {
		m.agents.WithLabelValues(string(event))
	}
	kind := string(inventory.Install)
	m.opened.WithLabelValues(kind)
	for _, outcome := range []string{inventory.Succeeded, inventory.Superseded, inventory.Quarantined, outcomeDropped} {
		m.ended.WithLabelValues(kind, outcome)
	}
}

const namespace = "ingot"

func (m *Metrics) counters(name, help string, labels ...string) *prometheus.CounterVec {
	c := prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help}, labels)
	m.registry.MustRegister(c)
	return c
}

func (m *Metrics) counter(name, help string) prometheus.Counter {
	c := prometheus.NewCounter(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help})
	m.registry.MustRegister(c)
	return c
}

func (m *Metrics) gauges(name, help string, labels ...string) *prometheus.GaugeVec {
	g := prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: namespace, Name: name, Help: help}, labels)
	m.registry.MustRegister(g)
	return g
}

func (m *Metrics) gauge(name, help string) prometheus.Gauge {
	g := prometheus.NewGauge(prometheus.GaugeOpts{Namespace: namespace, Name: name, Help: help})
	m.registry.MustRegister(g)
	return g
}

func (m *Metrics) histograms(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
	h := prometheus.NewHistogramVec(
		prometheus.HistogramOpts{Namespace: namespace, Name: name, Help: help, Buckets: buckets}, labels)
	m.registry.MustRegister(h)
	return h
}

func (m *Metrics) histogram(name, help string, buckets []float64) prometheus.Histogram {
	h := prometheus.NewHistogram(
		prometheus.HistogramOpts{Namespace: namespace, Name: name, Help: help, Buckets: buckets})
	m.registry.MustRegister(h)
	return h
}

// Handler answers GET /metrics in Prometheus' text format. Scrapes that come together share no work: at most two are
// answered at a time, and one that takes 10 seconds is given up.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{MaxRequestsInFlight: 2, Timeout: 10 * time.Second})
}
