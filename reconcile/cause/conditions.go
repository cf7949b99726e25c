package cause

import (
	"slices"
	"strings"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/act"
	"github.com/gitmetal/ingot/reconcile/admit"
	"github.com/gitmetal/ingot/reconcile/plan"
	"github.com/gitmetal/ingot/reconcile/plan/change"
)

// condition is a part of the condition of a row.
type condition = func(*Case) bool

// all fits where every condition fits.
func all(conditions ...condition) condition {
	return func(c *Case) bool {
		return !slices.ContainsFunc(conditions, func(fits condition) bool { return !fits(c) })
	}
}

// either fits where at least one condition fits.
func either(conditions ...condition) condition {
	return func(c *Case) bool {
		for _, fits := range conditions {
			if fits(c) {
				return true
			}
		}
		return false
	}
}

// not fits where a condition does not fit.
func not(fits condition) condition { return func(c *Case) bool { return !fits(c) } }

// always fits every case.
func always(*Case) bool { return true }

// held fits a machine that is held for one of the reasons.
func held(reasons ...change.Reason) condition {
	return func(c *Case) bool { return c.Plan.Hold != nil && slices.Contains(reasons, c.Plan.Hold.Reason) }
}

// waits fits a machine that waits for something that begins with one of the texts, which package plan writes.
func waits(texts ...string) condition {
	return func(c *Case) bool {
		return slices.ContainsFunc(texts, func(text string) bool { return strings.HasPrefix(c.Plan.Waits, text) })
	}
}

// turn fits a machine whose step waits for other machines, for a reason of package admit.
func turn(reason admit.Reason) condition {
	return func(c *Case) bool { return c.Plan.Turn == string(reason) }
}

// inPhase fits a machine in one of the phases.
func inPhase(phases ...plan.Phase) condition {
	return func(c *Case) bool { return slices.Contains(phases, c.Plan.Phase) }
}

// failed fits where the action of the last look failed.
func failed(c *Case) bool { return c.Outcome.Result == act.Retry || c.Outcome.Result == act.Stalled }

// failedAt fits where one of the actions failed at the last look.
func failedAt(kinds ...act.Kind) condition {
	return func(c *Case) bool { return failed(c) && slices.Contains(kinds, c.Action) }
}

// failsAt fits where one of the actions failed at the last look, or is refused by the BMC for long.
func failsAt(kinds ...act.Kind) condition { return either(failedAt(kinds...), refusedTo(kinds...)) }

// refusedTo fits a machine that is held because its BMC has refused one of the actions for long.
func refusedTo(kinds ...act.Kind) condition {
	isRefused := held(change.BMCRefused)
	return func(c *Case) bool { return isRefused(c) && slices.Contains(kinds, c.Plan.Refused) }
}

// said fits where the serial console has shown a known text since the machine was powered on.
func said(sign Sign) condition {
	return func(c *Case) bool { return c.Observed.Console.Sign == string(sign) }
}

// fleetIs fits what holds for all machines.
func fleetIs(fits func(Fleet) bool) condition {
	return func(c *Case) bool { return c.Fleet != nil && fits(*c.Fleet) }
}

// enrolled fits a machine with an agent of its present boot.
func enrolled(c *Case) bool {
	b := c.Observed.Record.Boot
	return b != nil && c.Observed.Agent.Boot == b.ID
}

// startsRamdisk fits a machine that was powered on to start the ramdisk and whose agent has not enrolled, or a machine
// whose boots were given up.
func startsRamdisk(c *Case) bool {
	switch b := c.Observed.Record.Boot; {
	case b != nil && b.Target != inventory.FromRamdisk:
		return false
	case b == nil || b.Stage != inventory.Running:
		return held(change.BootFailed)(c)
	default:
		return !enrolled(c) && c.Plan.Phase != plan.Active
	}
}

// awaitsCall fits a machine that was started from its disk and whose system has not called.
func awaitsCall(c *Case) bool {
	op := c.Observed.Record.Operation
	return held(change.NoPhoneHome)(c) || waits(waitCall)(c) && op != nil && op.Stage == inventory.Confirming
}

// wasRead fits where a good part of a part of the boot medium was read.
func wasRead(part string) condition {
	return func(c *Case) bool { return c.Observed.Media.WasRead(part) }
}

// layoutIsKnown fits where the parts of the boot medium are known.
func layoutIsKnown(c *Case) bool { return c.Observed.Media.LayoutIsKnown() }

// mediumRead fits where the boot medium was read at all.
func mediumRead(c *Case) bool { return c.Observed.Media.Reads > 0 }

// mediumServed fits where the daemon serves a boot medium, so that its reads are known.
func mediumServed(c *Case) bool { return c.Observed.Media.URL != "" }

// boots counts boots in a row without a result.
func boots(most int) condition {
	return func(c *Case) bool {
		b := c.Observed.Record.Boot
		return b != nil && b.Attempt > most
	}
}

// gaveUp fits a machine whose last operation was given up.
func gaveUp(c *Case) bool {
	rec := c.Observed.Record
	return rec.Operation == nil && rec.Last != nil && rec.Last.Outcome == inventory.Quarantined &&
		(inPhase(plan.Failed)(c) || held(change.InstallFailed)(c))
}

// tries fits a machine with an operation whose earlier attempt failed.
func tries(c *Case) bool {
	op := c.Observed.Record.Operation
	return op != nil && op.Error != "" && op.Stage != inventory.Confirming
}

// failedStep fits where the last failed attempt failed at a step of a kind.
func failedStep(fits func(inventory.StepState) bool) condition {
	return func(c *Case) bool {
		step, known := findFailedStep(c)
		return known && fits(step)
	}
}

// findFailedStep finds the step at which the last failed attempt failed.
func findFailedStep(c *Case) (inventory.StepState, bool) {
	op := c.Observed.Record.Operation
	if op == nil {
		op = c.Observed.Record.Last
	}
	if op == nil {
		return inventory.StepState{}, false
	}
	i := slices.IndexFunc(op.Steps, func(s inventory.StepState) bool { return s.State == inventory.StepFailed })
	if i < 0 {
		return inventory.StepState{}, false
	}
	return op.Steps[i], true
}

func isInstall(s inventory.StepState) bool { return s.Installs() }
func isScript(s inventory.StepState) bool  { return !s.Installs() }
