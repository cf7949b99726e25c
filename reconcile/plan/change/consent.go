package change

import (
	"slices"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/schemas"
)

// holdForConsent says why the content of the disk may not be erased, or nil. The first row that fits decides:
//
//	consent in the fleet            the record                             erase
//	any                             update: Reinstall, allowed             allowed
//	was used up                     any                                    held: ConsentSpent
//	names this change               any                                    allowed
//	is over "unseen" for this disk  nothing was written there before       allowed
//	is over "unseen" for this disk  the history is not known               held: ConsentForOther
//	none                            any                                    held: NeedsConsent
//	names another change            any                                    held: ConsentForOther
func holdForConsent(d inventory.Desired, rec inventory.Record, c Change) *Hold {
	given, named := d.Consent.Erase, inventory.NamedDisk(d.RootDisk)
	sameRule := keepsReinstalling(d, rec)
	coveredByRule := d.Reinstallable && sameRule
	spent := slices.Contains(rec.Spent, given)
	overUnseen := named.Label() != "" && given == inventory.EraseConsent(d.ID, named, inventory.ContentUnseen, c.Target)
	switch {
	case coveredByRule:
		return nil
	case spent:
		return eraseHold(c, ConsentSpent, consentIsSpent)
	case given == c.Needed:
		return nil
	case overUnseen && countsUnseen(rec, given):
		return nil
	case overUnseen && rec.HistoryUnknown():
		return eraseHold(c, ConsentForOther, consentAfterLoss)
	case given == "" && sameRule:
		return eraseHold(c, NeedsConsent, consentForRule)
	case given == "":
		return eraseHold(c, NeedsConsent, consentMissing)
	default:
		return eraseHold(c, ConsentForOther, consentElsewhere)
	}
}

// countsUnseen reports whether a consent over a disk that no agent has looked at can count: the record knows first-hand
// that nothing was written there, and the consent was never used up. The consent counts again when the last operation
// began with the consent and came to no write.
func countsUnseen(rec inventory.Record, consent string) bool {
	last := rec.Last
	sameAgain := last != nil && !last.HasBegun() && last.Outcome != inventory.Succeeded && consent != "" &&
		slices.Contains(last.Consents(), consent)
	neverWritten := (last == nil || sameAgain) && rec.Installed == nil && !rec.HistoryUnknown()
	return neverWritten && !slices.Contains(rec.Spent, consent)
}

// keepsReinstalling reports whether the same workload installed the system on the disk, and said update: Reinstall
// already then. Where the daemon's configuration allows it, update: Reinstall stands for consent.
func keepsReinstalling(d inventory.Desired, rec inventory.Record) bool {
	old := rec.Installed
	return d.Workload.Update == schemas.Reinstall && old != nil && old.Workload == d.Workload.Name &&
		old.Update == schemas.Reinstall
}
