package change

import (
	"fmt"

	"github.com/gitmetal/ingot/inventory"
)

// CalledElsewhere says on which machine an installed system runs whose call was heard, where that is another machine than
// the known one: the disk was moved there. "" for a call from the known machine, for a system that does not name its
// machine, and without a call. Such a call says nothing about the machine of the host.
func CalledElsewhere(o inventory.Observed) string {
	call := o.Agent.PhoneHome
	if call == nil || call.Machine == "" {
		return ""
	}
	caller := inventory.Pinned{SMBIOS: &inventory.SMBIOSIdentity{UUID: call.Machine}}
	_, known, other := o.Record.Identity().Contradicts(caller)
	if other == "" {
		return ""
	}
	return fmt.Sprintf("its system called from another machine, with the UUID %s instead of %s: put the disk back", other, known)
}

// DropForeignCall takes the call of CalledElsewhere out of an observation. A host whose own installed system made it is
// held as moved; nil for any other host.
func DropForeignCall(d inventory.Desired, o inventory.Observed) (here inventory.Observed, elsewhere string, moved *Hold) {
	elsewhere = CalledElsewhere(o)
	if elsewhere == "" {
		return o, "", nil
	}
	if installed := o.Record.Installed; installed != nil && installed.ID == o.Agent.PhoneHome.Install {
		moved = &Hold{Reason: NoPhoneHome, Message: elsewhere + ", or run " + ForgetCommand(d) + " if the disk stays there"}
	}
	o.Agent.PhoneHome = nil
	return o, elsewhere, moved
}
