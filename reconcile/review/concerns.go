package review

import (
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/gitmetal/ingot/inventory"
)

// Concerns gives the hosts whose records Compare needs, besides those of all hosts that head does not name, and of all that Claims finds: the records of any
// other host make no difference.
func Concerns(base, head inventory.Fleet) (ids []inventory.MachineID) {
	eased := compareSides(sideOf(base, nil), sideOf(head, nil))
	for id, after := range head.Hosts {
		if before, had := base.Hosts[id]; !had || len(eased[after.Ring]) > 0 || !asksTheSame(before, after) {
			ids = append(ids, id)
		}
	}
	return ids
}

// Claims gives the serials and MACs, in lower case and sorted, that concerned hosts declare and that their own records do not have: the machine may be known under
// the id of any host whose page names one.
func Claims(base, head inventory.Fleet, given map[inventory.MachineID]inventory.Record) []string {
	claims := map[string]bool{}
	for _, id := range Concerns(base, head) {
		declared, record := head.Hosts[id].Identity, given[id]
		facts := record.Facts
		if facts == nil {
			facts = &inventory.Facts{}
		}
		if serial := declared.Serial; !inventory.IsPlaceholder(serial) && (record.Facts == nil || record.DescribesOtherMachine(declared) != "") {
			claims[strings.ToLower(strings.TrimSpace(serial))] = true
		}
		for _, mac := range declared.MACs {
			if !slices.ContainsFunc(facts.NICs, func(nic inventory.NIC) bool { return strings.EqualFold(nic.MAC, mac) }) {
				claims[strings.ToLower(mac)] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(claims))
}

// asksTheSame reports whether nothing that a plan goes by differs: what a host is called, where it is written, and in which commit, does not.
func asksTheSame(before, after inventory.Desired) bool {
	before.Commit, before.Release, before.File, before.Line, before.Given, before.Name = after.Commit, after.Release, after.File, after.Line, after.Given, after.Name
	return reflect.DeepEqual(before, after)
}
