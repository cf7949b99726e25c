package review

import (
	"maps"
	"slices"
	"strings"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/fleetdiff"
)

// ConcernedHosts gives the hosts whose records Compare needs, besides every host missing in head and every machine
// that DeclaredClaims finds. Records of further hosts make no difference.
func ConcernedHosts(base, head inventory.Fleet) (ids []inventory.MachineID) {
	eased := compareSides(newSide(base, Known{}), newSide(head, Known{}))
	for id, after := range head.Hosts {
		if before, had := base.Hosts[id]; !had || len(eased[after.Ring]) > 0 || !fleetdiff.AsksTheSame(before, after) {
			ids = append(ids, id)
		}
	}
	return ids
}

// DeclaredClaims gives the serials, UUIDs and MACs, in lower case and sorted, that concerned hosts declare and whose
// records do not have: the machine may be known under the id of any host with such a value on its page.
func DeclaredClaims(base, head inventory.Fleet, given map[inventory.MachineID]inventory.Record) []string {
	claims := map[string]bool{}
	for _, id := range ConcernedHosts(base, head) {
		declared, record := head.Hosts[id].Identity, given[id]
		facts := record.Facts
		if facts == nil {
			facts = &inventory.Facts{}
		}
		named := !inventory.IsPlaceholder(declared.Serial)
		unproved := record.Facts == nil || record.DescribesOtherMachine(declared) != ""
		if serial := declared.Serial; named && unproved {
			claims[strings.ToLower(strings.TrimSpace(serial))] = true
		}
		if inventory.UUIDKey(declared.UUID) != "" && unproved {
			claims[strings.ToLower(declared.UUID)] = true
		}
		for _, mac := range declared.MACs {
			if !slices.ContainsFunc(facts.NICs,
				func(nic inventory.NIC) bool { return strings.EqualFold(nic.MAC, mac) }) {
				claims[strings.ToLower(mac)] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(claims))
}
