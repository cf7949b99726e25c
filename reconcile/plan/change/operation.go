package change

import "github.com/gitmetal/ingot/inventory"

// NewOperation is the operation that does what a change allows: an install of the workload, or the erase of a machine that
// leaves the fleet.
func NewOperation(d inventory.Desired, c Change) *inventory.Operation {
	w := d.Workload
	op := inventory.Operation{
		Workload: w.Name, Inputs: w.Inputs, Parts: w.Parts, Config: w.Config, Meaning: w.Meaning, Commit: d.Release, Image: w.Image.SHA256,
		Update: w.Update,
		Kind:   inventory.Install, Steps: inventory.NewSteps(*w),
	}
	if d.Retires {
		op.Kind = inventory.Erase
	}
	for _, disk := range c.Disks() {
		allowed := inventory.OperationDisk{Name: disk.Name, Config: disk.Config && disk.Name != "", Disk: disk.ID, Content: disk.Content, Erases: disk.Erases}
		if disk.Erases {
			allowed.Consent = disk.Given
		}
		op.Disks = append(op.Disks, allowed)
	}
	return &op
}

// IsGivenUp reports whether the last operation was given up before any write, and the fleet asks for the same still.
// Whether another question is answered first, as the wait for a second reading of Off, does not matter.
func IsGivenUp(d inventory.Desired, record inventory.Record) bool {
	return hasFailed(d, record) && !record.Last.HasBegun()
}

// IsKeptOn reports whether the last operation was given up, the fleet asks for the same still, and the machine is left on
// in the ramdisk then (spec.onFailure: Keep).
func IsKeptOn(d inventory.Desired, record inventory.Record) bool {
	boot := record.Boot
	return hasFailed(d, record) && d.Workload.StaysOn && boot != nil && boot.Target == inventory.FromRamdisk
}

func hasFailed(d inventory.Desired, record inventory.Record) bool {
	last := record.Last
	return last != nil && last.Installs(d.Workload) && last.Outcome == inventory.Quarantined && record.Operation == nil
}
