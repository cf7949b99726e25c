// Package admit decides whether a machine may begin an operation or go on, given the other machines: rings and their
// order, canaries, windows, pauses, an untrusted history, limits, a disk that two machines report. Call
// View.SetMachine for each machine, then View.AskStep for one step. The daemon keeps one View while its records
// change; the plan of a pull request makes a View of the fleet before the change and a View of the fleet after the
// change, and prints the difference. The package starts nothing and stops nothing that has begun. Do not ask here what
// is due for a machine: package plan answers. Pure.
package admit

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/schemas"
)

// Step is the next step of a machine, as far as other machines matter for the step.
type Step string

// Steps.
const (
	Begin    Step = "Begin"    // an operation is opened, or a machine is inspected
	TakeDown Step = "TakeDown" // nothing is written: the machine is powered off for the ramdisk, or boots it
	HandOut  Step = "HandOut"  // nothing is written: the agent gets the job
	Repeat   Step = "Repeat"   // something may be written, or the attempt has begun: the agent gets the next step
	Disturb  Step = "Disturb"  // a machine is rebooted or inspected once, as a request of the fleet asks
	Continue Step = "Continue" // another BMC action for a begun operation or inspection
)

// Question asks for one step of one machine.
type Question struct {
	Step   Step
	Erases bool             // the step leads to an erased disk
	Disk   inventory.DiskID // the disk for the system; zero before a disk is named
	// Others are further disks to be written; nil without such disks. The pointer lets questions be compared.
	Others *[]inventory.DiskID
}

// ListOthers gives Question.Others.
func ListOthers(disks []inventory.DiskID) *[]inventory.DiskID {
	if len(disks) == 0 {
		return nil
	}
	return &disks
}

// Reason is why a step must wait or is held.
type Reason string

// Reasons, in the order of AskStep.
const (
	Frozen         Reason = "Frozen"
	DiskShared     Reason = "DiskShared"
	FleetPaused    Reason = "FleetPaused"
	RingPaused     Reason = "RingPaused"
	RingFailed     Reason = "RingFailed"
	WorkloadFailed Reason = "WorkloadFailed"
	RingAfter      Reason = "RingAfter"
	Canaries       Reason = "Canaries"
	Window         Reason = "Window"
	Unavailable    Reason = "Unavailable"
	ManyErases     Reason = "ManyErases"
	DomainBusy     Reason = "DomainBusy"
	Places         Reason = "Places"
)

// Reasons are all reasons in the order of AskStep.
var Reasons = []Reason{Frozen, DiskShared, FleetPaused, RingPaused, RingFailed, WorkloadFailed, RingAfter, Canaries, Window,
	Unavailable, ManyErases, DomainBusy, Places}

// Answer says whether a step may be done now.
type Answer struct {
	Reason Reason    // "" when the step may be done
	Why    string    // the reason in words
	Until  time.Time // end of a reason that time alone ends; else zero
	Takes  bool      // the step may be done, and the machine takes a new place
}

// IsAllowed reports whether the step may be done.
func (a Answer) IsAllowed() bool { return a.Reason == "" }

// personal are the reasons that only a person can remove.
var personal = []Reason{Frozen, DiskShared}

// NeedsPerson reports whether only a person can remove the reason.
func (a Answer) NeedsPerson() bool { return slices.Contains(personal, a.Reason) }

// ForPlace reports whether the machine waits for other machines to give places back.
func (a Answer) ForPlace() bool {
	return a.Reason == Places || a.Reason == DomainBusy || a.Reason == ManyErases
}

