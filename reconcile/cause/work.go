package cause

import (
	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/act"
	"github.com/gitmetal/ingot/reconcile/plan"
	"github.com/gitmetal/ingot/reconcile/plan/change"
)

// keptRows are the causes of machines that are left on after a failure, whatever else holds them.
func keptRows() []Row {
	return []Row{
		{"KeptOn", "the operation was given up, and the machine is left on for a person (spec.onFailure: Keep)",
			"The operation was given up, and the machine is left on in the ramdisk, as Workload {workload} says: {error}",
			"Look at the machine and at `ingot logs {host}`; then switch it off, or go on: {hold}",
			waits("a person to look at the machine")},
	}
}

// attemptRows are the causes of operations that failed, or whose last attempt failed.
func attemptRows() []Row {
	return []Row{
		{"ScriptFailed", "the operation was given up at a script",
			"The operation was given up at script {step}: {error}",
			"`ingot logs {host}` has what it said; mend it, or what it needs, and push; `ingot retry {host}` tries the same again.",
			all(gaveUp, failedStep(isScript))},
		{"InstallFailed", "the operation was given up at the install",
			"The install was given up after its last attempt failed: {error}",
			"Mend what the error names (`ingot logs {host}` has more), then run `ingot retry {host}`, or change what is installed.",
			all(gaveUp, failedStep(isInstall))},
		{"GivenUp", "the operation was given up for another reason (InstallFailed)",
			"The install was given up: {error}",
			"Mend what the sentence names, then run `ingot retry {host}`, or change what is installed.",
			either(gaveUp, held(change.InstallFailed))},
		{"StepOnHold", "a step of the workload waits for a person (OnHold)",
			"Step {step} waits for a person.",
			"Run `ingot resume {host}` when the machine may go on.",
			held(change.OnHold)},
		{"ScriptRetried", "a script failed, and the next attempt is under way",
			"Script {step} failed, and attempt {attempt} is under way: {error}",
			"Nothing yet; if it is the script, mend it and push.",
			all(tries, failedStep(isScript), not(failed))},
		{"InstallRetried", "an attempt failed, and the next attempt is under way",
			"An attempt failed, and attempt {attempt} is under way: {error}",
			"Nothing yet; after the third failure the operation is given up.",
			all(tries, not(failed))},
	}
}

// effectRows are the causes in an action that failed.
func effectRows() []Row {
	return []Row{
		{"PushRefused", "the status branch cannot be pushed, and nothing begins before",
			"Nothing begins before the status branch can be pushed: {push}",
			"Let the daemon push its status branch: the rules and hooks of the branch, the key, the network.",
			either(held(change.NotPublished), failedAt(act.Publish), all(failedAt(act.OpenBoot),
				fleetIs(func(f Fleet) bool { return f.Publish != "" })))},
		{"PowerRefused", "the BMC does not power the machine on or off",
			"The BMC does not power the machine on or off: {error}",
			"Run `ingot bmc check {bmc}`; power the machine by hand if its BMC hangs.",
			failsAt(act.PowerOn, act.PowerOff)},
		{"MediumRefused", "the BMC does not take or eject the boot medium",
			"The BMC does not take or eject the boot medium: {error}",
			"Run `ingot bmc check {bmc}`: licence, virtual media service, and a URL that the BMC accepts.",
			failsAt(act.InsertMedia, act.EjectMedia)},
		{"OverrideRefused", "the BMC does not take the boot device",
			"The BMC does not take the boot device for the next start: {error}",
			"Run `ingot bmc check {bmc}`, and set the boot order in the firmware if the BMC cannot.",
			failsAt(act.BootFromMedia, act.BootFromDisk)},
		{"StepNotHandedOut", "the daemon cannot give the agent its next step",
			"The agent cannot be given its next step: {error}",
			"Mend what the sentence names: the image, the config or the Secret of Workload {workload}.",
			failedAt(act.AssignStep, act.WithdrawJob, act.AssignPowerOff)},
		{"ActionFailed", "another action failed",
			"The last action failed, and is tried again: {error}",
			"Mend what the sentence names.", failed},
	}
}

