package cause

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/plan"
)

// Evidence is one thing that the daemon saw or did.
type Evidence struct {
	Of   string    `json:"of"` // what the evidence is of: one of the Of constants
	At   time.Time `json:"at,omitzero"`
	Text string    `json:"text"`
}

// What evidence is of, in the order of Collect.
const (
	OfLook      = "look"
	OfFleet     = "fleet"
	OfOperation = "operation"
	OfSteps     = "steps"
	OfBoot      = "boot"
	OfPower     = "power"
	OfMedium    = "medium"
	OfAgent     = "agent"
	OfJob       = "job"
	OfLogs      = "logs" // kept by the daemon; Collect gives none
	OfLeave     = "leave"
	OfCall      = "call"
	OfConsole   = "console"
	OfDeadline  = "deadline"
)

// Collect gives the evidence of a case, in a fixed order; parts that are not known give none.
func Collect(c Case) []Evidence {
	return slices.Concat(lookEvidence(&c), operationEvidence(c.Observed.Record), bootEvidence(&c), agentEvidence(&c),
		consoleEvidence(c.Observed.Console), deadlineEvidence(*c.Plan))
}

// lookEvidence is about the last look and the fleet.
func lookEvidence(c *Case) (list []Evidence) {
	if !c.Looked.IsZero() {
		text := "the last look at the machine"
		if c.Action != "" {
			text += ", which did " + string(c.Action)
		}
		list = append(list, Evidence{OfLook, c.Looked, text})
	}
	if why := cmp.Or(c.Error, c.Outcome.Why); failed(c) || c.Error != "" {
		list = append(list, Evidence{Of: OfLook, Text: "the last error: " + why})
	}
	if at := c.Observed.Fleet.LookedAt; !at.IsZero() {
		list = append(list, Evidence{OfFleet, at, "the last good look at the fleet's repository"})
	}
	f := fleetOf(c)
	for _, trouble := range []struct{ what, why string }{{"nothing is done", f.Another},
		{"the fleet cannot be read", f.Source}, {"the newest commit is refused", f.Refused},
		{"the status branch is not pushed", f.Publish}} {
		if trouble.why != "" {
			list = append(list, Evidence{Of: OfFleet, Text: trouble.what + ": " + trouble.why})
		}
	}
	return list
}

// operationEvidence is about the operation under way, or else about the last operation.
func operationEvidence(rec inventory.Record) (list []Evidence) {
	op := rec.Operation
	if op == nil {
		op = rec.Last
	}
	if op == nil {
		return nil
	}
	text := fmt.Sprintf("%s of %s is %s", op.ID, op.Workload, op.Stage)
	if step := op.Describe(); step != "" {
		text += ", " + step
	}
	if op.Attempt > 1 {
		text += fmt.Sprintf(", attempt %d", op.Attempt)
	}
	if op.Outcome != "" {
		text += ", " + op.Outcome
	}
	list = append(list, Evidence{OfOperation, op.Started, text})
	if op.Error != "" {
		list = append(list, Evidence{OfOperation, op.Ended, "its error: " + op.Error})
	}
	list = append(list, stepsEvidence(*op)...)
	for _, disk := range op.Disks {
		text := nameDisk(disk.Disk) + ": nothing was written"
		if disk.Begun != 0 {
			text = fmt.Sprintf("%s: may be written to since attempt %d", nameDisk(disk.Disk), disk.Begun)
		}
		if disk.Begun == inventory.BegunUnknown {
			text = nameDisk(disk.Disk) + ": may be written to, the attempt is not known"
		}
		list = append(list, Evidence{Of: OfOperation, Text: text})
	}
	return list
}

// stepsEvidence is about the steps of an operation of which one failed: which, and what is left.
func stepsEvidence(op inventory.Operation) (list []Evidence) {
	done, left := 0, []string{}
	for i, step := range op.Steps {
		switch step.State {
		case inventory.StepDone, inventory.StepSkipped:
			done++
			continue
		case inventory.StepFailed:
			list = append(list, Evidence{Of: OfSteps, Text: fmt.Sprintf("step %d of %d, %s, failed in attempt %d", i+1, len(op.Steps),
				step.Key(), step.Attempt)})
		}
		left = append(left, step.Key())
	}
	if len(list) == 0 {
		return nil
	}
	text := fmt.Sprintf("%d of %d steps are done, left: %s", done, len(op.Steps), strings.Join(left, ", "))
	return append(list, Evidence{Of: OfSteps, Text: text})
}

// bootEvidence is about the boot, the power and the boot medium.
func bootEvidence(c *Case) (list []Evidence) {
	if b := c.Observed.Record.Boot; b != nil {
		list = append(list, Evidence{OfBoot, b.Opened,
			fmt.Sprintf("boot %d from the %s was opened, epoch %d", b.Attempt, b.Target, b.Epoch)})
		if b.Before != "" {
			list = append(list, Evidence{Of: OfBoot, Text: "the boot before got nowhere: " + b.Before})
		}
		if !b.Started.IsZero() {
			list = append(list, Evidence{OfPower, b.Started, "the BMC accepted the power-on"})
		}
	}
	list = append(list, powerEvidence(c.Observed.BMC)...)
	media := c.Observed.Media
	if media.URL == "" {
		return list
	}
	text := "nobody has read the boot medium"
	if media.Reads > 0 {
		text = fmt.Sprintf("the boot medium was read %d times", media.Reads)
	}
	list = append(list, Evidence{OfMedium, media.Last, text})
	for _, part := range media.Parts {
		list = append(list, Evidence{OfMedium, part.Last, describePart(part)})
	}
	return list
}

