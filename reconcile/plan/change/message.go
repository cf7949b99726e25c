package change

import (
	"cmp"
	"fmt"

	"github.com/gitmetal/ingot/inventory"
)

// unreadableHold holds a host whose record cannot be read.
func unreadableHold(d inventory.Desired, rec inventory.Record) *Hold {
	return &Hold{Reason: NotBelieved, Message: rec.Unreadable + ", or run " + ForgetCommand(d)}
}

// knownAsHold holds a host whose machine is known under another id.
func knownAsHold(who inventory.Standing) *Hold {
	return &Hold{Reason: KnownAs,
		Message: fmt.Sprintf("%s is known as %s: write id: %[2]s into metadata; another machine "+
			"needs a spec.bmc.address, and a serial or macs in spec.identity, of its own", who.By, who.KnownAs)}
}

// otherMachineHold holds a host with a record of another machine.
func otherMachineHold(d inventory.Desired, mismatch string) *Hold {
	serial := cmp.Or(d.Identity.Serial, "the serial that its BMC shows")
	return &Hold{Reason: IdentityMismatch, Message: fmt.Sprintf("%s: if that machine was repaired, write "+
		"spec.consent.takeover: %s; another machine needs an id of its own in metadata.id", mismatch, serial)}
}

// unreadableDiskHold holds an install on a disk that the agent could not read.
func unreadableDiskHold(disk inventory.DiskID, content inventory.Content) *Hold {
	return &Hold{Reason: DiskUnreadable, Message: fmt.Sprintf("disk %s cannot be read: %s; unreadable is not blank",
		disk.Label(), content.Unreadable)}
}

// changedDiskHold holds an install for which spec.rootDisk matches another disk than the last install wrote.
func changedDiskHold(found, installed inventory.DiskID) *Hold {
	return &Hold{Reason: DiskChanged, Message: fmt.Sprintf("spec.rootDisk found %s, the system was installed on %s: "+
		"change spec.rootDisk if the disk was replaced", found.Label(), installed.Label())}
}

// eraseHold holds a change that erases, for a reason and with the consent that allows the change.
func eraseHold(c Change, reason Reason, why string) *Hold {
	return &Hold{Reason: reason, Consent: c.Needed, Message: eraseMessage(c, why)}
}

// eraseMessage says that a change erases a disk, and why the change is held.
func eraseMessage(c Change, why string) string {
	return fmt.Sprintf("this would erase disk %s (%s): %s", c.Disk.Label(), c.Summary, why)
}

// Reasons why a change that erases is held for consent.
const (
	consentMissing   = "it needs consent"
	consentForRule   = "it needs consent: reinstall in the daemon's configuration does not select this host"
	consentIsSpent   = "the consent in the fleet is spent, it covered an earlier operation"
	consentAfterLoss = "a consent over unseen does not count after the journal was lost or the host was forgotten"
	consentElsewhere = "the consent in the fleet is for another host, disk, content or target"
)

// ForgetCommand is the command that drops the record of a host.
func ForgetCommand(d inventory.Desired) string { return "`ingot forget " + hostArgument(d) + "`" }

// hostArgument is the argument of a command for a host: the name, or the id of a host without a file.
func hostArgument(d inventory.Desired) string {
	if d.Name == "" || d.Lifecycle == "" {
		return "id:" + string(d.ID)
	}
	return d.Name
}
