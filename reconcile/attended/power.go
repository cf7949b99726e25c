package attended

import (
	"time"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/act"
)

// readings is what the looks so far prove, with the last reading.
type readings struct {
	inventory.PowerEvidence
	on   bool // the last reading said On
	off  bool // the last reading said Off
	sent bool // ingot powered the machine off since
}

// rowEnds is how long after the last request a row of requests ends.
const (
	askRowEnds = 10 * time.Minute
	cutRowEnds = time.Hour
)

// Evidence gives what the looks so far prove of the machine's power.
func (a Time) Evidence() inventory.PowerEvidence { return a.readings.PowerEvidence }

// lookAtPower adds the reading of one look.
func (a Time) lookAtPower(elapsed time.Duration, gap bool, o inventory.Observed) readings {
	e := a.readings
	if gap {
		e = readings{}
	}
	if a.boot != nameBoot(o.Record.Boot) {
		e.Ejects = 0
	}
	e.Asked, e.AskedLast, e.CutLast = e.Asked+elapsed, e.AskedLast+elapsed, e.CutLast+elapsed
	if e.Asks > 0 && e.AskedLast > askRowEnds {
		e.Asks = 0
	}
	if e.Cuts > 0 && e.CutLast > cutRowEnds {
		e.Cuts, e.CameBack = 0, false
	}
	if o.BMC.Reach != inventory.Reached {
		return e
	}
	switch o.BMC.Power {
	case inventory.PoweredOff:
		e = e.seeOff(elapsed, a.readings.on, a.showsLife(o))
	case inventory.PoweredOn:
		e.CameBack = e.CameBack || e.Cuts > 0 && (e.WentOff || e.Off > 0)
		if !e.on {
			e.Asks = 0 // another start
		}
		e.on, e.off, e.Off, e.WentOff = true, false, 0, false
	default:
		e.on, e.off, e.Off, e.WentOff = false, false, 0, false
	}
	return e
}

// seeOff adds a reading that says Off. A sign of life before the first such reading proves nothing against the reading;
// a later sign ends the row.
func (e readings) seeOff(elapsed time.Duration, wasOn, life bool) readings {
	switch {
	case wasOn:
		e.Off, e.WentOff = 0, e.sent
	case !e.off, life:
		e.Off, e.WentOff = 0, false
	default:
		e.Off += elapsed
	}
	e.on, e.off, e.sent = false, true, false
	return e
}

// showsLife reports whether the machine showed since the last look that it is on: its agent spoke, or a machine that
// was powered on read its medium. A BMC reads the medium of a machine that is off.
func (a Time) showsLife(o inventory.Observed) bool {
	b := o.Record.Boot
	return a.spoke(o.Agent) || a.looked && b != nil && b.Stage == inventory.Running && o.Media.Last.After(a.read)
}

// Note adds what an action asked of the machine: requests count, whether or not they were accepted.
func (a Time) Note(action act.Action, out act.Outcome) Time {
	e := &a.readings
	switch {
	case action.Wait, out.Unsent:
	case action.Kind == act.PowerOff && action.Graceful, action.Kind == act.AssignPowerOff, action.Kind == act.Reboot:
		if e.Asks == 0 {
			e.Asked = 0
		}
		e.Asks, e.AskedLast, e.sent = e.Asks+1, 0, true
	case action.Kind == act.PowerOff && out.Result != act.Retry && out.Result != act.Stalled:
		e.Cuts, e.CutLast, e.sent = e.Cuts+1, 0, true
	case action.Kind == act.PowerOn: // what the readings said before proves nothing any more
		a.readings = readings{}
	case action.Kind == act.EjectMedia:
		e.Ejects++
	}
	return a
}
