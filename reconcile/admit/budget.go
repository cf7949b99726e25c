package admit

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gitmetal/ingot/inventory"
)

// The limits in this file count what operations did over the whole fleet: erases in an hour, machines of one failure
// domain, and failures of one workload. They bound the damage of a change that is wrong on every machine.

// A workload stops after maxFailures failures in its last countedResults operations: docs/safety.md, section 14.
const (
	countedResults = 10
	maxFailures    = 3
)

// Result is the result of a machine's newest operation with known result.
type Result struct {
	Inputs string // SharedInputs of the workload; "" without such an operation
	At     int64  // seconds since 1970
	Failed bool
}

// describeResult gives the result of a machine's newest operation. An operation that is being given up, or waits, after
// its writes began counts as failed. A superseded operation has no result.
func describeResult(rec inventory.Record, live Live) Result {
	op, last := rec.Operation, rec.Last
	switch {
	case op != nil && op.HasBegun() && (live.Stance == OnHold || live.Stance == Stopped):
		return Result{Inputs: SharedInputs(op.Workload, op.Parts), At: op.Started.Unix(), Failed: true}
	case last != nil && last.Outcome != inventory.Superseded:
		return Result{Inputs: SharedInputs(last.Workload, last.Parts), At: last.Ended.Unix(),
			Failed: last.Outcome == inventory.Quarantined}
	default:
		return Result{}
	}
}

// updateBudgets updates the counters of this file after a change of one machine.
func (v *View) updateBudgets(id inventory.MachineID, before, now Machine) {
	if before.Busy {
		v.domains[before.Domain]--
	}
	if now.Busy {
		v.domains[now.Domain]++
	}
	if before.Erasing {
		v.erasing--
	}
	if now.Erasing {
		v.erasing++
	}
	if delete(v.erased, id); now.Erased != (Erases{}) {
		v.erased[id] = now.Erased
	}
	if before.Result != now.Result {
		delete(v.stopped, before.Result.Inputs)
		delete(v.stopped, now.Result.Inputs)
	}
	if before.Result.Inputs != now.Result.Inputs {
		if delete(v.results[before.Result.Inputs], id); len(v.results[before.Result.Inputs]) == 0 {
			delete(v.results, before.Result.Inputs)
		}
		if now.Result.Inputs == "" {
			return
		}
		if v.results[now.Result.Inputs] == nil {
			v.results[now.Result.Inputs] = map[inventory.MachineID]bool{}
		}
		v.results[now.Result.Inputs][id] = true
	}
}

// whyManyErases says why no further disk with content is erased now, or "", and when the next erase may begin. An
// operation under way that has not begun to write counts as an erase. For steps behind Begin, a machine that counts so
// already needs no further room.
func (v *View) whyManyErases(m Machine, q Question, now time.Time) (why string, until time.Time) {
	limit := v.fleet.ErasesPerHour
	if !q.Erases || limit == 0 || m.Erasing && q.Step != Begin {
		return "", time.Time{}
	}
	recent := v.recentErases(now)
	over := len(recent) + v.erasing - limit
	if over < 0 {
		return "", time.Time{}
	}
	if over < len(recent) {
		until = recent[over].Add(time.Hour)
	}
	return fmt.Sprintf("its turn to be erased: the limit is %d machines with data within an hour", limit), until
}

// recentErases gives the starts of erases within the hour before now, sorted. A machine whose erases are all older is
// dropped from the list until its next erase.
func (v *View) recentErases(now time.Time) (starts []time.Time) {
	for id, erases := range v.erased {
		old := true
		for _, at := range erases {
			if start := time.Unix(at, 0); at != 0 && start.After(now.Add(-time.Hour)) {
				starts, old = append(starts, start), false
			}
		}
		if old {
			delete(v.erased, id)
		}
	}
	slices.SortFunc(starts, time.Time.Compare)
	return starts
}

// whyDomainBusy says that enough machines of the same failure domain are under way, or "".
func (v *View) whyDomainBusy(m Machine, step Step) string {
	limit := v.fleet.DomainLimit
	if m.Domain == "" || limit == 0 || m.hasPlace(step) || v.domains[m.Domain]-m.counts() < limit {
		return ""
	}
	return fmt.Sprintf("its turn: %d hosts with label %s: %s are being installed or inspected at a time", limit,
		v.fleet.DomainLabel, m.Domain)
}

// WhyWorkloadFailed says why no further operation with a workload's inputs begins, or "": too many of the newest
// operations with these inputs failed. Results from before an operator's resume do not count. The answer is kept until
// a result changes: every waiting machine asks.
func (v *View) WhyWorkloadFailed(inputs string) string {
	why, known := v.stopped[inputs]
	if !known {
		why = v.countFailures(inputs)
		v.stopped[inputs] = why
	}
	return why
}

// countFailures is WhyWorkloadFailed, counted anew.
func (v *View) countFailures(inputs string) string {
	var ids []inventory.MachineID
	resumed := v.fleet.Resumed[inputs].Unix()
	for id := range v.results[inputs] {
		if v.machines[id].Result.At > resumed {
			ids = append(ids, id)
		}
	}
	slices.SortFunc(ids, func(a, b inventory.MachineID) int {
		if d := v.machines[b].Result.At - v.machines[a].Result.At; d != 0 {
			return int(max(-1, min(d, 1)))
		}
		return strings.Compare(string(a), string(b))
	})
	ids = ids[:min(len(ids), countedResults)]
	var failed []string
	for _, id := range ids {
		if m := v.machines[id]; m.Result.Failed {
			failed = append(failed, m.Name)
		}
	}
	if len(failed) < maxFailures {
		return ""
	}
	slices.Sort(failed)
	return fmt.Sprintf("stopped: %d of the last %d operations with these inputs failed (%s): change what is installed, "+
		"or look at the machines and run `ingot resume WORKLOAD`", len(failed), len(ids),
		strings.Join(failed[:maxFailures], ", "))
}

// LimitErases is the limit of erases within an hour: the daemon's, or by default 10, or a tenth of the hosts where that
// is more. The fleet can only lower the limit; 0 asks for nothing.
func LimitErases(daemon, asked, hosts int) int {
	limit := cmp.Or(daemon, max(10, hosts/10))
	if asked > 0 {
		limit = min(asked, limit)
	}
	return limit
}
