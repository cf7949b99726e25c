// Package upkeep decides what is due for the declared BIOS settings of one machine: Decide, a pure function of what is
// wanted, what the BMC says, and what the record remembers. Package plan asks it for an install and for a machine in
// service, and gives the actions. Do not ask it about power: a reset is a boot like any other.
package upkeep

import (
	"fmt"
	"strings"
	"time"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/settings"
)

// Look is what a decision rests on.
type Look struct {
	Want  settings.Wanted
	Found settings.Found
	State *settings.State // of the record; nil before the first
	Retry bool            // an operator asked for another try
	// Started is set where the boot that is the reset has powered the machine on.
	Started bool
	// Passed is set where the machine has shown since the reset that its firmware is through: its agent, or its installed
	// system, has called. Since is the time since then.
	Passed bool
	Since  time.Duration
	// Overdue is set where the reset lies back longer than the timeout of the work.
	Overdue bool
}

// Due is what is to be done next.
type Due string

// What may be due.
const (
	Nothing Due = "Nothing" // the settings are as wanted, or none are
	Record  Due = "Record"  // they are as wanted, and the record does not say so
	Wait    Due = "Wait"
	Unread  Due = "Unread" // wait: the BMC does not say how the settings are
	Refuse  Due = "Refuse" // hold: the BMC would not take what is wanted
	GiveUp  Due = "GiveUp" // hold: the same settings failed before
	Open    Due = "Open"   // work begins
	Drop    Due = "Drop"   // work ends that nobody wants any more, and that may have written nothing that is applied
	Write   Due = "Write"  // the settings object is written
	Reset   Due = "Reset"  // the machine is to be reset once
	Boot    Due = "Boot"   // the reset is under way
	Succeed Due = "Succeed"
	Fail    Due = "Fail"
)

// Decision is what is due, with the reason in words.
type Decision struct {
	Due Due
	Why string
	// Passed is that of the Look.
	Passed bool
}

// settle is how long a BMC may take to show attributes that the firmware has changed, after the machine has called.
const settle = 5 * time.Minute

// Wanted gives the settings that a look compares: those of the work under way; of a machine that runs its workload
// those that are applied in turn; and else all.
func Wanted(d inventory.Desired, rec inventory.Record) settings.Wanted {
	if rec.Settings != nil && rec.Settings.Work != nil {
		w := rec.Settings.Work
		return settings.Wanted{Steps: w.Steps, Bios: w.Bios, Seconds: w.Seconds}
	}
	if d.Workload == nil {
		return settings.Wanted{}
	}
	return settings.Merge(d.Workload.Settings, rec.Operation == nil && rec.Has(d.Workload))
}

// Decide says what is due. The first row that fits decides. While work is under way it is compared with what the work
// wants, as Wanted gives it:
//
//	work        the BMC says                            due
//	none        nothing is wanted                       Nothing
//	none        it does not say, or not yet             Unread, Wait
//	none        no settings; names or values it refuses Refuse
//	none        as wanted                               Record once, Nothing
//	none        another, and the same failed before     GiveUp, until the fleet changes or an operator retries
//	none        another                                 Open
//	Intended    anything, and not wanted any more       Drop
//	Intended    anything                                Write: a write that was made before is not made again
//	Written     as wanted, and no job runs              Succeed
//	Written     its job has failed                      Fail
//	Written     its job runs                            Wait
//	Written     anything else                           Reset
//	Resetting   as wanted, and no job runs              Succeed
//	Resetting   its job runs, and the machine is on     Wait, until the timeout
//	Resetting   its job has failed, and another         Fail
//	Resetting   another, long after the machine called  Fail
//	Resetting   anything else                           Boot, until the timeout
//
// What changed decides: a job that says Completed, or that is gone, proves nothing.
func Decide(l Look) Decision {
	if l.State == nil || l.State.Work == nil {
		return l.begin()
	}
	d := l.follow()
	d.Passed = l.Passed
	return d
}

