package cause

import (
	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/act"
	"github.com/gitmetal/ingot/reconcile/plan"
	"github.com/gitmetal/ingot/reconcile/plan/change"
)

// Waits of package plan for a boot. A test compares them with the texts of package plan.
const (
	waitMedium    = "the BMC to read the boot medium"
	waitEnrol     = "the agent in the ramdisk to enrol"
	waitCall      = "the installed system to phone home"
	waitWorkload  = "a workload"
	waitBMCLook   = "a look at the BMC"
	waitServed    = "the boot medium to be served"
	waitFleet     = "a look at the fleet before anything is written"
	waitSecondOff = "a second look that finds the machine off"
	waitOff       = "the machine to go off"
)

// Parts of what to do.
const (
	readConsole      = "Read the machine's console with `ingot console {host}`"
	readConsoleLower = "read the machine's console with `ingot console {host}`"
)

// loaderRows are the causes for which the ramdisk does not come up, in the console's own words.
func loaderRows() []Row {
	return []Row{
		{"LoaderRefused", "console: the firmware refuses shim, for example with Access Denied",
			"Secure Boot refuses the ramdisk's boot loader, because the firmware trusts none of its certificates: {line}",
			"Enrol the Microsoft UEFI CA (2011 or 2023, third party) in the firmware's db, or reset its Secure Boot keys.",
			all(startsRamdisk, said(SignAccessDenied))},
		{"LoaderRevoked", "console: shim or GRUB is revoked by the SBAT level",
			"Secure Boot refuses the ramdisk's boot loader, because its SBAT generation is revoked on this machine: {line}",
			"Build the ramdisk again with `ingot ramdisk build` from newer packages, and restart the daemon.",
			all(startsRamdisk, said(SignSBAT))},
		{"LoaderUnverified", "console: shim or GRUB refuses the next stage (Security Violation, bad shim signature)",
			"Secure Boot stops the ramdisk at its second stage, which shim does not accept: {line}",
			"Build the ramdisk again with `ingot ramdisk build`, with the distribution's signed GRUB and kernel.",
			all(startsRamdisk, said(SignSecurityViolation))},
		{"RamdiskTooLarge", "console: the ramdisk does not fit into the machine's memory",
			"The ramdisk does not fit into the machine's memory: {line}",
			"Give the machine more memory, or build a smaller ramdisk with `ingot ramdisk build`.",
			all(startsRamdisk, said(SignMemory))},
		{"RamdiskPanic", "console: the kernel of the ramdisk stopped",
			"The kernel of the ramdisk stopped: {line}",
			readConsole + "; a driver or firmware may be missing in the ramdisk.",
			all(startsRamdisk, said(SignPanic))},
		{"MediumNotBootable", "console: the firmware found nothing to start from",
			"The firmware found nothing to start from, although the medium was inserted: {line}",
			"Check that the firmware starts UEFI from virtual CDs, and update the BMC's firmware.",
			all(startsRamdisk, said(SignNothingBootable))},
	}
}

// mediumRows are the causes for which the ramdisk does not come up, by what was read of the medium.
func mediumRows() []Row {
	return []Row{
		{"MediumNotRead", "the machine is on, and nobody has read the boot medium",
			"The BMC has not read the boot medium since the machine was powered on.",
			"Make advertise.media of the daemon's configuration reachable from the BMC's network.",
			all(startsRamdisk, not(mediumRead), either(waits(waitMedium), all(mediumServed, held(change.BootFailed))))},
		{"StoppedAtFirmware", "the medium's directory was read, and no part of its boot loader",
			"The firmware looked at the boot medium and did not start its boot loader.",
			readConsole + "; the firmware must start UEFI from virtual CDs.",
			all(startsRamdisk, mediumRead, layoutIsKnown, not(wasRead(inventory.MediumShim)))},
		{"StoppedAtShim", "shim was read, and GRUB was not",
			"The firmware read shim from the boot medium and did not go on to GRUB: Secure Boot may refuse shim.",
			readConsole + ", and compare the firmware's Secure Boot db with the certificates of shim.",
			all(startsRamdisk, mediumRead, layoutIsKnown, not(wasRead(inventory.MediumGRUB)))},
		{"StoppedAtGRUB", "GRUB was read, and the kernel was not",
			"The machine read the boot loader from the medium and did not go on to the kernel: Secure Boot may refuse GRUB.",
			readConsole + ": shim shows a full-screen message when it refuses GRUB.",
			all(startsRamdisk, mediumRead, layoutIsKnown, not(wasRead(inventory.MediumKernel)))},
		{"StoppedAtKernel", "the kernel was read, and the end of the medium's files, the boot's own config, was not",
			"The machine read the kernel from the medium and did not read the ramdisk to its end.",
			readConsole + "; the BMC's network may be too slow, or the machine's memory too small.",
			all(startsRamdisk, mediumRead, layoutIsKnown, not(wasRead(inventory.MediumOverlay)))},
		{"AgentNotEnrolled", "the medium was read, and the agent has not enrolled",
			"The machine read the boot medium, and the agent in its ramdisk has not reached the daemon.",
			"Make advertise.agents reachable from the machine (network, spec.network.ramdisk, clock); " +
				"`ingot console {host}` shows what the agent says.",
			all(startsRamdisk, mediumRead, either(waits(waitEnrol), held(change.BootFailed)))},
		{"BootFailed", "three boots got nowhere (BootFailed)",
			"{hold}", readConsole + ", mend what it shows, then run `ingot retry {host}`.", held(change.BootFailed)},
		{"BootRetried", "a boot got nowhere, and the next boot is under way",
			"Boot {boots} of 3 is under way, because the boot before got nowhere: {before}",
			"Nothing yet; " + readConsoleLower + " to see how far it comes.",
			all(boots(1), func(c *Case) bool { return c.Observed.Record.Boot.Before != "" && !enrolled(c) },
				not(inPhase(plan.Active)))},
	}
}

