package evidence

import (
	"fmt"

	"github.com/gitmetal/ingot/inventory"
)

// TakesOver reports whether the waiting agent of a discovery medium becomes the agent of the host's first boot: the
// agent is proved to run on the machine behind the BMC, the machine is on, and nothing was ever done to the machine. If
// the agent does not come, the machine is one that was found running, and is not tried so again.
func (m *Machine) TakesOver() bool {
	r := m.Record
	return m.Observed.Waiting != "" && m.IsOn() && r.Boot == nil && r.Epoch == 0 && r.Run == nil && r.Untouched()
}

// WhyNoAgent says how far the machine came whose agent did not enrol, by what was read of its medium. The first row
// that fits decides:
//
//	read of the medium                 why
//	too little of an ISO               the firmware, or the ISO's loader, did not go on
//	all, or it is not known            the agent does not reach the daemon
//	the kernel, not the boot's config  the ramdisk was not read to its end
//	GRUB, not the kernel               GRUB did not start the kernel
//	shim, not GRUB                     the firmware, or shim, refused the next stage
//	not shim                           the firmware did not start the boot loader
func (m *Machine) WhyNoAgent() string {
	read, within := m.Observed.Media, fmt.Sprintf(" within %s", m.Deadlines.Agent)
	switch {
	case read.HasPart(inventory.MediumISO):
		return "the machine looked at the ISO and did not start it" + within + ": Secure Boot may refuse its loader"
	case read.WasRead(inventory.MediumOverlay), !read.LayoutIsKnown():
		return "the agent did not enrol" + within + ": it must reach advertise.agents"
	case read.WasRead(inventory.MediumKernel):
		return "the machine read the kernel, and did not read the ramdisk to its end" + within
	case read.WasRead(inventory.MediumGRUB):
		return "the machine read GRUB, and not the kernel," + within + ": Secure Boot may refuse GRUB or the kernel"
	case read.WasRead(inventory.MediumShim):
		return "the machine read shim, and not GRUB," + within + ": Secure Boot may refuse shim or GRUB"
	default:
		return "the firmware looked at the medium and did not start its boot loader" + within
	}
}
