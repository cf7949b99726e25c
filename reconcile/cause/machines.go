package cause

import (
	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/act"
	"github.com/gitmetal/ingot/reconcile/plan"
	"github.com/gitmetal/ingot/reconcile/plan/change"
	"github.com/gitmetal/ingot/schemas"
)

// fleetRows are the causes that stop every machine.
func fleetRows() []Row {
	return []Row{
		{"AnotherDaemon", "another daemon runs this fleet, and this daemon stands aside",
			"This daemon does nothing, because another daemon runs this fleet: {fleet}",
			"Stop one of the two daemons; if this one shall run the fleet, start it with `ingot serve --take-fleet`.",
			fleetIs(func(f Fleet) bool { return f.Another != "" })},
		{"NoCommitReadable", "no commit is accepted since the daemon's start, and the fleet cannot be read",
			"No machine is touched before the daemon can read the fleet: {fleet}",
			"Make the fleet's repository readable for the daemon, or correct `fleet` in its configuration.",
			fleetIs(func(f Fleet) bool { return f.Commit == "" && f.Source != "" })},
		{"NoCommitAccepted", "no commit is accepted since the daemon's start: the newest is refused, or none came",
			"No machine is touched before a commit of the fleet is accepted: {fleet}",
			"Push a commit that `ingot validate` accepts.",
			fleetIs(func(f Fleet) bool { return f.Commit == "" })},
		{"JournalUnread", "the record of the host cannot be read from the journal now",
			"The daemon cannot look at the machine, because the journal does not give its record: {error}",
			"Look at the disk and the memory of the daemon's machine, or at the etcd cluster; the daemon tries again.",
			func(c *Case) bool { return failed(c) && c.Action == "" }},
		{"JournalUnwritten", "the record of the host cannot be written into the journal now",
			"Nothing is done to the machine, because the journal does not take its record: {error}",
			"Look at the disk and the memory of the daemon's machine, or at the etcd cluster; the daemon tries again.",
			func(c *Case) bool { return failed(c) && c.Outcome.Unwritten }},
		{"NotLooked", "the daemon has not looked at the machine since its start",
			"The daemon has not looked at the machine since its start.",
			"Nothing: look again in a minute.",
			func(c *Case) bool { return c.Plan.Phase == "" }},
	}
}

// handsOffRows are the causes for which nothing is done to a machine.
func handsOffRows() []Row {
	return []Row{
		{"RecordUnreadable", "the journal's record, or without a record the page, cannot be read (NotBelieved)",
			"What the daemon remembers of the machine cannot be read: {hold}",
			"Restore the record or the page, or run the ingot that wrote it; otherwise run `ingot forget {id}`.",
			held(change.NotBelieved)},
		{"WriteEnds", "hands off, but a write that has begun ends or fails first",
			"Nothing new begins on the machine, and a write that has begun is finished: {waits}",
			nothing,
			func(c *Case) bool {
				job, known := jobOf(c)
				return inPhase(plan.Orphaned, plan.Protected, plan.Unmanaged, plan.Retired)(c) && known && job.Begun &&
					job.State == inventory.JobRunning
			}},
		{"Orphaned", "the file of the host is gone from the fleet",
			"The machine is left alone, because no file of the fleet names it any more.",
			"Put the file of the host back, or run `ingot forget {id}` if the machine is gone.",
			inPhase(plan.Orphaned)},
		{"Protected", "spec.protect is true",
			"The machine is left alone, because spec.protect is true in {file}.",
			"Take spec.protect out of {file} if something shall be done to the machine.",
			inPhase(plan.Protected)},
		{"KnownAs", "the machine is known under another id (KnownAs)",
			"{hold}", "Write the id that the sentence names into metadata.id, or correct spec.bmc.address and spec.identity.",
			held(change.KnownAs)},
		{"AnotherMachine", "the BMC, the agent or the file speaks of another machine than the known one (IdentityMismatch)",
			"Another machine than the known one answers: {hold}",
			"Correct spec.bmc.address and spec.identity; if the machine was replaced, run `ingot consent --takeover {host}`.",
			held(change.IdentityMismatch)},
		{"MemoryOld", "a system called that was installed after all that the daemon remembers (MemoryOld)",
			"The daemon's memory is older than the machine: {hold}",
			"Restore the newest journal or status branch; otherwise look at the machine and run `ingot forget {id}`.",
			held("MemoryOld")},
		{"Recalled", "the journal was lost, and the machine has not spoken of the work on its page (Recalled)",
			"{hold}", "Look at the machine; if the work is lost, run `ingot forget {id}`.",
			held(change.Recalled)},
		{"TokenAlarm", "two keys used the boot token, or the medium was read by somebody else (TokenAlarm)",
			"Nothing that the agent says counts: {hold}",
			"Find out who read the boot medium, then push any commit: it starts another boot.",
			held(change.TokenAlarm)},
	}
}

