package daemon

import (
	"context"

	"github.com/gitmetal/ingot/internal/daemon/consoles"
	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile"
	"github.com/gitmetal/ingot/reconcile/effects"
)

// observer adds to what the effects observe what the serial console has shown, and which waiting agent is proved to run on
// the host's machine.
type observer struct {
	*effects.Effects
	consoles *consoles.Reader
	waiting  func(inventory.Desired) (agent string)
}

var _ reconcile.Observer = observer{}

// Observe implements reconcile.Observer.
func (o observer) Observe(ctx context.Context, desired inventory.Desired, record inventory.Record) inventory.Observed {
	observed := o.Effects.Observe(ctx, desired, record)
	observed.Console = o.consoles.ObserveRecord(record)
	if record.Epoch == 0 { // an agent takes over a host's first boot only
		observed.Waiting = o.waiting(desired)
	}
	return observed
}
