package change

import (
	"fmt"
	"slices"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/schemas"
)

// checkConsent says why what is on the disk may not be erased, or nil.
func checkConsent(d inventory.Desired, rec inventory.Record, c Change) *Hold {
	given := d.Consent.Erase
	named := inventory.NamedDisk(d.RootDisk)
	switch {
	case d.Reinstallable && keepsReinstalling(d, rec):
		return nil
	case slices.Contains(rec.Spent, given):
		return &Hold{Reason: ConsentSpent, Consent: c.Needed,
			Message: fmt.Sprintf("this would erase disk %s (%s): the consent in the fleet is spent, it covered an "+
				"earlier operation", c.Disk.Label(), c.Summary)}
	case given == c.Needed:
		return nil
	case countsUnseen(rec, given) && named.Label() != "" &&
		given == inventory.EraseConsent(d.ID, named, inventory.ContentUnseen, c.Target):
		return nil
	case rec.HistoryUnknown() && named.Label() != "" && given == inventory.EraseConsent(d.ID, named,
		inventory.ContentUnseen, c.Target):
		return &Hold{Reason: ConsentForOther, Consent: c.Needed,
			Message: fmt.Sprintf("this would erase disk %s (%s): "+
				"the consent in the fleet is over a disk nobody looked at, and does not count after the journal was "+
				"lost, "+
				"or what was known was forgotten: there may have been an install", c.Disk.Label(), c.Summary)}
	case given == "" && keepsReinstalling(d, rec):
		return &Hold{Reason: NeedsConsent, Consent: c.Needed,
			Message: fmt.Sprintf("this would erase disk %s (%s): it needs consent, as the daemon's configuration "+
				"does not let spec.update: Reinstall stand for it on this host (reinstall)", c.Disk.Label(), c.Summary)}
	case given == "":
		return &Hold{Reason: NeedsConsent, Consent: c.Needed,
			Message: fmt.Sprintf("this would erase disk %s (%s): it needs consent", c.Disk.Label(), c.Summary)}
	default:
		return &Hold{Reason: ConsentForOther, Consent: c.Needed,
			Message: fmt.Sprintf("this would erase disk %s (%s): the consent in the fleet is for another host, disk, "+
				"content or target", c.Disk.Label(), c.Summary)}
	}
}

// countsUnseen reports whether a consent over a disk that nobody looked at can count: nothing was ever written there, as is
// known first-hand, and the consent was never used up. The consent counts again where the last operation began with
// it and came to no write.
func countsUnseen(rec inventory.Record, consent string) bool {
	last := rec.Last
	first := last == nil || !last.HasBegun() && last.Outcome != inventory.Succeeded && consent != "" &&
		slices.Contains(last.Consents(), consent)
	return first && rec.Installed == nil && !rec.HistoryUnknown() && !slices.Contains(rec.Spent, consent)
}

// keepsReinstalling reports whether the system on the disk was installed by this same workload while it said update: Reinstall already. That stands for
// consent where the daemon's configuration allows it.
func keepsReinstalling(d inventory.Desired, rec inventory.Record) bool {
	return d.Workload.Update == schemas.Reinstall && rec.Installed != nil &&
		rec.Installed.Workload == d.Workload.Name && rec.Installed.Update == schemas.Reinstall
}