// idleRows are the causes of machines that nothing of the fleet is to be installed on.
func idleRows() []Row {
	return []Row{
		{"Claimed", "a workload with runs has claimed the machine",
			"{host} waits for {waits}", nothing, waits("workload ", "the machine to be off before its run")},
		{"Retired", "spec.retire was done: every disk of it is erased and read back",
			"The machine has left the fleet: {waits}", "Nothing: `ingot receipts {host}` shows what was erased.",
			inPhase(plan.Retired)},
		{"Unmanaged", "spec.lifecycle is not Managed",
			"The machine is watched only: {waits}",
			"Write lifecycle: Managed into {file} if something shall be done to the machine.",
			all(inPhase(plan.Unmanaged), not(either(waits(waitWorkload), awaitsKernel)))},
		{"IdleStaysOn", "the machine was told to go off, fell silent, and is on",
			"Nothing is to run on {host}; the machine was told to go off, its agent fell silent, and the machine is still on.",
			readConsole + ", and power the machine off at its BMC if its ramdisk hangs.",
			all(inPhase(plan.Unmanaged), waits("a workload, and the machine to go off"))},
		{"NoBMC", "the file of the host has no spec.bmc",
			"The daemon can neither look at the machine nor install anything, because {file} has no spec.bmc.",
			"Write spec.bmc into {file}.",
			all(either(waits(waitBMCLook), all(inPhase(plan.Unmanaged), waits(waitWorkload))), func(c *Case) bool {
				return c.Desired.BMC == nil && c.Desired.Lifecycle == schemas.Managed // the page of a host does not tell
			})},
		{"Unclaimed", "the machine is free for workloads with runs, and none has claimed it",
			"{host} is free for runs, and waits for {waits}",
			"Nothing; or have spec.hosts and spec.replicas of a Workload with runs take the machine in.",
			all(inPhase(plan.Unmanaged), waits("a workload that claims it"))},
		{"NoWorkload", "the fleet names no workload for the host",
			"The fleet names no workload for {host}, so nothing is installed.",
			"Write spec.workload into {file} if something shall be installed.",
			all(inPhase(plan.Unmanaged), waits(waitWorkload))},
	}
}

// bmcRows are the causes at the BMC, whatever is under way.
func bmcRows() []Row {
	return []Row{
		{"BMCJobRuns", "a power command is due, and a job runs at the BMC",
			"The machine's power is not changed now: {unsent}",
			"Wait for the end of the job, or end it at the BMC {bmc}.",
			func(c *Case) bool { return c.Outcome.Unsent && c.Outcome.Result == act.Waits }},
		{"BMCJobsUnread", "a power command is due, and the BMC does not say whether a job runs",
			"The machine's power is not changed now: {unsent}",
			"Run `ingot bmc check {bmc}`; restart the BMC, or let its account read the task service.",
			func(c *Case) bool { return c.Outcome.Unsent }},
		{"SecretUnusable", "the Secret with the BMC's credentials cannot be opened (SecretUnusable)",
			"The BMC {bmc} is not asked: {hold}",
			"Encrypt the Secret for the daemon with `ingot secret rotate`, or add its key to ageKeys of the daemon's configuration.",
			held(change.SecretUnusable)},
		{"BMCUnauthorized", "the BMC refuses the credentials (BMCUnauthorized)",
			"The BMC {bmc} does not let the daemon in: {hold}",
			"Put the right username and password into the Secret that spec.bmc.credentials names.",
			held(change.BMCUnauthorized)},
		{"BMCUnreachable", "the BMC does not answer (BMCUnreachable)",
			"The BMC {bmc} does not answer: {hold}",
			"Check spec.bmc.address, the BMC's network and its HTTPS service, with `ingot bmc check {bmc}`.",
			held(change.BMCUnreachable)},
		{"PowerUnknown", "the BMC answers, and does not say whether the machine is on (BMCRefused)",
			"The BMC {bmc} does not say whether the machine is on.",
			"Restart the BMC, or update its firmware; `ingot bmc check {bmc}` shows what it says.",
			all(held(change.BMCRefused), func(c *Case) bool { return c.Plan.Hold.Message == plan.PowerUntold })},
		{"BMCRefused", "the BMC answers with an error, or with something that ingot does not understand (BMCRefused)",
			"The BMC {bmc} refuses: {hold}",
			"Run `ingot bmc check {bmc}`: it says what is missing.",
			all(held(change.BMCRefused), not(refusedTo(act.PowerOn, act.PowerOff, act.InsertMedia, act.EjectMedia,
				act.BootFromMedia, act.BootFromDisk)))},
		{"BMCNotAsked", "the BMC was not asked yet",
			"The BMC was not asked yet.",
			nothing, waits(waitBMCLook)},
		{"FoundRunning", "the machine runs, and ingot did not start it (FoundRunning)",
			"The machine runs something that ingot did not start, so it is not powered off.",
			"Run `ingot consent --takeover {host}` if the machine may be powered off.",
			held(change.FoundRunning)},
		{"StaysOn", "the machine does not go off, or comes on again by itself (StaysOn)",
			"{hold}",
			"Switch the machine off by hand, or reset its BMC; if the machine comes on by itself, find out what powers it on.",
			held(change.StaysOn)},
		{"SecureBootOff", "spec.boot.secureBoot is true, and Secure Boot is not enforced (SecureBootOff)",
			"The machine does not enforce Secure Boot, and {file} asks for it.",
			"Turn Secure Boot on in the machine's firmware, or take spec.boot.secureBoot out of {file}.",
			held(change.SecureBootOff)},
	}
}
