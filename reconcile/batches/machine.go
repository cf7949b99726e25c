package batches

import (
	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/runs"
	"github.com/gitmetal/ingot/inventory/standing/claims"
)

// FindWork gives what the Workload asks for that has the machine, by its run or by its claim; nil where the fleet has none.
func (v *View) FindWork(id inventory.MachineID) *runs.Work {
	name := v.holder[string(id)]
	if run := v.runs[string(id)]; run != nil {
		name = run.Workload
	}
	work, wanted := v.fleet.Works[name]
	if !wanted {
		return nil
	}
	return &work
}

// Seen is what the last look at a machine saw, as far as claims depend on it.
type Seen struct {
	Looked   bool   // there was a look since the start of the daemon
	Held     string // the machine waits for a person; "" otherwise
	Observed inventory.Observed
}

// Describe is a machine as claims see it. A machine that runs, and that no run of ours has on, is in somebody's use. The
// first row that fits decides:
//
//	the machine                                  a claim    a new claim
//	was not looked at since the start            stays      no
//	waits for a person                           ends       no
//	has a BMC that does not answer               stays      no
//	is booted for something else                 stays      no
//	is on, and has no run                        ends       no
func Describe(d inventory.Desired, record inventory.Record, seen Seen) claims.Machine {
	m := claims.Machine{Desired: d, Record: record}
	bmc := seen.Observed.BMC
	switch {
	case !seen.Looked:
		m.Unready = "a look at it since the start of the daemon"
	case seen.Held != "" && record.Run == nil:
		m.Held = seen.Held
	case bmc.Reach != inventory.Reached || bmc.Power == inventory.PowerUnknown:
		m.Unready = "its BMC"
	case record.Boot != nil && record.Run == nil:
		m.Unready = "a boot that is under way"
	case bmc.Power == inventory.PoweredOn && record.Run == nil && seen.Observed.Record.Run == nil:
		m.Held = "the machine runs and ingot did not start it"
	}
	return m
}
