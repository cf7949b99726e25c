package decode

import (
	"slices"

	"github.com/gitmetal/ingot/schemas"
)

// checkRetire checks how a host leaves the fleet.
func (c *checker) checkRetire(s *schemas.HostSpec) {
	const field = "spec.retire"
	r := s.Retire
	if r == nil {
		return
	}
	if s.Lifecycle != schemas.Retired {
		c.addError(field, "write spec.lifecycle: Retired", "a machine is erased only with lifecycle Retired")
	}
	if s.Protect {
		c.addError(field, "take out spec.protect", "spec.protect forbids every erase")
	}
	c.checkRetireDisks(field+".disks", r.Disks)
	if c.checkRequired(field+".policy", r.Policy) {
		c.checkOneOf(field+".policy", r.Policy, schemas.EraseMetadata, schemas.EraseClear, schemas.ErasePurge)
	}
	c.checkOneOf(field+".then", r.Then, schemas.RetirePowerOff)
}

func (c *checker) checkRetireDisks(field string, disks schemas.RetireDisks) {
	single := len(disks) == 1
	sorted := slices.Sorted(slices.Values(disks))
	switch {
	case len(disks) == 0 || single && disks[0] == "":
		c.addError(field, "all, root, or a list of root and names of spec.disks", "the field is missing")
	case single && disks[0] == schemas.RetireAll:
	case !slices.Contains(disks, schemas.RootDiskName):
		c.addError(field, "all, root, or a list of root and names of spec.disks", "the root disk is not among them")
	case len(slices.Compact(sorted)) < len(disks):
		c.addError(field, "name each once", "a name is there twice")
	}
	for _, name := range disks {
		c.checkGrammar(field, name, nameGrammar, "the name of a disk in spec.disks, root or all")
	}
}
