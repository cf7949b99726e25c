package act

import (
	"time"

	"github.com/gitmetal/ingot/inventory"
)

// recordSettings records that work on settings begins or ends, or that the settings hold. A maintenance that ends
// before the machine was powered off leaves it on.
func recordSettings(rec inventory.Record, a Action, now time.Time) inventory.Record {
	if a.Kind == OpenSettings {
		rec.Settings = rec.Settings.Begin(*a.Work, now)
		return rec
	}
	if b := rec.Boot; rec.Settings.IsMaintained() && b != nil && b.Stage == inventory.Preparing &&
		b.Epoch == rec.Settings.Work.Reset {
		rec.Boot = nil
	}
	rec.Settings = rec.Settings.End(a.Held, a.Error, now)
	return rec
}
