package repair

import (
	"net/netip"
	"strings"

	"github.com/gitmetal/ingot/inventory"
)

// proposeAddress is the repair of a host whose file names no BMC, where the machine that the file declares registered at
// the discovery door; nil for none. The merge gives the BMC at the address the host's credentials, so the reviewer is told
// whose word the address is.
func proposeAddress(d inventory.Desired, m AtDoor) *Repair {
	declared := inventory.Pinned{SMBIOS: &inventory.SMBIOSIdentity{Serial: d.Identity.Serial, UUID: d.Identity.UUID}}
	if field, _, _ := declared.Contradicts(m.Identity); field != "" || !declared.Shares(m.Identity) {
		return nil // a MAC alone, or nothing that the file declares
	}
	var found []string
	for _, text := range m.Addresses {
		if ip, err := netip.ParseAddr(text); err == nil && ip.Unmap().IsGlobalUnicast() {
			found = append(found, ip.Unmap().String())
		}
	}
	if len(found) == 0 {
		return nil
	}
	host := found[0]
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	r := &Repair{Host: d.ID, Kind: Address, Changes: []Change{{Field: "spec.bmc.address", Now: []string{"https://" + host}}}}
	if len(found) > 1 {
		r.Says = append(r.Says, "the agent found more addresses of the BMC: "+strings.Join(found[1:], " "))
	}
	r.Says = append(r.Says,
		"the machine registered at the discovery door: the address is the word of whoever has an enrolment key. Whoever answers "+
			"there gets the password of spec.bmc.credentials: compare the address with the rack before the merge",
		"spec.bmc.credentials must name a Secret, here or in Defaults; nothing is done to the machine before the merge")
	return r
}

// Join is what two machines at the door ask for a host; before is nil for the first machine. Two machines that give a host
// without a BMC different addresses hold it: one of them poses as the other. Otherwise the first counts.
func Join(before, asked *Repair) *Repair {
	if before == nil {
		return asked
	}
	if asked.Kind != Address || before.Same(asked) {
		return before
	}
	return &Repair{Host: before.Host, Kind: Held, Says: []string{"two machines at the discovery door say that they are the host, with " +
		"different BMCs: find the impostor, then run `ingot discovered forget` for its record"}}
}
