package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/gitmetal/ingot/boot/images"
	"github.com/gitmetal/ingot/reconcile"
	"github.com/gitmetal/ingot/reconcile/batches"
	"github.com/gitmetal/ingot/reconcile/plan"
)

// State is what a scrape reads from the running daemon.
type State struct {
	View   func() reconcile.View
	Images func() images.Tally
	// Runs gives the progress of every Workload with runs, and Results the bytes of all their files.
	Runs    func() []batches.Progress
	Results func() int64
}

// Collect adds the gauges of the daemon's state, which each scrape reads anew.
func (m *Metrics) Collect(state State) { m.registry.MustRegister(stateCollector{state}) }

// stateCollector implements prometheus.Collector.
type stateCollector struct{ state State }

func describe(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(prometheus.BuildFQName(namespace, "", name), help, labels, nil)
}

var (
	descHosts = describe("hosts", "Hosts, by the ring of the fleet (empty: none) and phase.", "ring", "phase")
	descHolds = describe("hosts_held", "Hosts that wait for a person or cannot go on, by ring and reason.", "ring",
		"reason")
	descTroubled = describe("hosts_bmc_failing", "Hosts whose BMC did not answer the last look, by how.", "bmc")
	descWork     = describe("operations", "Operations under way, by kind and stage.", "kind", "stage")
	descAgents   = describe("agents", "Agents in the ramdisk of the current boots of hosts.")
	descAccepted = describe("fleet_commit_accepted_timestamp_seconds",
		"When the commit that the daemon follows was accepted; 0 before the first since the start.")
	descRefused = describe("fleet_commit_refused", "1 while the newest commit of the trunk is refused.")
	descFrozen  = describe("fleet_frozen", "1 while the history of the fleet cannot be trusted: nothing is erased.")
	descPaused  = describe("fleet_paused", "1 while the fleet says that no operation begins.")
	descAside   = describe("standing_aside", "1 while another daemon runs this fleet: this one does nothing.")
	descImages  = describe("images", "Images of the mirror, by state (ready, fetching, failed).", "state")
	descBytes   = describe("images_bytes", "Bytes of the whole images in the mirror.")
	descItems   = describe("run_items", "Items of the present batch of a Workload, by state (waiting, running, succeeded, failed).",
		"workload", "state")
	descLacks   = describe("run_machines_missing", "Machines that a Workload with runs wants and does not get.", "workload")
	descStopped = describe("run_batch_stopped", "1 while a batch starts no more: too many items failed, or it was cancelled.", "workload")
	descResults = describe("results_bytes", "Bytes of all files in results.dir.")
)

// Describe implements prometheus.Collector.
func (c stateCollector) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{descHosts, descHolds, descTroubled, descWork, descAgents, descAccepted,
		descRefused, descFrozen, descPaused, descAside, descImages, descBytes, descItems, descLacks, descStopped,
		descResults} {
		out <- d
	}
}

// Collect implements prometheus.Collector.
func (c stateCollector) Collect(out chan<- prometheus.Metric) {
	view := c.state.View()
	collectFleet(out, view)
	collectHosts(out, view.Hosts)
	tally := c.state.Images()
	send(out, descImages, tally.Ready, "ready")
	send(out, descImages, tally.Fetching, "fetching")
	send(out, descImages, tally.Failed, "failed")
	send(out, descBytes, tally.Bytes)
	collectRuns(out, c.state.Runs())
	send(out, descResults, c.state.Results())
}

// collectRuns counts the items of the Workloads that the fleet has; one that left the fleet is counted no more.
func collectRuns(out chan<- prometheus.Metric, all []batches.Progress) {
	for _, p := range all {
		name, t := p.State.Workload, p.Tally
		if p.Work == nil {
			continue
		}
		send(out, descLacks, p.Lacks, name)
		if p.State.Batch == nil {
			continue
		}
		send(out, descItems, t.Waiting, name, "waiting")
		send(out, descItems, t.Running, name, "running")
		send(out, descItems, t.Succeeded, name, "succeeded")
		send(out, descItems, t.Failed, name, "failed")
		send(out, descStopped, flag(p.State.Batch.Stopped), name)
	}
}

func collectFleet(out chan<- prometheus.Metric, view reconcile.View) {
	accepted := int64(0)
	if !view.Accepted.IsZero() {
		accepted = view.Accepted.Unix()
	}
	send(out, descAccepted, accepted)
	send(out, descRefused, flag(view.Refused))
	send(out, descFrozen, flag(view.Fleet.Frozen))
	send(out, descPaused, flag(view.Fleet.Paused))
	send(out, descAside, flag(view.Another))
}

// collectHosts counts the hosts. Every ring has every phase, so that a count that falls to zero is seen to fall.
func collectHosts(out chan<- prometheus.Metric, hosts []reconcile.HostView) {
	phases, holds := map[[2]string]int{}, map[[2]string]int{}
	work, failing, agents := map[[2]string]int{}, map[string]int{}, 0
	for _, h := range hosts {
		ring := h.Desired.Ring
		for _, phase := range plan.Phases {
			phases[[2]string{ring, string(phase)}] += 0
		}
		phase := string(h.Document.Phase)
		if phase == "" {
			phase = "Unknown" // not looked at since the start
		}
		phases[[2]string{ring, phase}]++
		if hold := h.Document.Hold; hold != nil {
			holds[[2]string{ring, string(hold.Reason)}]++
		}
		if op := h.Observed.Record.Operation; op != nil {
			work[[2]string{string(op.Kind), string(op.Stage)}]++
		}
		if reach := h.Observed.BMC.Reach; reach.Failed() {
			failing[string(reach)]++
		}
		if boot := h.Observed.Record.Boot; boot != nil && h.Observed.Agent.Boot == boot.ID {
			agents++
		}
	}
	for _, counts := range []struct {
		desc   *prometheus.Desc
		values map[[2]string]int
	}{{descHosts, phases}, {descHolds, holds}, {descWork, work}} {
		for labels, n := range counts.values {
			send(out, counts.desc, n, labels[:]...)
		}
	}
	for reach, n := range failing {
		send(out, descTroubled, n, reach)
	}
	send(out, descAgents, agents)
}

func send[N int | int64](out chan<- prometheus.Metric, desc *prometheus.Desc, value N, labels ...string) {
	out <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, float64(value), labels...)
}

// flag is 1 where something is said.
func flag(text string) int { return min(1, len(text)) }