// AskStep says whether a step of a machine may be done now. The first reason that holds is the answer:
//
//	reason       holds when                                             Begin  TakeDown  HandOut  Repeat  Continue  Disturb
//	Frozen       the step erases, and the history or the ring's          x      x         x        x
//	             release cannot be trusted
//	DiskShared   another machine reports the disk                        x      x         x        x
//	FleetPaused  a person paused the fleet                               x      x         x        x                 x
//	RingPaused   a person paused the ring                                x      x         x        x                 x
//	RingFailed   the ring's limit of failed machines is reached; not     x
//	             for a failed machine
//	WorkloadFailed  3 of the last 10 operations with the workload's      x      x         x
//	             inputs failed; not for a failed machine
//	RingAfter    an earlier ring has not completed the same release      x
//	Canaries     the ring's canaries are not done; not for a canary      x
//	Window       no window of the ring is open; not for the HandOut of   x      x         x                          x
//	             the first attempt on a machine that had a system
//	Unavailable  the step takes a system down, and the ring's limit of   x                                           x
//	             unavailable machines is reached
//	ManyErases   the step erases, and the limit of erases within an      x      x         x
//	             hour is reached
//	DomainBusy   enough machines of its failure domain are under way,    x      x         x        x       x         x
//	             and the machine has no place
//	Places       all places are taken, and the machine has no place      x      x         x        x       x         x
//
// A machine keeps its place. A machine that had a place at its last look gets the place back before the waiting
// machines, except for Begin. Any other machine gets a place only where a place is free, whatever its operation wrote; so
// does one whose place went to others while nobody knew that its agent is at work.
func (v *View) AskStep(id inventory.MachineID, q Question, now time.Time) Answer {
	if a := v.askAmong(Reasons, id, q, now); !a.IsAllowed() {
		return a
	}
	m := v.machines[id]
	return Answer{Takes: q.Step == Begin || reasonApplies(Places, q.Step) && !m.hasPlace(q.Step)}
}

// AskPersons is AskStep with the reasons that only a person removes: the answer does not depend on the time.
func (v *View) AskPersons(id inventory.MachineID, q Question) Answer {
	return v.askAmong(personal, id, q, time.Time{})
}

// AskFiles is AskStep with the reasons that the fleet's files and the time decide, whatever other machines do.
func (v *View) AskFiles(id inventory.MachineID, q Question, now time.Time) Answer {
	return v.askAmong([]Reason{FleetPaused, RingPaused, Window}, id, q, now)
}

// askAmong gives the first of some reasons, in the order of Reasons, that holds for a step.
func (v *View) askAmong(some []Reason, id inventory.MachineID, q Question, now time.Time) Answer {
	for _, reason := range some {
		if !reasonApplies(reason, q.Step) {
			continue
		}
		if why, until := v.FindObstacle(reason, id, q, now); why != "" {
			return Answer{Reason: reason, Why: why, Until: until}
		}
	}
	return Answer{}
}

// reasonApplies reports whether a reason can hold for a step: the columns of the table.
func reasonApplies(reason Reason, step Step) bool {
	switch step {
	case Begin:
		return true
	case TakeDown, HandOut:
		return slices.Contains([]Reason{Frozen, DiskShared, FleetPaused, RingPaused, WorkloadFailed, Window, ManyErases,
			DomainBusy, Places}, reason)
	case Repeat:
		return slices.Contains([]Reason{Frozen, DiskShared, FleetPaused, RingPaused, DomainBusy, Places}, reason)
	case Continue:
		return reason == Places || reason == DomainBusy
	case Disturb:
		return slices.Contains([]Reason{FleetPaused, RingPaused, Window, Unavailable, DomainBusy, Places}, reason)
	default:
		panic("admit: unknown step " + string(step))
	}
}

// FindObstacle says why one reason holds for a step of a machine, or "", and until when if time alone ends the reason:
// the rows of the table. FindObstacle does not check reasonApplies.
func (v *View) FindObstacle(reason Reason, id inventory.MachineID, q Question, now time.Time) (why string,
	until time.Time) {
	m := v.machines[id]
	ring, inRing := v.fleet.Rings[m.Ring]
	switch reason {
	case Frozen:
		if q.Erases {
			why = v.WhyUntrusted(m.Ring)
		}
	case DiskShared:
		why = v.whySharedDisk(id, q)
	case FleetPaused:
		if v.fleet.Paused {
			why = "the fleet is paused: spec.paused in " + schemas.FleetFile
		}
	case RingPaused:
		if ring.Spec.Paused {
			why = fmt.Sprintf("ring %s is paused: %s", ring.Name, pausedByPerson)
		}
	case RingFailed:
		if p := v.ringProgress(m.Ring); p.Paused != "" && !ring.Spec.Paused && m.State != Failed {
			why = fmt.Sprintf("ring %s is paused: %s", ring.Name, p.Paused)
		}
	case WorkloadFailed:
		if m.State != Failed {
			why = v.WhyWorkloadFailed(m.Inputs)
		}
	case RingAfter:
		why = v.whyEarlierRing(m.Ring)
	case Canaries:
		if first := withoutName(v.ringProgress(m.Ring).canaries, m.Name); !m.Canary && len(first) > 0 {
			why = fmt.Sprintf("the canaries of ring %s come first: %s", ring.Name, strings.Join(first, ", "))
		}
	case Window:
		if q.Step != HandOut || !m.Serves || m.Retries {
			why, until = whyWindowClosed(ring, now)
		}
	case Unavailable:
		down, limit := withoutName(v.ringProgress(m.Ring).down, m.Name), ring.Spec.Limit(len(ring.Hosts))
		if inRing && (m.Serves || m.Down) && len(down) >= limit {
			why = fmt.Sprintf("ring %s may have %d down for this rollout: %s", ring.Name, limit,
				strings.Join(down, ", "))
		}
	case ManyErases:
		why, until = v.whyManyErases(m, q, now)
	case DomainBusy:
		why = v.whyDomainBusy(m, q.Step)
	case Places:
		if !m.hasPlace(q.Step) && v.busy-m.counts() >= v.fleet.Places { // guard: budget
			why = v.AwaitPlace().Why
		}
	default:
		panic("admit: unknown reason " + string(reason))
	}
	return why, until
}

