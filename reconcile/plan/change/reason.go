package change

import (
	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/schemas"
)

// Reason of a hold or a condition, as one word for programs.
type Reason string

// Reasons.
const (
	NeedsConsent     Reason = "NeedsConsent"
	ConsentSpent     Reason = "ConsentSpent"
	ConsentForOther  Reason = "ConsentForOther"
	NeedsSigners     Reason = "NeedsSigners" // a change that erases needs two signers
	FoundRunning     Reason = "FoundRunning"
	NoDisk           Reason = "NoDisk"
	SeveralDisks     Reason = "SeveralDisks"
	DiskChanged      Reason = "DiskChanged"
	DiskUnreadable   Reason = "DiskUnreadable"
	DiskShared       Reason = "DiskShared" // another machine reports the same disk
	IdentityMismatch Reason = "IdentityMismatch"
	KnownAs          Reason = "KnownAs" // the machine is known under another id
	TokenAlarm       Reason = "TokenAlarm"
	// the config writes to disks besides the root disk without being allowed to
	OtherDisks      Reason = "OtherDisks"
	ImageUnusable   Reason = "ImageUnusable"
	ConfigUnusable  Reason = "ConfigUnusable"  // the config cannot be rendered, or not be delivered
	RamdiskUnusable Reason = "RamdiskUnusable" // the ramdisk is of another version: no machine boots from it
	SettingsRefused Reason = "SettingsRefused" // the BMC would not take the declared BIOS settings
	SettingsFailed  Reason = "SettingsFailed"  // the declared BIOS settings were written, and the machine does not have them
	BMCUnreachable  Reason = "BMCUnreachable"
	BMCUnauthorized Reason = "BMCUnauthorized"
	BMCRefused      Reason = "BMCRefused"
	SecretUnusable  Reason = "SecretUnusable" // the Secret with the BMC's credentials cannot be opened
	NotPublished    Reason = "NotPublished"
	BootFailed      Reason = "BootFailed"
	InstallFailed   Reason = "InstallFailed"
	NoPhoneHome     Reason = "NoPhoneHome"
	OnHold          Reason = "OnHold" // a step of the workload waits for a person
	SecureBootOff   Reason = "SecureBootOff"
	Recalled        Reason = "Recalled"    // an operation or boot is known from the status branch alone
	NotBelieved     Reason = "NotBelieved" // the record in the journal cannot be read; without a record, the page
	StaysOn         Reason = "StaysOn"     // the machine does not go off
	MemoryOld       Reason = "MemoryOld"   // a system called that was installed after all that the daemon remembers
	Frozen          Reason = "Frozen"      // the fleet's history cannot be trusted: nothing is erased
)

// NameUnreached is the reason of a hold for a BMC that was not reached.
func NameUnreached(reach inventory.Reach) Reason {
	switch reach {
	case inventory.Unreachable:
		return BMCUnreachable
	case inventory.Unauthorized:
		return BMCUnauthorized
	case inventory.SecretUnusable:
		return SecretUnusable
	case inventory.Refused:
		return BMCRefused
	default:
		panic("plan: unknown reach " + string(reach))
	}
}

// EndsWithCommit reports whether a later commit of the fleet ends a hold, whatever the commit changes.
func (r Reason) EndsWithCommit() bool { return r == TokenAlarm || r == BootFailed }

// RestsOnLook reports whether a hold rests on what an agent saw of the disks, which may have changed since: an operator's
// retry has the machine looked at again.
func (r Reason) RestsOnLook() bool {
	return r == NoDisk || r == SeveralDisks || r == DiskChanged || r == DiskUnreadable
}

// WantsLook reports whether an operator has the disks looked at again that hold the change.
func (c Change) WantsLook(o inventory.Observed) bool {
	return o.Retry && c.Hold != nil && c.Hold.Reason.RestsOnLook()
}

// Hold says why nothing goes on, and what a person can do.
type Hold struct {
	Reason  Reason
	Message string // one line a person can act on
	// Consents are to be written to spec.consent.erase, when consent is missing: those that are given and count, too.
	Consents schemas.EraseConsents
	// Takeover is the value of spec.consent.takeover that gives the host the machine; "" where no takeover would help.
	Takeover string
	// StaysDown is set when the system on the disk is not started while the hold lasts, as its writes would change what a
	// consent is over.
	StaysDown bool
	// Unsigned is the tag that a second person must sign, when signatures are missing; inventory.Countersign gives the
	// commands.
	Unsigned string
}
