package change

import (
	"slices"
	"strings"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/schemas"
)

// holdForConsent says why the content of a disk may not be erased; nothing when it may be erased. Only the root disk has
// rows about our install and about "unseen". The first row that fits decides:
//
//	consent in the fleet            the record                             erase
//	any                             update: Reinstall, allowed, and the    allowed
//	                                disk holds our marked install
//	was used up                     any                                    held: ConsentSpent; for the same change as
//	                                                                       before no consent can be given
//	names this change               any                                    allowed
//	is over "unseen" for this disk  nothing was written there before       allowed
//	is over "unseen" for this disk  the history is not known               held: ConsentForOther
//	none                            any                                    held: NeedsConsent
//	the last operation had it       it is over another system's content,   held: ConsentForOther, the system
//	                                nothing was written                    stays down
//	names another change            any                                    held: ConsentForOther
func holdForConsent(d inventory.Desired, rec inventory.Record, disk Disk) []Hold {
	outdated := rec.Last != nil && isOutdated(*rec.Last, disk)
	given, isRoot := disk.Given, len(disk.Devices) == 0
	sameRule := isRoot && keepsReinstalling(d, rec) && inventory.IsInstall(disk.Content)
	coveredByRule := isRoot && isCoveredByRule(d, rec, disk.Content)
	spent := isSpent(d, rec, given, disk)
	overUnseen := isRoot && given != "" && given == consentOverUnseen(d)
	switch {
	case coveredByRule:
		return nil
	case spent && given == disk.Needed:
		return eraseHold(disk, ConsentSpent, consentTwice)
	case spent:
		return eraseHold(disk, ConsentSpent, consentIsSpent)
	case given == disk.Needed:
		return nil
	case overUnseen && countsUnseen(d, rec, given):
		return nil
	case overUnseen && rec.HistoryUnknown():
		return eraseHold(disk, ConsentForOther, consentAfterLoss)
	case given == "" && sameRule:
		return eraseHold(disk, NeedsConsent, consentForRule)
	case given == "":
		return eraseHold(disk, NeedsConsent, consentMissing)
	case outdated:
		held := eraseHold(disk, ConsentForOther, consentOutdated)
		held[0].StaysDown = true
		return held
	default:
		return eraseHold(disk, ConsentForOther, consentElsewhere)
	}
}

// isOutdated reports whether the last operation had the consent in the fleet for a disk, a consent over a system that
// ingot did not install, and ended before a write. The content of the disk is not as the consent says: that system ran
// after somebody looked at the disk.
func isOutdated(last inventory.Operation, disk Disk) bool {
	return slices.ContainsFunc(last.Disks, func(had inventory.OperationDisk) bool {
		return had.Disk.IsSameDisk(disk.ID) && had.Consent == disk.Given && had.Begun == 0 && inventory.IsOther(had.Content)
	})
}

// consentOverUnseen is the consent over the root disk before anybody looked; "" for a disk that the fleet does not name by
// serial or WWN.
func consentOverUnseen(d inventory.Desired) string {
	named := inventory.NamedDisk(d.RootDisk)
	if named.Label() == "" {
		return ""
	}
	return findNeeded(d, named, inventory.ContentUnseen)
}

// findNeeded is the consent that allows to erase a content of a disk: the one in the fleet, in whatever form, or else
// the one to write.
func findNeeded(d inventory.Desired, disk inventory.DiskID, content string) string {
	forms := Consents(*d.Workload, d.ID, disk, content)
	for _, form := range forms {
		if slices.Contains(d.Consent.Erase, form) {
			return form
		}
	}
	return forms[0]
}

// isAnyGiven reports whether one form of a consent is in the fleet.
func isAnyGiven(d inventory.Desired, forms []string) bool {
	return slices.ContainsFunc(forms, func(form string) bool { return slices.Contains(d.Consent.Erase, form) })
}

// isSpent reports whether a consent was used up. The forms of a consent over the content of a disk, or over "unseen", are
// one consent.
func isSpent(d inventory.Desired, rec inventory.Record, given string, disk Disk) bool {
	if len(rec.Spent) == 0 {
		return false
	}
	spent := func(consent string) bool { return slices.Contains(rec.Spent, consent) }
	for _, forms := range [][]string{
		Consents(*d.Workload, d.ID, disk.ID, disk.Content),
		Consents(*d.Workload, d.ID, inventory.NamedDisk(d.RootDisk), inventory.ContentUnseen),
	} {
		if slices.Contains(forms, given) && slices.ContainsFunc(forms, spent) {
			return true
		}
	}
	return spent(given)
}

// findGiven is the consent in the fleet for a disk: the one that allows the write, or else one that names the disk; ""
// without one.
func findGiven(d inventory.Desired, disk Disk) string {
	erase := d.Consent.Erase
	if disk.Needed != "" && slices.Contains(erase, disk.Needed) {
		return disk.Needed
	}
	for _, consent := range erase {
		if strings.HasPrefix(consent, disk.ID.Label()+"/") {
			return consent
		}
	}
	return ""
}

// findGivenForRoot is the consent in the fleet for the root disk. A single consent is for the root disk, whatever disk it
// names.
func findGivenForRoot(d inventory.Desired, root Disk) string {
	if len(d.Consent.Erase) == 0 {
		return ""
	}
	given, erase := findGiven(d, root), d.Consent.Erase
	overUnseen := consentOverUnseen(d)
	switch {
	case given == root.Needed && given != "":
		return given
	case overUnseen != "" && slices.Contains(erase, overUnseen):
		return overUnseen
	case given == "" && len(erase) == 1:
		return erase[0]
	default:
		return given
	}
}

// countsUnseen reports whether a consent over a disk that no agent has looked at can count: the record knows first-hand
// that nothing was written there, and the consent was never used up. The consent counts again when the last operation
// began with the consent and came to no write.
func countsUnseen(d inventory.Desired, rec inventory.Record, consent string) bool {
	last := rec.Last
	sameAgain := last != nil && !last.HasBegun() && last.Outcome != inventory.Succeeded && consent != "" &&
		slices.Contains(last.Consents(), consent)
	neverWritten := (last == nil || sameAgain) && rec.Installed == nil && !rec.HistoryUnknown()
	return neverWritten && !isSpent(d, rec, consent, Disk{})
}

// keepsReinstalling reports whether the same workload installed the system on the disk, and said update: Reinstall
// already then. Where the daemon's configuration allows it, update: Reinstall stands for consent.
func keepsReinstalling(d inventory.Desired, rec inventory.Record) bool {
	old := rec.Installed
	return d.Workload.Update == schemas.Reinstall && old != nil && old.Workload == d.Workload.Name &&
		old.Update == schemas.Reinstall
}

// isCoveredByRule reports whether update: Reinstall allows to erase a content: only the install of the same workload, as
// its mark proves it.
func isCoveredByRule(d inventory.Desired, rec inventory.Record, content string) bool {
	return d.Reinstallable && keepsReinstalling(d, rec) && inventory.IsInstall(content)
}