// powerRows are the causes before the machine is powered on.
func powerRows() []Row {
	return []Row{
		{"MediumServed", "the daemon does not serve the boot medium yet",
			"The daemon does not serve the boot medium yet.",
			nothing, waits(waitServed)},
		{"SecondOff", "the machine was seen off once, and a second look must find it off",
			"The machine was seen off once; it may be powered on after a second look that finds it off.",
			nothing, waits(waitSecondOff)},
		{"FoundOn", "the machine may have been on already when it was to be powered on",
			"The machine may have been on already when it was to be powered on, and has not read its boot medium yet.",
			nothing, waits("the machine, which may have been on already")},
		{"AgentTakesBoot", "the waiting agent of a discovery medium is proved to run on the machine, and has not enrolled for the host",
			"The agent of the discovery medium is proved to run on this machine, and has not taken the host's first boot yet.",
			nothing, waits("the waiting agent, which is proved")},
		{"PoweringOff", "the machine was told to power off, and is on",
			"The machine was told to power off, and it is still on.",
			readConsole + "; a system that ignores the request is cut after its deadline.",
			func(c *Case) bool { return c.Action == act.PowerOff && c.Outcome.Result == act.Waits }},
	}
}

// callRows are the causes for which an installed system does not call.
func callRows() []Row {
	return []Row{
		{"SeveralBootDisks", "console: several file systems have the label boot",
			"The installed system stopped, because another disk also has a file system with the label boot: {line}",
			"Erase or take out the other disk, then run `ingot retry {host}`.",
			all(awaitsCall, said(SignSeveralBoot))},
		{"IgnitionFailed", "console: Ignition failed",
			"Ignition failed at the first start of the installed system: {line}",
			"Correct what the console names in the Butane file of Workload {workload}; `ingot console {host}` shows all of it.",
			all(awaitsCall, said(SignIgnition))},
		{"EmergencyShell", "console: the system stopped in an emergency shell",
			"The installed system stopped in an emergency shell: {line}",
			readConsole + ", then mend Workload {workload} or the machine.",
			all(awaitsCall, said(SignEmergency))},
		{"SystemPanic", "console: the kernel of the installed system stopped",
			"The kernel of the installed system stopped: {line}",
			readConsole + ", then mend Workload {workload} or the machine.",
			all(awaitsCall, said(SignPanic))},
		{"DiskNotBootable", "console: the firmware found nothing to start from on the disk",
			"The firmware found nothing to start from on {disk}, although the image was written and verified: {line}",
			"Check the firmware's boot order and UEFI mode, and that the image is for UEFI; then run `ingot retry {host}`.",
			all(awaitsCall, said(SignNothingBootable))},
		{"SystemRefused", "console: Secure Boot refuses the installed system's boot loader",
			"Secure Boot refuses the boot loader of the installed system: {line}",
			"Use an image whose boot loader the machine's Secure Boot db trusts.",
			all(awaitsCall, either(said(SignAccessDenied), said(SignSBAT), said(SignSecurityViolation)))},
		{"SystemIsUp", "console: the system is up, with a login prompt, and has not called",
			"The installed system is up, by its console, and its call has not reached the daemon.",
			"Make advertise.agents reachable from the installed system (network, spec.network.host, name service).",
			all(awaitsCall, said(SignLogin))},
		{"SystemPowersOff", "the system powered itself off at each start",
			"The installed system powered itself off at each start without a call.",
			readConsole + ", then run `ingot retry {host}`.",
			all(held(change.NoPhoneHome), func(c *Case) bool { return c.Observed.BMC.Power == inventory.PoweredOff })},
		{"CalledElsewhere", "the installed system called from another machine than the host's, by the UUID of the firmware",
			"The installed system runs on another machine: its disk was moved there.",
			"Put the disk back into the machine of {host}, or run `ingot forget {id}` if it stays there.",
			all(held(change.NoPhoneHome), func(c *Case) bool { return change.CalledElsewhere(*c.Observed) != "" })},
		{"NoCall", "the system was started and has not called within its deadline (NoPhoneHome)",
			"The installed system was written and verified, and it has not called.",
			readConsole + ": network, then Ignition; `ingot retry {host}` starts it again.",
			held(change.NoPhoneHome)},
	}
}
