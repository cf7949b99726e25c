package evidence

import (
	"slices"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/plan/bootmethod"
	"github.com/gitmetal/ingot/reconcile/plan/change"
)

// StartedByUs reports whether the machine, when on, runs because the daemon started it or the fleet took it over. A
// boot that was not watched proves nothing without a read of its medium, or its agent.
func (m *Machine) StartedByUs() bool {
	r := m.Record
	if m.IsLost() {
		return false
	}
	fromMedium := r.Boot != nil && r.Boot.Stage != inventory.Preparing && m.startedFromMedium(*r.Boot)
	if r.Boot != nil && (m.IsUnwatched(*r.Boot) || m.MediumTaken(*r.Boot) || m.CalledInstead(*r.Boot)) {
		r.Boot = nil
	}
	return r.AdoptedMachine(m.machineSerial()) || fromMedium || change.Started(r)
}

// IsLost reports whether the machine counts as found running, as its agent was silent for long.
func (m *Machine) IsLost() bool {
	b := m.Record.Boot
	return b != nil && b.Lost && !m.AgentAlive()
}

// IsUnwatched reports whether nobody watched the machine for a while since a boot into the ramdisk was opened.
func (m *Machine) IsUnwatched(b inventory.Boot) bool {
	return b.Target == inventory.FromRamdisk && m.Observed.Attended.Interrupted
}

// MediumTaken reports whether somebody else took the medium of a running boot out, and the boot override away.
func (m *Machine) MediumTaken(b inventory.Boot) bool {
	bmc := m.Observed.BMC
	return b.Target == inventory.FromRamdisk && b.Stage == inventory.Running && len(bmc.Media) > 0 &&
		!bootmethod.StartsFromMedia(bmc.Override) &&
		!slices.ContainsFunc(bmc.Media, func(slot inventory.Slot) bool { return slot.Inserted })
}

// CalledInstead reports whether an install that the record does not know, such as one from before the host was
// forgotten, called after the power-on of a boot into the ramdisk: the firmware started the disk, and the system
// serves.
func (m *Machine) CalledInstead(b inventory.Boot) bool {
	call, known := m.Observed.Agent.PhoneHome, m.Record.Operation != nil || m.Record.Installed != nil
	return call != nil && !known && b.Target == inventory.FromRamdisk && b.Stage == inventory.Running &&
		call.At.After(b.Started)
}

// startedFromMedium reports whether the machine started from a boot's medium: the medium was read after the power-on,
// the agent of the boot enrolled, or a run without an agent was heard.
func (m *Machine) startedFromMedium(b inventory.Boot) bool {
	return m.Observed.Agent.Boot == b.ID || m.Observed.Run.Heard.After(b.Started) || m.Observed.Media.Reads > 0 && m.Observed.Media.Last.After(b.Started)
}

// machineSerial is the serial that the BMC shows, or else the serial that the fleet declares.
func (m *Machine) machineSerial() string {
	if said := m.Observed.BMC.System.Serial; !inventory.IsPlaceholder(said) {
		return said
	}
	return m.Desired.Identity.Serial
}

// MediumIn reports whether the machine, if a person powered it on, could have started from a medium.
func (m *Machine) MediumIn() bool {
	return bootmethod.StartsFromMedia(m.Observed.BMC.Override) &&
		slices.ContainsFunc(m.Observed.BMC.Media, func(slot inventory.Slot) bool { return slot.Inserted })
}
