package runs

import (
	"fmt"

	"github.com/gitmetal/ingot/inventory/format"
)

// Stage is how far a run has come.
type Stage string

// Stages of a run.
const (
	Booting Stage = "Booting" // the ramdisk is being booted for the run
	Running Stage = "Running" // the agent has the job, or is to get it
	Over    Stage = "Over"    // the run has ended; the machine is being powered off and freed
)

// UnderWay is the run that a machine has, in the machine's record. It stays until the run is counted, the machine is off
// and its medium is out.
type UnderWay struct {
	Run
	Commit string `json:"commit"`
	Stage  Stage  `json:"stage"`
	// Handed is set before the job is handed out: from then on the job may run.
	Handed  bool    `json:"handed,omitempty"`
	Outcome Outcome `json:"outcome,omitempty"` // of a run that is Over
	Why     string  `json:"why,omitempty"`
	// Booted is set for a run of a kernel or an ISO of one's own; nil for a script.
	Booted *Booted `json:"booted,omitempty" minReader:"10"`
	Ended
	// Unknown holds a newer ingot's members, to write back.
	Unknown format.Unknown `json:"-"`
}

// CheckValues names a value that this ingot does not know. Nil has none.
func (u *UnderWay) CheckValues() error {
	switch {
	case u == nil:
		return nil
	case u.Stage != Booting && u.Stage != Running && u.Stage != Over:
		return fmt.Errorf("run.stage %q is not known", u.Stage)
	case !u.Outcome.IsKnown():
		return fmt.Errorf("run.outcome %q is not known", u.Outcome)
	default:
		return nil
	}
}

// IsOver reports whether the run has ended. Nil is no run.
func (u *UnderWay) IsOver() bool { return u != nil && u.Stage == Over }

// End is the end of a run as it is counted.
func (u UnderWay) End() End {
	return End{Run: u.Run, Outcome: u.Outcome, Why: u.Why, Ended: u.Ended}
}

// Withdrawn is the run, taken back.
func (u UnderWay) Withdrawn(why string) UnderWay {
	u.Outcome, u.Why = Withdrawn, why
	return u
}

// Describe says what a machine with the run is at.
func (u UnderWay) Describe() string {
	return fmt.Sprintf("item %d of workload %s, attempt %d", u.Item, u.Workload, u.Attempt)
}
