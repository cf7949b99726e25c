// Package attended measures the attended time of a machine from look to look, and what a row of looks proves of its
// power.
//
// Call Look at each look, and Note… for what was asked of the machine between two looks. Do not decide here: package
// plan reads Ages and Evidence.
package attended

import (
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/gitmetal/ingot/inventory"
)

// shortGap is how long a machine may go unheard and still count as watched.
const shortGap = 5 * time.Minute

// Time measures the attended time of one machine from look to look. The zero value knows nothing; MarshalJSON keeps
// what survives a restart of the daemon. A lost Time only lengthens waits.
type Time struct {
	ages     inventory.Ages
	boot     string // names the opened boot
	power    string // names the boot's power-on
	reached  string // names the power-on that reached its agent last
	agent    string // boot of the agent
	job      string // names the job's state
	looked   bool   // Look was called since the start
	heard    bool   // at the last look
	seen     time.Time
	read     time.Time
	unheard  time.Duration // in a row
	readings readings
}

// Look adds one look: elapsed is the time since the look before, by the monotonic clock, and late the part of that time
// in which nobody looked although a look was due. The time that is not late counts if the machine could be heard at
// both ends.
func (a Time) Look(elapsed, late time.Duration, o inventory.Observed) Time {
	next := a
	next.looked, next.heard, next.seen, next.read = true, a.canHear(o), o.Agent.Seen, o.Media.Last
	passed := elapsed
	elapsed -= late
	if !a.looked || !a.heard || !next.heard { // guard: attended-time
		elapsed = 0
	}
	if next.unheard += passed - elapsed; elapsed > 0 && late == 0 {
		next.unheard = 0
	}
	gap := !a.looked || next.unheard > shortGap
	next.ages.Interrupted = o.Record.Boot != nil && (gap || a.ages.Interrupted && a.boot == nameBoot(o.Record.Boot))
	next.readings = a.lookAtPower(elapsed, gap, o)
	next.ages.Start += elapsed
	b := o.Record.Boot
	next.boot, next.ages.Opened = advance(a.boot, a.ages.Opened, elapsed, nameBoot(b))
	next.power, next.ages.Started = advance(a.power, a.ages.Started, elapsed, namePowerOn(b))
	if next.power != "" && next.power != a.reached && o.Agent.Boot == b.ID {
		next.reached, next.ages.Enrolled = next.power, next.ages.Started
	}
	next.job, next.ages.Job = advance(a.job, a.ages.Job, elapsed, nameJob(o))
	next.agent, next.ages.Silent = advance(a.agent, a.ages.Silent, elapsed, o.Agent.Boot)
	if a.spoke(o.Agent) {
		next.ages.Silent = 0
	}
	return next
}

// advance gives the age of something by its name; another name is something else, with the age 0.
func advance(was string, age, elapsed time.Duration, is string) (string, time.Duration) {
	if is == "" || is != was {
		return is, 0
	}
	return is, age + elapsed
}

// canHear reports whether the machine could have been heard lately: its BMC answers, or since the last look its agent
// spoke or its boot medium was read.
func (a Time) canHear(o inventory.Observed) bool {
	return o.BMC.Reach == inventory.Reached || a.spoke(o.Agent) || a.looked && o.Media.Last.After(a.read)
}

// spoke reports whether the agent spoke since the last look. An agent that said nothing since the daemon's start counts
// as seen at the start, and has not spoken.
func (a Time) spoke(agent inventory.AgentState) bool {
	return a.looked && agent.Boot != "" && !agent.Quiet && !agent.Seen.Equal(a.seen)
}

// Restart is the value after a start of the daemon: what lasts goes on, and the time until the next look does not
// count.
func (a Time) Restart() Time {
	a.ages.Start, a.looked, a.heard, a.seen, a.read = 0, false, false, time.Time{}, time.Time{}
	a.unheard, a.readings = 0, readings{}
	return a
}

// Ages gives the ages at the last look.
func (a Time) Ages() inventory.Ages { return a.ages }

func nameBoot(b *inventory.Boot) string {
	if b == nil {
		return ""
	}
	return fmt.Sprintf("%s/%d", b.ID, b.Epoch)
}

func namePowerOn(b *inventory.Boot) string {
	if b == nil || b.Stage != inventory.Running {
		return ""
	}
	return nameBoot(b) + "/" + strconv.FormatInt(b.Started.UnixNano(), 10)
}

func nameJob(o inventory.Observed) string {
	if run := o.Record.Run; run != nil && run.Booted != nil && run.Handed && !run.IsOver() {
		return run.ID
	}
	j := o.Agent.Job
	if j.State == inventory.NoJob {
		return ""
	}
	return fmt.Sprintf("%s/%d/%s", j.ID, j.Attempt, j.State)
}

// storedAttended is the form of Time that survives a restart.
type storedAttended struct {
	Boot    string        `json:"boot,omitempty"`
	Opened  time.Duration `json:"opened,omitempty"` // nanoseconds
	Power   string        `json:"power,omitempty"`
	Started time.Duration `json:"started,omitempty"`
	Reached string        `json:"reached,omitempty"`
	// Enrolled is kept from boot to boot.
	Enrolled time.Duration `json:"enrolled,omitempty"`
	Agent    string        `json:"agent,omitempty"`
	Silent   time.Duration `json:"silent,omitempty"`
	Job      string        `json:"job,omitempty"`
	JobFor   time.Duration `json:"jobFor,omitempty"`
}

// MarshalJSON gives what survives a restart of the daemon.
func (a Time) MarshalJSON() ([]byte, error) {
	return json.Marshal(storedAttended{Boot: a.boot, Opened: a.ages.Opened, Power: a.power, Started: a.ages.Started,
		Reached: a.reached, Enrolled: a.ages.Enrolled, Agent: a.agent, Silent: a.ages.Silent, Job: a.job,
		JobFor: a.ages.Job})
}

// UnmarshalJSON reads what an earlier start kept. No look of this start has happened.
func (a *Time) UnmarshalJSON(data []byte) error {
	var s storedAttended
	if err := json.Unmarshal(data, &s); err != nil {
		return err
	}
	*a = Time{boot: s.Boot, power: s.Power, reached: s.Reached, agent: s.Agent, job: s.Job,
		ages: inventory.Ages{Opened: s.Opened, Started: s.Started, Silent: s.Silent, Job: s.JobFor,
			Enrolled: s.Enrolled}}
	return nil
}

// IsUnderWay reports whether something lasts that a deadline may wait for.
func (a Time) IsUnderWay() bool { return a.boot != "" || a.agent != "" || a.job != "" }
