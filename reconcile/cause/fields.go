package cause

import (
	"cmp"
	"strconv"
	"strings"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/plan/change"
)

// fields are the fields that the texts of the catalogue name in braces, each with its value in a case:
//
//	host      name of the host                   hold      message of the hold
//	id        argument of `ingot forget`         waits     what the host waits for
//	ring      ring of the host                   error     the last error
//	workload  workload of the host               step      the step that failed, or is due
//	file      file of the host                   attempt   attempt of the operation
//	bmc       address of the BMC                 boots     boots in a row without a result
//	disk      disk without consent, or root disk line      the line on the serial console
//	content   content of that disk               fleet     why the fleet cannot be read or is refused
//	consent   the consents to write              doing     reason of the action that is due
//	tag       the tag to be signed               before    why the boot before got nowhere
//	push      why nothing can be pushed          refused   why the newest commit is refused
//	source    why the fleet cannot be read       pending   the change that is not released
//	unsent    why a power command is kept back   settings  what is done for the BIOS settings
var fields = map[string]func(c *Case) string{
	"host":     hostOf,
	"id":       forgetArgument,
	"ring":     func(c *Case) string { return cmp.Or(c.Desired.Ring, "its ring") },
	"workload": workloadOf,
	"work":     workOf,
	"file":     func(c *Case) string { return cmp.Or(c.Desired.File, "its file") },
	"bmc":      bmcOf,
	"disk":     diskOf,
	"content":  func(c *Case) string { return cmp.Or(neededDisk(c).Summary, "something") },
	"consent":  consentOf,
	"tag":      tagOf,
	"hold":     holdOf,
	"waits":    func(c *Case) string { return c.Plan.Waits },
	"error":    func(c *Case) string { return cmp.Or(errorOf(c), "no error was told") },
	"step":     stepOf,
	"attempt":  attemptOf,
	"boots":    bootsOf,
	"line":     func(c *Case) string { return c.Observed.Console.Line },
	"fleet":    fleetTrouble,
	"doing":    doingOf,
	"before":   bootBefore,
	"pending":  func(c *Case) string { return c.Desired.Pending },
	"source":   func(c *Case) string { return fleetOf(c).Source },
	"refused":  func(c *Case) string { return fleetOf(c).Refused },
	"push":     pushTrouble,
	"settings": settingsOf,
	"unsent":   func(c *Case) string { return c.Outcome.Why },
}

func hostOf(c *Case) string {
	return cmp.Or(c.Desired.Name, string(c.Observed.Record.ID), "this host")
}

func attemptOf(c *Case) string {
	if op := c.Observed.Record.Operation; op != nil {
		return strconv.Itoa(max(1, op.Attempt))
	}
	return "1"
}

func bootsOf(c *Case) string {
	if b := c.Observed.Record.Boot; b != nil {
		return strconv.Itoa(max(1, b.Attempt))
	}
	return "1"
}

func bootBefore(c *Case) string {
	if b := c.Observed.Record.Boot; b != nil && b.Before != "" {
		return b.Before
	}
	return "it did not come up"
}

func fleetOf(c *Case) Fleet {
	if c.Fleet == nil {
		return Fleet{}
	}
	return *c.Fleet
}

// pushTrouble is why the status branch cannot be pushed.
func pushTrouble(c *Case) string { return cmp.Or(fleetOf(c).Publish, c.Outcome.Why) }

func holdOf(c *Case) string {
	const unknown = "no more is known"
	if c.Plan.Hold == nil {
		return cmp.Or(c.Plan.Waits, unknown)
	}
	return cmp.Or(c.Plan.Hold.Message, unknown)
}

func consentOf(c *Case) string {
	if c.Plan.Hold == nil || len(c.Plan.Hold.Consents) == 0 {
		return "the consent that `ingot plan` shows"
	}
	return strings.Join(c.Plan.Hold.Consents, ", ")
}

func tagOf(c *Case) string {
	if c.Plan.Hold == nil {
		return "the tag"
	}
	return cmp.Or(c.Plan.Hold.Unsigned, "the tag")
}

// forgetArgument is the name of the host for `ingot forget`; a host without a file is named by its id.
func forgetArgument(c *Case) string {
	if c.Desired.Lifecycle == "" && c.Observed.Record.ID != "" {
		return "id:" + string(c.Observed.Record.ID)
	}
	return hostOf(c)
}

// workOf is what is to be done to the machine.
func workOf(c *Case) string {
	if c.Desired.Retires {
		return "retiring the machine"
	}
	return "installing " + workloadOf(c)
}

func workloadOf(c *Case) string {
	switch op := c.Observed.Record.Operation; {
	case op != nil:
		return op.Workload
	case c.Desired.Workload != nil:
		return c.Desired.Workload.Name
	case c.Observed.Record.Installed != nil:
		return c.Observed.Record.Installed.Workload
	default:
		return "its workload"
	}
}

func bmcOf(c *Case) string {
	if c.Desired.BMC == nil {
		return "of the host"
	}
	return c.Desired.BMC.Address
}

// neededDisk is the disk that the change waits for: the first without its consent, else the root disk.
func neededDisk(c *Case) change.Disk {
	for _, disk := range c.Plan.Change.Disks() {
		if disk.Missing {
			return disk
		}
	}
	return c.Plan.Change.Root
}

func diskOf(c *Case) string {
	disk := neededDisk(c).ID
	switch op, rec := c.Observed.Record.Operation, c.Observed.Record; {
	case disk.Label() != "":
	case op != nil:
		disk = op.Root().Disk
	case rec.Installed != nil:
		disk = rec.Installed.Disk
	}
	return nameDisk(disk)
}

// nameDisk names a disk in a sentence.
func nameDisk(disk inventory.DiskID) string {
	if label := disk.Label(); label != "" {
		return "disk " + label
	}
	return "the root disk"
}

// errorOf is the last error: of the action, of the operation's last attempt, of the last operation, or of the page.
func errorOf(c *Case) string {
	switch op, last := c.Observed.Record.Operation, c.Observed.Record.Last; {
	case held(change.BMCRefused)(c):
		return c.Plan.Hold.Message
	case failed(c):
		return c.Outcome.Why
	case op != nil && op.Error != "":
		return op.Error
	case op == nil && last != nil && last.Error != "":
		return last.Error
	default:
		return c.Error
	}
}

// stepOf is the step that failed, or else the step that is due.
func stepOf(c *Case) string {
	if step, known := findFailedStep(c); known {
		return step.Name
	}
	if op := c.Observed.Record.Operation; op != nil {
		if step, due := op.Step(); due {
			return step.Name
		}
	}
	return "install"
}

func fleetTrouble(c *Case) string {
	f := fleetOf(c)
	return cmp.Or(f.Another, f.Source, f.Refused, "no commit came yet")
}

func doingOf(c *Case) string {
	if a := c.Plan.Action; a != nil && a.Reason != "" {
		return a.Reason
	}
	return "the next look decides"
}

// jobOf is the agent's job, where the agent is of the record's boot.
func jobOf(c *Case) (inventory.Job, bool) {
	b := c.Observed.Record.Boot
	job := c.Observed.Agent.Job
	return job, b != nil && c.Observed.Agent.Boot == b.ID && job.ID != ""
}
