package accounts

import (
	"context"
	"strings"

	"github.com/gitmetal/ingot/agent/wire"
	"github.com/gitmetal/ingot/inventory/discovery"
	"github.com/gitmetal/ingot/inventory/discovery/account"
)

// Answer takes the report of the record's waiting agent, if there is one, and gives the agent its order; nil without
// one. That the agent is told the password is stored before it is told. The caller answers over the agent's own mutual
// TLS session, and only the agent that the record has. seen is a reading of the record, without its facts.
func (r *Runner) Answer(ctx context.Context, seen discovery.Record, report *wire.AccountReport) (*wire.AccountOrder, error) {
	if seen.Agent == nil || seen.Account == nil {
		return nil, nil
	}
	if report != nil {
		if err := r.hear(ctx, seen.ID, seen.Agent.Key, *report); err != nil {
			return nil, err
		}
	}
	if r.config.MayAct() != nil {
		return nil, nil // the agent asks again
	}
	record, err := r.config.Records.Get(seen.ID)
	if err != nil {
		return nil, err
	}
	if record.Agent == nil || record.Agent.Key != seen.Agent.Key {
		return nil, nil
	}
	a := record.Account
	if do, _ := a.Next(r.situation(record)); do != account.Tell {
		return nil, nil
	}
	if a.Stage == account.Pushed {
		next := a.WithCreating(record.Agent.Key, r.fresh().Order, r.config.Now())
		if err := r.store(record, next); err != nil {
			return nil, err
		}
		a = next
	}
	order := &wire.AccountOrder{ID: a.Order, Name: a.Name, Slot: a.Slot, Address: a.Address}
	switch a.Stage {
	case account.Surveying:
		order.Do = wire.AccountSurvey
	case account.Undoing:
		order.Do, order.Address = wire.AccountRemove, ""
	case account.Creating:
		password, err := r.config.Sealer.Open(ctx, a.Sealed)
		if err != nil {
			return nil, err
		}
		order.Do, order.Password = wire.AccountCreate, password.Reveal()
	default:
		return nil, nil
	}
	return order, nil
}

// hear takes an agent's report. A report of another agent, or of an order that is not open, changes nothing.
func (r *Runner) hear(ctx context.Context, id discovery.ID, agent string, report wire.AccountReport) error {
	record, err := r.config.Records.Get(id)
	if err != nil {
		return err
	}
	a := record.Account
	if a == nil || record.Agent == nil || record.Agent.Key != agent {
		return nil
	}
	for _, document := range []string{a.Sealed, a.Before} { // what is opened is masked
		if document == "" {
			continue
		}
		if _, err := r.config.Sealer.Open(ctx, document); err != nil {
			return err
		}
	}
	said := account.Report{Order: report.ID, Problem: r.clean(report.Problem, 40), Error: r.clean(report.Error, maxError),
		Slot: report.Slot, Left: r.clean(report.Left, 20), Tested: report.Tested}
	next := a.WithReport(said, r.fresh(), r.config.Now())
	if next == nil {
		return nil
	}
	if err := r.store(record, next); err != nil {
		return err
	}
	r.config.Log.Info("a BMC account", "record", id, "account", a.Name, "was", a.Stage, "is", next.Stage, "problem", next.Problem)
	r.Wake(id)
	return nil
}

// clean takes passwords out of a text that a BMC or an agent wrote, and then cuts the text.
func (r *Runner) clean(text string, most int) string {
	text = r.config.Mask(text)
	return strings.ToValidUTF8(text[:min(len(text), most)], "")
}