// describePart says how much of a part of the medium was read.
func describePart(p inventory.MediumPart) string {
	switch {
	case p.Read == 0:
		return fmt.Sprintf("%s: not read (%d bytes)", p.Name, p.Size)
	case p.Read >= p.Size:
		return fmt.Sprintf("%s: read (%d bytes)", p.Name, p.Size)
	default:
		return fmt.Sprintf("%s: %d of %d bytes read", p.Name, p.Read, p.Size)
	}
}

// powerEvidence is about the last answer of the BMC.
func powerEvidence(bmc inventory.BMCState) (list []Evidence) {
	switch bmc.Reach {
	case inventory.NotAsked:
		return nil
	case inventory.Reached:
		text := "the BMC says " + cmp.Or(string(bmc.Power), "neither On nor Off")
		if o := bmc.Override; o.Target != "" && o.Target != "None" {
			text += fmt.Sprintf(", the next start is from %s (%s)", o.Target, o.Enabled)
		}
		list = append(list, Evidence{OfPower, bmc.At, text})
	case inventory.SecretUnusable:
		list = append(list, Evidence{OfPower, bmc.At, "the BMC is not asked: " + bmc.Error})
	default:
		list = append(list, Evidence{OfPower, bmc.At, fmt.Sprintf("the BMC is %s: %s", strings.ToLower(string(bmc.Reach)),
			bmc.Error)})
	}
	for _, slot := range bmc.Media {
		if slot.Inserted {
			list = append(list, Evidence{OfMedium, bmc.At, "a medium is in drive " + slot.ID})
		}
	}
	return list
}

// agentEvidence is about the agent, its job, its question for leave, and the call of the installed system.
func agentEvidence(c *Case) (list []Evidence) {
	agent, b := c.Observed.Agent, c.Observed.Record.Boot
	if ours := b != nil && agent.Boot == b.ID && agent.Boot != ""; ours {
		list = append(list, Evidence{OfAgent, agent.Enrolled, "the agent enrolled"})
		if agent.Seen.After(agent.Enrolled) {
			list = append(list, Evidence{OfAgent, agent.Seen, "the agent's last word"})
		}
	} else if b != nil && b.Target == inventory.FromRamdisk {
		list = append(list, Evidence{Of: OfAgent, Text: "no agent of this boot has enrolled"})
	}
	for _, trouble := range []string{agent.Alarm, agent.Unknown} {
		if trouble != "" {
			list = append(list, Evidence{Of: OfAgent, Text: trouble})
		}
	}
	if job, known := jobOf(c); known {
		list = append(list, jobEvidence(job)...)
	}
	if call := agent.PhoneHome; call != nil {
		list = append(list, Evidence{OfCall, call.At, fmt.Sprintf("the system of install %s called", call.Install)})
	}
	return list
}

// scriptJob is wire.JobStep: the kind of job whose progress is in a unit of its script.
const scriptJob = "step"

// jobEvidence is about a job and its question for leave.
func jobEvidence(job inventory.Job) (list []Evidence) {
	text := fmt.Sprintf("job %s is %s", job.ID, job.State)
	if job.Step != "" {
		text += ", step " + job.Step
	}
	switch {
	case job.Total > 0 && job.Kind == scriptJob:
		text += fmt.Sprintf(", %d of %d", job.Done, job.Total)
	case job.Total > 0:
		text += fmt.Sprintf(", %d of %d bytes", job.Done, job.Total)
	}
	if job.Error != "" {
		text += ": " + job.Error
	}
	list = append(list, Evidence{OfJob, job.Since, text})
	if q := job.Question; q != nil {
		answer := "and is not answered yet"
		if job.Begun {
			answer = "and leave was given"
		}
		list = append(list, Evidence{OfLeave, q.At, fmt.Sprintf("the agent asks leave to write to %d disks, %s",
			len(q.Disks), answer)})
	} else if job.Begun {
		list = append(list, Evidence{Of: OfLeave, Text: "leave to write was given for this job"})
	}
	return list
}

// consoleEvidence is the console's known text and its last lines.
func consoleEvidence(console inventory.ConsoleState) (list []Evidence) {
	if console.Reading != "" {
		list = append(list, Evidence{Of: OfConsole, Text: console.Reading})
	}
	if console.Line != "" {
		list = append(list, Evidence{OfConsole, console.At, "known text: " + console.Line})
	}
	for _, line := range console.Tail {
		list = append(list, Evidence{Of: OfConsole, Text: "| " + line})
	}
	return list
}

// deadlineEvidence is the deadline of the wait.
func deadlineEvidence(p plan.Plan) []Evidence {
	if p.Due.IsZero() {
		return nil
	}
	return []Evidence{{OfDeadline, p.Due, "until then it waits for " + cmp.Or(p.Waits, "the next look")}}
}
