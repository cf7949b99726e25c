package cause

import (
	"strings"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/act"
	"github.com/gitmetal/ingot/reconcile/admit"
	"github.com/gitmetal/ingot/reconcile/plan"
	"github.com/gitmetal/ingot/reconcile/plan/change"
	"github.com/gitmetal/ingot/reconcile/plan/kernelboot"
)

// contentChanged fits where an operation ended before a write, because the disk was not as it was allowed.
func contentChanged(c *Case) bool {
	last := c.Observed.Record.Last
	return last != nil && last.Outcome == inventory.Superseded &&
		(strings.Contains(last.Error, "changed since the consent") || strings.Contains(last.Error, "was blank and is not"))
}

// diskRows are the causes at the root disk.
func diskRows() []Row {
	return []Row{
		{"NoDisk", "no disk matches spec.rootDisk (NoDisk)",
			"{hold}", "Correct spec.rootDisk in {file}; or put the disk into the machine, and run `ingot retry {host}`: it is looked at again.", held(change.NoDisk)},
		{"SeveralDisks", "two or more disks match spec.rootDisk (SeveralDisks)",
			"{hold}", "Name one disk in spec.rootDisk of {file}, as the sentence says; or take the other out, and run `ingot retry {host}`: it is looked at again.", held(change.SeveralDisks)},
		{"DiskChanged", "spec.rootDisk finds another disk than the last install wrote (DiskChanged)",
			"{hold}", "Change spec.rootDisk in {file} if the disk was replaced; if the old one is back, run `ingot retry {host}`: it is looked at again.", held(change.DiskChanged)},
		{"DiskUnreadable", "the agent could not read the disk (DiskUnreadable)",
			"{hold}", "Name another disk in spec.rootDisk of {file}; or replace the disk, and run `ingot retry {host}`: it is looked at again.", held(change.DiskUnreadable)},
		{"DiskShared", "another machine reports the same disk (DiskShared)",
			"{hold}", "Name another disk in spec.rootDisk of {file}; or take the volume from a machine, and write a new text into its spec.requests.inspect.",
			held(change.DiskShared)},
		{"ContentChanged", "the content of the disk changed after the permission, and the new content needs consent",
			"What is on {disk} is not what was allowed to be erased: it holds {content} now.",
			"Look at what is on the disk; if it may be erased, run `ingot consent {host}`.",
			all(held(change.NeedsConsent, change.ConsentForOther), contentChanged)},
	}
}

// permissionRows are the causes that ask people for a permission.
func permissionRows() []Row {
	mayHaveWritten := func(c *Case) bool { return c.Observed.Record.Operation != nil }
	return []Row{
		{"PermissionWithdrawn", "a failed attempt may have written, and the permission for another attempt was withdrawn",
			"{hold}", "Run `ingot consent {host}`, or have a second person sign the tag.",
			all(held(change.NeedsConsent, change.NeedsSigners), mayHaveWritten)},
		{"NeedsConsent", "the change erases a disk, and the fleet has no consent (NeedsConsent)",
			"{work} erases {disk}, which holds {content}, and the fleet has no consent for it.",
			"If the disk may be erased, run `ingot consent {host}`.", held(change.NeedsConsent)},
		{"ConsentSpent", "the consent in the fleet was used by an earlier operation (ConsentSpent)",
			"The consent in {file} was used by an earlier operation, and {disk} holds {content} now.",
			"If the disk may be erased, run `ingot consent {host}`.", held(change.ConsentSpent)},
		{"ConsentForOther", "the consent in the fleet is for another host, disk, content or target (ConsentForOther)",
			"The consent in {file} does not allow this change: {hold}",
			"If the disk may be erased, run `ingot consent {host}`.", held(change.ConsentForOther)},
		{"NeedsSigners", "the change erases a disk, and a signature is missing (NeedsSigners)",
			"{hold}", "Have somebody else who may sign tags sign {tag} too; `ingot status {host}` prints the commands.",
			held(change.NeedsSigners)},
		{"OtherDisks", "the config of the workload writes to other disks than the root disk (OtherDisks)",
			"{hold}", "Write spec.install.otherDisks: Allowed into Workload {workload} if that is meant.",
			held(change.OtherDisks)},
		{"Frozen", "the history, or the release of the ring, cannot be trusted, so that nothing is erased (Frozen)",
			"{hold}", "Look at the history; if it is right, run `ingot trust repin`.", held(change.Frozen)},
	}
}

// awaitsKernel fits a machine whose run waits for what it boots.
var awaitsKernel = waits(kernelboot.WaitFetched, kernelboot.WaitUnusable, kernelboot.WaitTrusted)

