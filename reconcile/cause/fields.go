package cause

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/plan/change"
)

// fieldsOf gives the fields that the texts of the catalogue name, each followed by its value in the case:
//
//	{host}      name of the host                   {hold}      message of the hold
//	{id}        argument of `ingot forget`         {waits}     what the host waits for
//	{ring}      ring of the host                   {error}     the last error
//	{workload}  workload of the host               {step}      the step that failed, or is due
//	{file}      file of the host                   {attempt}   attempt of the operation
//	{bmc}       address of the BMC                 {boots}     boots in a row without a result
//	{disk}      disk without consent, or root disk {line}      the line on the serial console
//	{content}   content of that disk               {fleet}     why the fleet cannot be read or is refused
//	{consent}   the consents to write              {doing}     reason of the action that is due
//	{tag}       the tag to be signed               {before}    why the boot before got nowhere
//	{push}      why nothing can be pushed          {refused}   why the newest commit is refused
//	{source}    why the fleet cannot be read       {pending}   the change that is not released
func fieldsOf(c Case) []string {
	d, rec := c.Desired, c.Observed.Record
	name := cmp.Or(d.Name, string(rec.ID), "this host")
	hold, consent, tag := holdOf(c)
	attempt, boots := 1, 1
	if rec.Operation != nil {
		attempt = max(1, rec.Operation.Attempt)
	}
	before := ""
	if rec.Boot != nil {
		boots, before = max(1, rec.Boot.Attempt), rec.Boot.Before
	}
	return []string{
		"{host}", name, "{id}", forgetArgument(c, name), "{ring}", cmp.Or(d.Ring, "its ring"),
		"{workload}", workloadOf(c), "{file}", cmp.Or(d.File, "its file"), "{bmc}", bmcOf(c),
		"{disk}", diskOf(c), "{content}", cmp.Or(neededDisk(c).Summary, "something"),
		"{consent}", cmp.Or(consent, "the consent that `ingot plan` shows"), "{tag}", cmp.Or(tag, "the tag"),
		"{hold}", cmp.Or(hold, "no more is known"), "{waits}", c.Plan.Waits, "{error}", cmp.Or(errorOf(c), "no error was told"),
		"{step}", stepOf(c), "{attempt}", fmt.Sprint(attempt), "{boots}", fmt.Sprint(boots),
		"{line}", c.Observed.Console.Line, "{fleet}", fleetTrouble(c), "{doing}", doingOf(c), "{before}",
		cmp.Or(before, "it did not come up"), "{pending}", d.Pending,
		"{source}", fleetOf(c).Source, "{refused}", fleetOf(c).Refused, "{push}", pushTrouble(c),
	}
}

func fleetOf(c Case) Fleet {
	if c.Fleet == nil {
		return Fleet{}
	}
	return *c.Fleet
}

// pushTrouble is why the status branch cannot be pushed.
func pushTrouble(c Case) string { return cmp.Or(fleetOf(c).Publish, c.Outcome.Why) }

func holdOf(c Case) (message, consent, tag string) {
	if c.Plan.Hold == nil {
		return c.Plan.Waits, "", ""
	}
	return c.Plan.Hold.Message, strings.Join(c.Plan.Hold.Consents, ", "), c.Plan.Hold.Unsigned
}

// forgetArgument is the name of the host for `ingot forget`; a host without a file is named by its id.
func forgetArgument(c Case, name string) string {
	if c.Desired.Lifecycle == "" && c.Observed.Record.ID != "" {
		return "id:" + string(c.Observed.Record.ID)
	}
	return name
}

func workloadOf(c Case) string {
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

func bmcOf(c Case) string {
	if c.Desired.BMC == nil {
		return "of the host"
	}
	return c.Desired.BMC.Address
}

// neededDisk is the disk that the change waits for: the first without its consent, else the root disk.
func neededDisk(c Case) change.Disk {
	for _, disk := range c.Plan.Change.Disks() {
		if disk.Missing {
			return disk
		}
	}
	return c.Plan.Change.Root
}

func diskOf(c Case) string {
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
func errorOf(c Case) string {
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
func stepOf(c Case) string {
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

func fleetTrouble(c Case) string {
	f := fleetOf(c)
	return cmp.Or(f.Another, f.Source, f.Refused, "no commit came yet")
}

func doingOf(c Case) string {
	if a := c.Plan.Action; a != nil && a.Reason != "" {
		return a.Reason
	}
	return "the next look decides"
}

// jobOf is the agent's job, where the agent is of the record's boot.
func jobOf(c Case) (inventory.Job, bool) {
	b := c.Observed.Record.Boot
	job := c.Observed.Agent.Job
	return job, b != nil && c.Observed.Agent.Boot == b.ID && job.ID != ""
}