// follow decides while work is under way.
func (l Look) follow() Decision {
	work, f := *l.State.Work, l.Found
	read := f.Asked && f.Error == "" && f.Digest == work.Digest
	running := f.Jobs != "" || f.Job != nil && !f.Job.HasEnded()
	failed := f.Job != nil && f.Job.HasFailed()
	holds := read && f.Holds()
	unwanted := l.Want.Digest() != work.Digest
	switch work.Stage {
	case settings.Intended:
		if unwanted {
			return Decision{Due: Drop, Why: "the fleet asks for other settings"}
		}
		return Decision{Due: Write, Why: "the BIOS settings differ"}
	case settings.Written:
		switch {
		case holds && !running:
			return Decision{Due: Succeed, Why: "the settings are as wanted without a reset"}
		case failed && read:
			return Decision{Due: Fail, Why: l.describeFailure()}
		case f.Job != nil && f.Job.Runs() && f.Job.State == "Running", f.Jobs != "":
			return Decision{Due: Wait, Why: l.describeJob()}
		}
		return Decision{Due: Reset, Why: "the BIOS settings want a reset"}
	case settings.Resetting:
		return l.judge(read, running, failed)
	default:
		panic("upkeep: unknown stage " + string(work.Stage))
	}
}

// begin decides without work under way.
func (l Look) begin() Decision {
	f, digest := l.Found, l.Want.Digest()
	var held, given string
	if l.State != nil {
		held = l.State.Held
		if failed := l.State.Failed; failed != nil && failed.Digest == digest {
			given = failed.Error
		}
	}
	switch {
	case l.Want.Empty():
		return Decision{Due: Nothing}
	case !f.Asked || f.Digest != digest:
		return Decision{Due: Wait, Why: "a look at the BIOS settings"}
	case f.Error != "":
		return Decision{Due: Unread, Why: f.Error}
	case f.Missing:
		return Decision{Due: Refuse, Why: "the BMC offers no BIOS settings, and the fleet declares some: update its firmware, check its licence, " +
			"or take the Step out"}
	case len(f.Refused) > 0:
		return Decision{Due: Refuse, Why: strings.Join(f.Refused, "; ") + ": nothing was changed"}
	case f.Holds() && held != digest:
		return Decision{Due: Record, Why: "the BIOS settings are as wanted"}
	case f.Holds():
		return Decision{Due: Nothing}
	case given != "" && !l.Retry:
		return Decision{Due: GiveUp, Why: given}
	default:
		return Decision{Due: Open, Why: f.Describe()}
	}
}

// judge decides after the reset was begun.
func (l Look) judge(read, running, failed bool) Decision {
	holds := read && l.Found.Holds()
	differs := read && len(l.Found.Differs) > 0
	late := differs && l.Passed && l.Since > settle
	switch {
	case holds && !running:
		return Decision{Due: Succeed, Why: "the settings are as wanted"}
	case l.Overdue:
		return Decision{Due: Fail, Why: l.describeFailure()}
	case running && l.Started:
		return Decision{Due: Wait, Why: l.describeJob()}
	case differs && failed, late:
		return Decision{Due: Fail, Why: l.describeFailure()}
	default:
		return Decision{Due: Boot, Why: "the machine to come up with the BIOS settings"}
	}
}

func (l Look) describeJob() string {
	if l.Found.Jobs != "" {
		return "the BMC to say how far its job is: " + l.Found.Jobs
	}
	return l.Found.Job.String()
}

// describeFailure names each attribute wanted and found, and what the job says.
func (l Look) describeFailure() string {
	var said []string
	switch f := l.Found; {
	case f.Error != "":
		said = append(said, "the settings cannot be read: "+f.Error)
	case len(f.Differs) > 0:
		said = append(said, f.Describe())
	case len(f.Refused) > 0:
		said = append(said, f.Refused...)
	default:
		said = append(said, "the settings are as wanted, and its job does not end")
	}
	if l.Found.Job != nil {
		said = append(said, l.Found.Job.String())
	}
	if l.Overdue {
		said = append(said, fmt.Sprintf("within %s", time.Duration(l.State.Work.Seconds)*time.Second))
	}
	return "the BIOS settings were not taken: " + strings.Join(said, "; ")
}

// IsDue reports, by the record alone, whether the settings that are applied in turn may differ on a machine in service:
// no look has found these settings.
func IsDue(d inventory.Desired, rec inventory.Record) bool {
	if d.Workload == nil || len(d.Workload.Settings) == 0 || !rec.Has(d.Workload) {
		return false
	}
	digest := settings.Merge(d.Workload.Settings, true).Digest()
	return digest != "" && (rec.Settings == nil || rec.Settings.Held != digest)
}

// HasFailed reports whether the settings that are applied in turn failed on a machine in service.
func HasFailed(d inventory.Desired, rec inventory.Record) bool {
	return rec.Settings != nil && rec.Settings.Failed != nil && IsDue(d, rec) &&
		rec.Settings.Failed.Digest == settings.Merge(d.Workload.Settings, true).Digest()
}