// inputRows are the causes in what would be installed or booted.
func inputRows() []Row {
	return []Row{
		{"KernelUnusable", "the kernel, an initrd, a file or the ISO of a run cannot be fetched, is not the declared one, cannot be booted, or lacks a var of the machine",
			"{host} waits for {waits}", "Correct spec.run of the Workload, the var, or the server; no machine is booted before that.",
			waits(kernelboot.WaitUnusable)},
		{"KernelUntrusted", "Secure Boot of the machine would refuse the kernel of a run",
			"{host} waits for {waits}", "Name a kernel in spec.run.boot that the distribution of the ramdisk's shim signed.",
			waits(kernelboot.WaitTrusted)},
		{"KernelFetched", "the kernel and the initrds, or the ISO, of a run are being fetched and verified",
			"{host} waits for {waits}", nothing, waits(kernelboot.WaitFetched)},
		{"ImageUnusable", "the image cannot be fetched, or is not the declared one (ImageUnusable)",
			"The image of {workload} cannot be used: {hold}",
			"Correct spec.install.image of Workload {workload}, or make its server answer the daemon.",
			either(held(change.ImageUnusable), failedAt(act.FetchImage))},
		{"ConfigUnusable", "the config of the host cannot be rendered or delivered (ConfigUnusable)",
			"The config of {host} cannot be rendered: {hold}",
			"Correct the Butane file or the Secret that the sentence names, and try it with `ingot validate`.",
			held(change.ConfigUnusable)},
		{"RamdiskUnusable", "the ramdisk is of another version (RamdiskUnusable)",
			"{hold}", "Run `ingot ramdisk build`, and restart the daemon.", held("RamdiskUnusable")},
		{"ImageFetched", "the image is being fetched and verified",
			"The image of {workload} is being fetched and verified: no machine boots before that.",
			nothing,
			either(waits("the image to be fetched"), func(c *Case) bool {
				return c.Action == act.FetchImage && c.Outcome.Result == act.Waits
			})},
	}
}

// turnRows are the causes for which a machine waits for other machines, a time or a person.
func turnRows() []Row {
	return []Row{
		{"FleetPaused", "spec.paused is set in ingot.yaml", "{waits}", "Take spec.paused out of ingot.yaml.",
			turn(admit.FleetPaused)},
		{"RingPaused", "a person paused the ring", "{waits}", "Take spec.paused out of Ring {ring}.",
			turn(admit.RingPaused)},
		{"RingFailed", "too many machines of the ring failed", "{waits}",
			"Mend the failed machines, or release something that mends them: `ingot status` lists them.",
			turn(admit.RingFailed)},
		{"WorkloadFailed", "too many of the last operations with these inputs failed", "{waits}",
			"Mend the workload, or run `ingot resume` as the sentence says.", turn("WorkloadFailed")},
		{"RingAfter", "an earlier ring has not completed the same release", "{waits}",
			"Nothing, or see to the earlier ring: `ingot status` shows how far it is.", turn(admit.RingAfter)},
		{"Canaries", "the canaries of the ring are not done", "{waits}",
			"Nothing, or see to the canaries: `ingot why` explains each of them.", turn(admit.Canaries)},
		{"Window", "no window of the ring is open", "{waits}",
			"Nothing: it begins when the window opens. To begin earlier, change spec.windows of Ring {ring}.",
			turn(admit.Window)},
		{"Unavailable", "the ring's limit of unavailable machines is reached", "{waits}",
			"Nothing, or see to the machines that the sentence names.", turn(admit.Unavailable)},
		{"ManyErases", "the limit of erases an hour is reached", "{waits}", nothing, turn("ManyErases")},
		{"DomainBusy", "another machine of the failure domain is being changed", "{waits}", nothing, turn("DomainBusy")},
		{"Places", "all places for installs and inspections are taken", "It waits for {waits}", nothing,
			turn(admit.Places)},
		{"OtherTurn", "another reason of the fleet's limits, or a page of an earlier ingot",
			"It waits for its turn: {waits}", "See to the machines that come first: `ingot status` lists them.",
			func(c *Case) bool { return c.Plan.Turn != "" }},
		{"ReleasePending", "the trunk has a change that the ring has not released",
			"The trunk has a change for {host} that ring {ring} has not released: {pending}",
			"Tag the release of ring {ring} when it shall come.",
			all(inPhase(plan.Pending), func(c *Case) bool { return c.Desired.Pending != "" })},
		{"Pending", "the machine waits for its ring, by the page", "It waits for its ring: {waits}",
			"See to the machines that come first: `ingot status` lists them.", inPhase(plan.Pending)},
	}
}