// agentRows are the causes at the agent in the ramdisk.
func agentRows() []Row {
	asks := func(c *Case) bool {
		job, known := jobOf(c)
		return known && job.Question != nil
	}
	state := func(want inventory.JobState) condition {
		return func(c *Case) bool {
			job, known := jobOf(c)
			return known && job.State == want
		}
	}
	return []Row{
		{"LeaveAwaitsGit", "the agent asks leave to write, and the fleet cannot be looked at",
			"The agent asks leave to write, and the daemon cannot look at the fleet: it waits for {waits}",
			"Make the fleet's repository readable for the daemon: nothing is written before.",
			waits(waitFleet + ":")},
		{"LeaveAsked", "the agent asks leave to write, and is not answered yet",
			"The agent has opened the disk and asks leave to write; the daemon looks at the fleet before it answers.",
			nothing, either(asks, waits(waitFleet))},
		{"AgentUnknown", "the daemon cannot tell what the agent said",
			"{waits}", "Look at the journal of the daemon; the daemon tries again.",
			waits("the daemon cannot tell")},
		{"AgentQuiet", "the agent has not said since the daemon's start whether it works",
			"The agent has not said yet, since the daemon's start, whether it works on a job.",
			nothing, waits("the agent to say whether")},
		{"FactsAwaited", "the agent has enrolled and not reported the hardware",
			"The agent has enrolled, and has not reported the hardware yet.",
			nothing, waits("the agent's report")},
		{"StepEnds", "a job was taken back, and its present step ends first",
			"{host} waits for {waits}", nothing, waits("the agent to end the step")},
		{"PowerOffAwaited", "the agent was told to power its machine off",
			"The agent was told to power its machine off, and the machine is still on.",
			"Nothing: after its deadline the BMC powers the machine off.",
			waits("the agent to power", "the machine to power off")},
		{"JobNotTaken", "the agent has a job and has not begun it",
			"The agent has not taken up its job yet.",
			"Nothing yet; after the deadline the job is taken back, and `ingot console {host}` shows why.",
			waits("the agent to take the job up")},
		{"Writing", "the agent writes the image",
			"The agent writes the image of {workload} to {disk}.", nothing,
			either(waits("the agent to write"), all(state(inventory.JobRunning), failedStep(isInstall)))},
		{"ScriptRuns", "the agent runs a script",
			"The agent runs script {step}.", nothing, waits("the agent to end step")},
	}
}

// waitRows are the causes that end by themselves.
func waitRows() []Row {
	return []Row{
		{"CallAwaited", "the system was started and has not called yet",
			"The installed system was started, and has not called yet.", nothing, waits(waitCall)},
		{"RunUnderWay", "a run of a workload is under way, or its machine is being freed",
			"{host} waits for {waits}", nothing,
			waits("the end of ", "the machine to read the kernel", "the agent to end the run", "the batch of workload", waitOff)},
		{"KeptOff", "somebody keeps the machine off (spec.offBy)",
			"{host} waits for whoever keeps it off: {waits}",
			"Take the keys out of spec.offBy in {file} when the machine may go on.",
			waits("kept off by", "the start of the written system")},
		{"ShutsDown", "the system was asked to shut down for a reboot of spec.requests",
			"The system was asked to shut down for a reboot, and the machine is still on.",
			"Nothing yet; after its deadline the reboot ends, and `ingot status {host}` says so.",
			waits("the system to shut down")},
		{"ComesOn", "the machine was powered on, and is not on yet",
			"The machine was powered on, and the BMC does not say yet that it is on.", nothing,
			waits("the machine to come on")},
		{"Forgotten", "what was known of the machine was dropped",
			"What was known of the machine was dropped, and the daemon looks at it next.", nothing,
			waits("a look, as what was known")},
		{"Pushing", "the host is being pushed to the status branch",
			"The operation is being pushed to the status branch: the machine is not touched before.", nothing,
			func(c *Case) bool {
				return c.Outcome.Result == act.Waits && (c.Action == act.Publish || c.Action == act.OpenBoot)
			}},
		{"FleetUnread", "the fleet cannot be read, and the last good commit stays",
			"The fleet cannot be read, so newer commits do nothing: {source}",
			"Make the fleet's repository readable for the daemon.",
			all(settled, fleetIs(func(f Fleet) bool { return f.Source != "" }))},
		{"CommitRefused", "the newest commit is refused, and the last good commit stays",
			"The newest commit is refused and changes nothing: {refused}",
			"Push a commit that `ingot validate` accepts.",
			all(settled, fleetIs(func(f Fleet) bool { return f.Refused != "" }))},
		{"UnderWay", "the next action is due",
			"It goes on: {doing}", nothing, func(c *Case) bool { return c.Plan.Action != nil }},
	}
}

// settled fits a machine for which nothing is due.
func settled(c *Case) bool { return c.Plan.Action == nil && inPhase(plan.Active)(c) }

// quietRows are the causes of machines for which nothing is due.
func quietRows() []Row {
	return []Row{
		{"NotPushed", "the machine runs what the fleet asks for, and its page cannot be pushed",
			"{host} runs what the fleet asks for, and the status branch cannot be pushed: {push}",
			"Let the daemon push its status branch: the rules and hooks of the branch, the key, the network.",
			all(settled, fleetIs(func(f Fleet) bool { return f.Publish != "" }))},
		{"ActiveChangePending", "the machine is Active, and the trunk has a change that its ring has not released",
			"{host} runs what ring {ring} releases, and the trunk has a change that the ring has not released: {pending}",
			"Tag the release of ring {ring} when it shall come.",
			all(inPhase(plan.Active), func(c *Case) bool { return c.Desired.Pending != "" })},
		{"Active", "the machine runs what the fleet asks for",
			"{host} runs what the fleet asks for.", "Nothing.", inPhase(plan.Active)},
		{"OtherHold", "a hold of another version of ingot",
			"{hold}", "Do what the sentence says.", func(c *Case) bool { return c.Plan.Hold != nil }},
		{"OtherWait", "a wait of another version of ingot",
			"It waits for {waits}", "Look again in a minute.", func(c *Case) bool { return c.Plan.Waits != "" }},
		{"Unknown", "no other cause fits",
			"The daemon does not say why the machine is where it is.",
			"Run `ingot status {host}`, and report what it prints.", always},
	}
}
