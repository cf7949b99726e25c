package rotation

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/schemas"
)

// Accounts are the BMC services at which a fleet uses its Secrets, by the Secret and the host.
type Accounts map[string]map[inventory.MachineID]string

// ListAccounts lists the accounts of a fleet.
func ListAccounts(fleet inventory.Fleet) Accounts {
	a := Accounts{}
	for id, d := range fleet.Hosts {
		if d.BMC == nil || d.BMC.Credentials == "" {
			continue
		}
		if a[d.BMC.Credentials] == nil {
			a[d.BMC.Credentials] = map[inventory.MachineID]string{}
		}
		a[d.BMC.Credentials][id] = d.BMC.Service()
	}
	return a
}

// Refuse says why a request of a host with a BMC rotates nothing, or "". The value counts as done then.
func (a Accounts) Refuse(d inventory.Desired) string {
	secret := d.BMC.Credentials
	var ids []inventory.MachineID
	var distinct []string
	for id, service := range a[secret] {
		ids = append(ids, id)
		if !slices.Contains(distinct, service) {
			distinct = append(distinct, service)
		}
	}
	slices.Sort(ids)
	switch {
	case len(ids) == 0:
		return "the host has no Secret for its BMC"
	case len(distinct) > 1:
		return fmt.Sprintf("Secret %s is used at %d BMC services, and an account belongs to one: give each service a Secret of its own", secret, len(distinct))
	case ids[0] != d.ID:
		return fmt.Sprintf("the password of Secret %s is rotated by a request of %s, the first of its %d hosts", secret, ids[0], len(ids))
	default:
		return ""
	}
}

// WhyWaits says what keeps the daemon from changing anything at a host's BMC for a request, by the host's file, or "".
func WhyWaits(d inventory.Desired) string {
	switch {
	case d.Protect:
		return "spec.protect is true"
	case cmp.Or(d.Lifecycle, schemas.Managed) != schemas.Managed:
		return "spec.lifecycle is " + d.Lifecycle
	case d.BMC == nil:
		return "the host has no spec.bmc"
	default:
		return ""
	}
}