// AwaitPlace is the answer for a machine that waits for other machines to give places back.
func (v *View) AwaitPlace() Answer {
	return Answer{Reason: Places,
		Why: fmt.Sprintf("its turn: %d hosts are being installed or inspected at a time", v.fleet.Places)}
}

// WhyUntrusted says why no disk is erased in a ring ("" for machines without a ring), or "".
func (v *View) WhyUntrusted(ring string) string {
	why := v.fleet.Frozen
	if r := v.fleet.Rings[ring]; why == "" && r.Tag != "" {
		why = r.Trouble
	}
	if why == "" {
		return ""
	}
	return "nothing is erased until an operator has looked: " + why
}

// whyEarlierRing says which earlier ring has not completed the same release, or "". A ring in which no host has the
// release proves nothing: the rings before that ring must have completed the release too.
func (v *View) whyEarlierRing(ring string) string {
	p := v.ringProgress(ring)
	all := slices.Clone(v.fleet.Rings[ring].Spec.After)
	for i := 0; i < len(all); i++ {
		earlier := v.ringProgress(all[i])
		if why := p.whyIncomplete(earlier); why != "" {
			return fmt.Sprintf("ring %s comes after ring %s, %s", ring, all[i], why)
		}
		if earlier.Done > 0 {
			continue
		}
		for _, name := range v.fleet.Rings[all[i]].Spec.After {
			if !slices.Contains(all, name) {
				all = append(all, name)
			}
		}
	}
	return ""
}

// whySharedDisk says which other machine reports a disk to be written, or "".
func (v *View) whySharedDisk(id inventory.MachineID, q Question) string {
	if why := v.whySeenElsewhere(id, q.Disk, "spec.rootDisk"); why != "" || q.Others == nil {
		return why
	}
	for _, disk := range *q.Others {
		if why := v.whySeenElsewhere(id, disk, "the Butane config"); why != "" {
			return why
		}
	}
	return ""
}

// whySeenElsewhere says which other machine reports the same disk, or "". A machine without facts reports no disk. The
// disk is named in a field of the fleet.
func (v *View) whySeenElsewhere(id inventory.MachineID, disk inventory.DiskID, field string) string {
	disk = v.machines[id].Facts.Volume(disk)
	for _, other := range v.findReporting(disk, id) {
		if m := v.machines[other]; m.Facts.Sees(disk) {
			return fmt.Sprintf("disk %s is seen by host %s too, so it is not written: name another disk in %s, take "+
				"the volume from one machine and have it inspected again, or run `ingot forget id:%s` if it has no such disk",
				disk.Label(), inventory.Label(m.Name, other), field, other)
		}
	}
	return ""
}

// whyWindowClosed says that no window of a ring is open, or "", and when the next window opens.
func whyWindowClosed(ring inventory.Ring, now time.Time) (why string, opens time.Time) {
	for _, w := range ring.Spec.Windows {
		schedule, err := schemas.ParseSchedule(w)
		length, bad := time.ParseDuration(w.Duration)
		if err != nil || bad != nil {
			continue // package schemas checked the window
		}
		if start := schedule.Next(now.Add(-length)); !start.IsZero() && !start.After(now) {
			return "", time.Time{}
		}
		if next := schedule.Next(now); opens.IsZero() || (!next.IsZero() && next.Before(opens)) {
			opens = next
		}
	}
	if len(ring.Spec.Windows) > 0 {
		why = fmt.Sprintf("ring %s changes in its windows only", ring.Name)
	}
	return why, opens
}
