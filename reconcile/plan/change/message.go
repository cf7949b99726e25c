package change

import (
	"fmt"
	"strings"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/retirement"
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
	return &Hold{Reason: IdentityMismatch, Message: fmt.Sprintf("%s: if that machine was replaced, run `ingot consent "+
		"--takeover %s` once it is looked at; another machine needs an id of its own in metadata.id", mismatch,
		hostArgument(d))}
}

// unreadableDiskHold holds an install on a disk that the agent could not read.
func unreadableDiskHold(disk inventory.DiskID, content inventory.Content) *Hold {
	return &Hold{Reason: DiskUnreadable, Message: fmt.Sprintf("disk %s cannot be read: %s; unreadable is not blank",
		disk.Label(), content.Unreadable)}
}

// namelessDiskHold holds an install with writes to a disk that no consent can name.
func namelessDiskHold(disk inventory.MachineDisk) *Hold {
	return &Hold{Reason: DiskUnreadable, Message: fmt.Sprintf("disk %s, which the config writes to, has no serial, WWN or "+
		"path of its own: no consent can name it", disk.Name)}
}

// describeRetired says that a machine is retired, and which disks keep their content.
func describeRetired(rec inventory.Record) string {
	why := "it is retired: every disk that spec.retire names is erased and read back"
	if spared := retirement.FindSpared(rec); len(spared) > 0 {
		why += "; not erased: " + strings.Join(spared[:min(len(spared), maxNamed)], ", ")
	}
	return why
}

// changedDiskHold holds an install for which spec.rootDisk matches another disk than the last install wrote.
func changedDiskHold(found, installed inventory.DiskID) *Hold {
	return &Hold{Reason: DiskChanged, Message: fmt.Sprintf("spec.rootDisk found %s, the system was installed on %s: "+
		"change spec.rootDisk if the disk was replaced", found.Label(), installed.Label())}
}

// eraseHold holds a change that erases a disk, for a reason.
func eraseHold(disk Disk, reason Reason, why string) []Hold {
	return []Hold{{Reason: reason, Message: eraseMessage(disk, why)}}
}

// eraseMessage says that a change erases a disk, and why the change is held.
func eraseMessage(disk Disk, why string) string {
	return fmt.Sprintf("this would erase disk %s (%s): %s", disk.ID.Label(), disk.Summary, why)
}

// Reasons why a change that erases is held for consent.
const (
	consentMissing = "it needs consent"
	consentForRule = "it needs consent: reinstall in the daemon's configuration does not select this host"
	consentIsSpent = "the consent in the fleet is spent, it covered an earlier operation"
	consentTwice   = "its consent is spent by an operation that may have begun to write, and cannot be given again: change " +
		"what is installed, such as a kernel argument"
	consentAfterLoss = "a consent over unseen does not count after the journal was lost or the host was forgotten"
	consentOutdated  = "the content changed after the consent was given; the system on it stays down until a consent over " +
		"what is there now is merged, or the consent is taken out of spec.consent.erase"
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

// UnwantedMessage is a message of the hold Recalled; docs/status.md says more.
const UnwantedMessage = "the journal was lost, and the fleet does not want or allow what the agent may be writing: " +
	"ask for it again, or look at the console and power the machine off"

// LaterAttemptMessage says that the agent works on a later attempt than the verified attempt of the page.
func LaterAttemptMessage(d inventory.Desired) string {
	return "the journal was lost, its install was verified, and its agent works on a later attempt: " +
		"wait for the phone call, or look at the console and run " + ForgetCommand(d)
}

// UnspokenMessage says that the machine has not spoken of the work on its page.
func UnspokenMessage(d inventory.Desired) string {
	return "the journal was lost, the status branch has work under way, and the machine has not spoken of it: " +
		"wait, or look at the machine and run " + ForgetCommand(d)
}
