package metrics

import (
	"context"
	"errors"
	"time"

	"github.com/gitmetal/ingot/agent/hub"
	"github.com/gitmetal/ingot/boot/redfish"
	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile"
	"github.com/gitmetal/ingot/reconcile/act"
	"github.com/gitmetal/ingot/reconcile/journal"
	"github.com/gitmetal/ingot/reconcile/statusbranch"
)

// MeasurePorts puts a measurement between the loop and its ports. The ports do what they did before.
func (m *Metrics) MeasurePorts(c reconcile.Config) reconcile.Config {
	c.Source = source{c.Source, m}
	c.Journal = &records{Journal: c.Journal, metrics: m, under: map[inventory.MachineID]underWay{}}
	c.Observer = observer{c.Observer, m}
	c.Executor = executor{c.Executor, m}
	c.Publisher = &publisher{Publisher: c.Publisher, metrics: m}
	return c
}

// source measures the looks at the fleet.
type source struct {
	reconcile.Source
	metrics *Metrics
}

// Latest implements reconcile.Source.
func (s source) Latest(ctx context.Context) (inventory.Sources, error) {
	began := time.Now()
	sources, err := s.Source.Latest(ctx)
	s.metrics.fetchTime.Observe(time.Since(began).Seconds())
	result := resultOf(err)
	if freezes := (interface{ Freezes() bool })(nil); errors.As(err, &freezes) && freezes.Freezes() {
		result = "frozen"
	}
	s.metrics.fetches.WithLabelValues(result).Inc()
	if err == nil {
		s.metrics.lastFetch.SetToCurrentTime()
	}
	return sources, err
}

// observer measures the looks at hosts.
type observer struct {
	reconcile.Observer
	metrics *Metrics
}

// Observe implements reconcile.Observer.
func (o observer) Observe(ctx context.Context, desired inventory.Desired, record inventory.Record) inventory.Observed {
	began := time.Now()
	observed := o.Observer.Observe(ctx, desired, record)
	o.metrics.lookTime.Observe(time.Since(began).Seconds())
	reach := string(observed.BMC.Reach)
	if observed.BMC.Reach == inventory.NotAsked {
		reach = "NotAsked"
	}
	o.metrics.looks.WithLabelValues(reach).Inc()
	return observed
}

// executor measures the actions.
type executor struct {
	reconcile.Executor
	metrics *Metrics
}

// Do implements reconcile.Executor.
func (e executor) Do(ctx context.Context, desired inventory.Desired, record inventory.Record,
	action act.Action) act.Outcome {
	began := time.Now()
	outcome := e.Executor.Do(ctx, desired, record, action)
	e.metrics.actionTime.Observe(time.Since(began).Seconds())
	e.metrics.actions.WithLabelValues(string(action.Kind), string(outcome.Result)).Inc()
	return outcome
}

// publisher measures the pushes of the status branch. The loop pushes one after the other.
type publisher struct {
	reconcile.Publisher
	metrics *Metrics
	tip     string // of the last push
}

// Publish implements reconcile.Publisher.
func (p *publisher) Publish(ctx context.Context, changed map[string][]byte, message string) (string, error) {
	began := time.Now()
	tip, err := p.Publisher.Publish(ctx, changed, message)
	p.metrics.pushTime.Observe(time.Since(began).Seconds())
	result := "pushed"
	switch {
	case statusbranch.IsMoved(err):
		result = "moved"
	case err != nil:
		result = "error"
	case tip == p.tip:
		result = "unchanged"
	}
	if err == nil {
		p.tip = tip
	}
	p.metrics.pushes.WithLabelValues(result).Inc()
	return tip, err
}

// CountRequest counts a request to a BMC; err is nil for an answer, whatever the answer's status.
func (m *Metrics) CountRequest(method string, took time.Duration, err error) {
	result := "ok"
	if err != nil {
		result = "Other"
		if said := (*redfish.Error)(nil); errors.As(err, &said) {
			result = string(said.Kind)
		}
	}
	m.requests.WithLabelValues(method, result).Inc()
	m.requestTime.WithLabelValues(method).Observe(took.Seconds())
}

// CountAgent counts what the hub tells.
func (m *Metrics) CountAgent(event hub.Count) { m.agents.WithLabelValues(string(event)).Inc() }

// CountImage counts the end of an image's fetch.
func (m *Metrics) CountImage(err error) { m.images.WithLabelValues(resultOf(err)).Inc() }

func resultOf(err error) string {
	switch {
	case err == nil:
		return "ok"
	case errors.Is(err, journal.ErrConflict):
		return "conflict"
	default:
		return "error"
	}
}
