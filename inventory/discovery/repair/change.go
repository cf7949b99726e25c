package repair

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/pick"
)

// changeBMC proposes the certificate that the BMC's address shows now.
func (r *Repair) changeBMC(d inventory.Desired, certificate string) {
	if d.BMC == nil || d.BMC.TLS.CA != "" {
		r.Kind, r.Says = Held, []string{"the BMC shows a certificate that is not of spec.bmc.tls.ca: give the BMC one of that " +
			"authority"}
		return
	}
	r.Changes = []Change{{Field: "spec.bmc.tls.fingerprint", Was: d.BMC.TLS.Fingerprint, Now: []string{certificate}}}
	r.Says = []string{
		"the BMC at " + d.BMC.Address + " shows another certificate than the pinned one: the BMC or its firmware was replaced, or " +
			"somebody stands between",
		"nobody has logged in there. Compare the fingerprint with the BMC's own before the merge: whoever answers at the address " +
			"gets the password of Secret " + d.BMC.Credentials,
		"the merge erases nothing. If the BMC shows another machine than the known one then, the machine is held",
	}
}

// changeRootDisk proposes the one disk that may be the new root disk.
func (r *Repair) changeRootDisk(s Seen, facts inventory.Facts) {
	d, rec := s.Desired, s.Observed.Record
	gone := rec.Installed.Disk.Label()
	candidates := findCandidates(s, facts)
	if len(candidates) != 1 {
		var names []string
		for _, disk := range candidates {
			names = append(names, disk.Name+" "+disk.ID().Label())
		}
		r.Kind, r.Says = Held, []string{fmt.Sprintf("the root disk %s is not in the machine any more, and %d disks may be the one in its "+
			"place (%s): name one in spec.rootDisk", gone, len(candidates), cmp.Or(strings.Join(names, ", "), "none"))}
		return
	}
	disk := candidates[0]
	hints, now := *d.RootDisk, disk.ID()
	wwn, serial := now.Names()
	if hints.WWN != "" && wwn != "" {
		r.Changes = append(r.Changes, Change{Field: "spec.rootDisk.wwn", Was: hints.WWN, Now: []string{wwn}})
		hints.WWN = wwn
	}
	if hints.Serial != "" && serial != "" {
		r.Changes = append(r.Changes, Change{Field: "spec.rootDisk.serial", Was: hints.Serial, Now: []string{serial}})
		hints.Serial = serial
	}
	if _, err := pick.Disk(&hints, facts.Disks); err != nil || len(r.Changes) == 0 {
		r.Kind, r.Changes = Held, nil
		r.Says = []string{fmt.Sprintf("the root disk %s is not in the machine any more, and %s %s does not fit what else spec.rootDisk "+
			"says: change the hints by hand", gone, disk.Name, now.Label())}
		return
	}
	r.Says = []string{
		fmt.Sprintf("the root disk %s is not in the machine any more. %s %s (%s, %d GB) is new, by a boot that the daemon started", gone,
			disk.Name, now.Label(), strings.TrimSpace(disk.Vendor+" "+disk.Model), disk.Size/1_000_000_000),
		"the merge has the system written to that disk. " + describeErased(disk),
		"the disk that was taken out still holds the system and its secrets",
	}
}

// describeErased says what a write to a disk would erase.
func describeErased(disk inventory.MachineDisk) string {
	switch c := disk.Content; {
	case c.Blank:
		return "It erases nothing: the disk is blank"
	case c.Unreadable != "":
		return "What it erases is not known: the disk could not be read (" + c.Unreadable + "). It waits for spec.consent.erase"
	default:
		return "It erases what is on the disk (" + cmp.Or(c.Summary, c.Signature) + "), and waits for spec.consent.erase"
	}
}

