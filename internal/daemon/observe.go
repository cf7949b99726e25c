package daemon

import (
	"context"

	"github.com/gitmetal/ingot/internal/daemon/consoles"
	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile"
	"github.com/gitmetal/ingot/reconcile/effects"
)

// observer adds to what the effects observe what the serial console has shown, which waiting agent is proved to run on the
// host's machine, and what became of the request for another password of its BMC.
type observer struct {
	*effects.Effects
	consoles *consoles.Reader
	*discoveries
}

var _ reconcile.Observer = observer{}

// Observe implements reconcile.Observer.
func (o observer) Observe(ctx context.Context, desired inventory.Desired, record inventory.Record) inventory.Observed {
	observed := o.Effects.Observe(ctx, desired, record)
	observed.Console = o.consoles.ObserveRecord(record)
	if record.Epoch == 0 { // an agent takes over a host's first boot only
		observed.Waiting, observed.PowersOff = o.waiting.FindProved(desired), o.waiting.PowersOff(desired.ID)
	}
	if desired.Requests.Rotate != "" {
		observed.Rotation = o.rotations.Told(desired.ID)
	}
	return observed
}
