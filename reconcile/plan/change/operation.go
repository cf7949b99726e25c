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