// findCandidates are the disks that may be in place of the root disk: with a name of their own, fit to be written, not
// named by spec.disks, not written by the install, and not in the machine before.
func findCandidates(s Seen, facts inventory.Facts) (list []inventory.MachineDisk) {
	d, installed := s.Desired, s.Observed.Record.Installed
	var named []string
	for _, items := range d.Disks {
		for _, item := range items {
			if disk, err := pick.Disk(item.Hints(), facts.Disks); err == nil && !item.All {
				named = append(named, disk.Name)
			}
		}
	}
	for _, disk := range inventory.IdentifyDisks(facts.Disks) {
		wwn, serial := disk.ID().Names()
		unfit := disk.Removable || disk.ReadOnly || disk.Size == 0 || wwn == "" && serial == ""
		wasThere := slices.Contains(s.Before, disk.ID().Label()) || slices.ContainsFunc(installed.Others, disk.Is)
		if !unfit && !wasThere && !slices.Contains(named, disk.Name) {
			list = append(list, disk)
		}
	}
	return list
}

// Grammars of identity, as package decode has them.
var (
	serialGrammar = regexp.MustCompile(`^[ -~]{1,256}$`)
	uuidGrammar   = regexp.MustCompile(`^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$`)
)

// machine is what a machine shows: its identity, and the addresses of its network cards, sorted.
type machine struct {
	inventory.Pinned
	cards []string
}

// changeIdentity proposes the identity of the board, or the card, that is there now.
func (r *Repair) changeIdentity(d inventory.Desired, e Evidence, shown machine) {
	serial, uuid := "", ""
	if shown.SMBIOS != nil {
		serial, uuid = strings.TrimSpace(shown.SMBIOS.Serial), strings.ToLower(strings.TrimSpace(shown.SMBIOS.UUID))
	}
	isDeclared := d.Identity.Serial != "" || d.Identity.UUID != "" || len(d.Identity.MACs) > 0
	if e.Board == Other {
		if usable := inventory.SerialKey(serial) != "" && serialGrammar.MatchString(serial); usable && serial != d.Identity.Serial &&
			(d.Identity.Serial != "" || !isDeclared) {
			r.Changes = append(r.Changes, Change{Field: "spec.identity.serial", Was: d.Identity.Serial, Now: []string{serial}})
		}
		if usable := inventory.UUIDKey(uuid) != "" && uuidGrammar.MatchString(uuid); usable && d.Identity.UUID != "" &&
			!strings.EqualFold(uuid, d.Identity.UUID) {
			r.Changes = append(r.Changes, Change{Field: "spec.identity.uuid", Was: d.Identity.UUID, Now: []string{uuid}})
		}
	}
	if macs := renewMACs(d.Identity.MACs, shown); len(macs) > 0 {
		r.Changes = append(r.Changes, Change{Field: "spec.identity.macs", Was: strings.Join(d.Identity.MACs, " "), Now: macs, List: true})
	}
	what := "the board is another one: serial " + cmp.Or(serial, "none") + ". What stayed is the root disk, by the mark of its install"
	if e.Board != Other {
		what = "a network card is another one. What stayed is the board, by serial and UUID"
	}
	if e.Source == OwnBoot {
		what += ", by a boot that the daemon started through the host's BMC"
	}
	r.Says = []string{what, "the merge erases nothing. Where the machine is held as another one afterwards, a person gives the host the " +
		"machine with `ingot consent --takeover " + d.Name + "`"}
}

// maxMACs is how many MACs a proposal writes.
const maxMACs = 16

// renewMACs are the declared MACs with those that are gone replaced: by the built-in cards that nobody declared, or where no
// card has a maker's address by all that nobody declared; nil where none is gone.
func renewMACs(declared []string, shown machine) (macs []string) {
	gone := false
	for _, text := range declared {
		if key, _ := inventory.MACKey(text); slices.Contains(shown.cards, key) {
			macs = append(macs, key)
		} else {
			gone = true
		}
	}
	fresh := shown.MACs
	if len(fresh) == 0 {
		fresh = shown.cards
	}
	if !gone || len(fresh) == 0 {
		return nil
	}
	for _, mac := range fresh {
		if !slices.Contains(macs, mac) && len(macs) < maxMACs {
			macs = append(macs, mac)
		}
	}
	slices.Sort(macs)
	return macs
}
