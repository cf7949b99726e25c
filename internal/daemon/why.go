package daemon

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile"
	"github.com/gitmetal/ingot/reconcile/cause"
	"github.com/gitmetal/ingot/reconcile/plan"
	"github.com/gitmetal/ingot/reconcile/status"
)

// Why says why a host is not where the fleet wants it, with the evidence.
type Why struct {
	Name  string              `json:"name"`
	ID    inventory.MachineID `json:"id,omitempty"` // if different from the name
	Phase plan.Phase          `json:"phase,omitempty"`
	cause.Answer
	Evidence []cause.Evidence `json:"evidence"`
	From     string           `json:"from"` // FromDaemon, or FromPage
}

// Values of Why.From.
const (
	FromDaemon = "daemon"
	FromPage   = "page" // the status branch alone, which knows less
)

// ExplainPage is the Why of a host's page.
func ExplainPage(d status.Document) Why {
	answer, evidence := d.Explain()
	return Why{Name: d.Metadata.Name, ID: d.Metadata.ID, Phase: d.Phase, Answer: answer,
		Evidence: append([]cause.Evidence{}, evidence...), From: FromPage}
}

// explainHost is the Why of a host, from all that the daemon knows.
func (d *Daemon) explainHost(h reconcile.HostView) Why {
	c := newCase(h, d.loop.ViewFleet())
	c.Observed.Console = d.consoles.Observe(h)
	about := status.NewMetadata(h.Name, h.ID, nil)
	return Why{Name: about.Name, ID: about.ID, Phase: h.Plan.Phase, Answer: cause.Find(c),
		Evidence: append(append([]cause.Evidence{}, cause.Collect(c)...), d.logs.Evidence(h)...), From: FromDaemon}
}

// newCase is the last look at a host, with what holds for all hosts.
func newCase(h reconcile.HostView, fleet reconcile.View) cause.Case {
	c := cause.Case{Desired: &h.Desired, Observed: &h.Observed, Plan: &h.Plan, Action: h.Action, Outcome: h.Outcome,
		Looked: h.Looked,
		Fleet: &cause.Fleet{Commit: fleet.Commit, Another: fleet.Another, Source: fleet.Source,
			Publish: fleet.Publish}}
	if fleet.Refused != "" {
		c.Fleet.Refused = fleet.Refused
		if len(fleet.Findings) > 0 {
			c.Fleet.Refused = fleet.Findings[0].String()
		}
	}
	return c
}

// addWhyRoute adds the route of a host's Why.
func (d *Daemon) addWhyRoute(api *http.ServeMux) {
	api.HandleFunc("GET /v1/hosts/{host}/why", d.handleHost(func(w http.ResponseWriter, h reconcile.HostView) error {
		writeJSON(w, d.explainHost(h))
		return nil
	}))
}

// ReadWhy asks why a host is not where the fleet wants it.
func (c *Client) ReadWhy(ctx context.Context, host string) (Why, error) {
	body, err := c.getHost(ctx, host, "why")
	if err != nil {
		return Why{}, err
	}
	var why Why
	if err := json.Unmarshal(body, &why); err != nil {
		return Why{}, fmt.Errorf("read the daemon's answer: %w", err)
	}
	return why, nil
}
