package plan_test

import (
	"fmt"
	"reflect"
	"time"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/plan"
	"github.com/gitmetal/ingot/reconcile/plan/bootmethod"
)

// nextAt is plan.Next for a daemon that runs since long, and heard the machine all the time.
func nextAt(d inventory.Desired, o inventory.Observed, now time.Time) plan.Plan {
	o.Attended = inventory.Ages{Start: 24 * time.Hour, Silent: now.Sub(o.Agent.Seen), Job: now.Sub(o.Agent.Job.Since)}
	if b := o.Record.Boot; b != nil {
		o.Attended.Opened, o.Attended.Started = now.Sub(b.Opened), now.Sub(b.Started)
	}
	if o.BMC.Power == inventory.PoweredOff && o.Evidence == (inventory.PowerEvidence{}) {
		o.Evidence.Off = time.Hour
	}
	p := plan.Next(d, o, now)
	if bootmethod.NeedsDrives(o.Record, o.Agent, o.BMC.Power) {
		return p
	}
	for _, drives := range [][]inventory.Slot{nil, {{ID: "Cd", Inserted: true, Image: "other"}}} {
		o.BMC.Media = drives
		if other := plan.Next(d, o, now); !reflect.DeepEqual(p, other) {
			panic(fmt.Sprintf("the plan rests on drives that are not read:\n%+v\n%+v", p, other))
		}
	}
	return p
}
