package act

import (
	"strings"
	"time"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/runs"
)

// WithdrawalReason words why the job of a run is taken back, so that the outcome can be read back from the ended job.
func WithdrawalReason(outcome runs.Outcome, why string) string { return string(outcome) + ": " + why }

// ReadWithdrawal is the outcome behind the reason of a job that was taken back.
func ReadWithdrawal(reason string) (outcome runs.Outcome, why string) {
	word, rest, found := strings.Cut(reason, ": ")
	if outcome = runs.Outcome(word); !found || outcome == "" || !outcome.IsKnown() {
		return runs.Lost, reason
	}
	return outcome, rest
}

// recordRun is the record after a step of a run. A run stays in the record until the machine is free again.
func recordRun(rec inventory.Record, a Action, now time.Time) inventory.Record {
	run := runs.UnderWay{}
	if rec.Run != nil {
		run = *rec.Run
	}
	switch a.Kind {
	case OpenRun:
		run = *a.Run
		run.Stage = runs.Booting
	case AssignRun:
		run.Stage, run.Handed, run.Boot = runs.Running, true, rec.Boot.ID
	case EndRun:
		boot := run.Boot
		run = *a.Run
		run.Stage, run.Boot = runs.Over, boot
		if run.Ended.Ended.IsZero() {
			run.Ended.Ended = now.UTC()
		}
		switch {
		case run.Outcome == runs.Lost, a.Lost:
			rec.LostRuns++
		case run.Outcome == runs.Succeeded, run.Outcome == runs.Failed:
			rec.LostRuns = 0
		}
	case ForgiveRuns:
		rec.LostRuns = 0
		return rec
	case FreeRun:
		rec.Run, rec.Boot = nil, nil
		return rec
	default:
		panic("act: no action of a run: " + string(a.Kind))
	}
	rec.Run = &run
	return rec
}
