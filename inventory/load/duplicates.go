package load

import (
	"fmt"
	"strings"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/schemas"
)

// claims are what only one host may have: kind and value → host.
type claims map[[2]string]string

// take gives a value to a host. It says which other host has it, if one does.
func (c claims) take(kind, value, host string) (other string, taken bool) {
	key := [2]string{kind, strings.ToLower(strings.TrimSpace(value))}
	if key[1] == "" {
		return "", false
	}
	other, known := c[key]
	if !known {
		c[key] = host
	}
	return other, known && other != host
}

// duplicates finds hosts that claim one name or one machine: its BMC's system, serial or MAC. They would be erased for each other.
func (l *loader) duplicates() {
	owners, named := claims{}, map[string]schemas.Document{}
	for _, id := range l.after.ids {
		d := l.trunk.hosts()[id]
		if first, twice := named[d.Name]; twice {
			l.find(d.Finding("metadata.name", "", "there is a Host %q in %s already: each has an id, and needs a name of its own", d.Name, first.Pos("metadata.name")))
		}
		named[d.Name] = d
		own := func(field, kind, value string) {
			if other, taken := owners.take(kind, value, d.Name); taken {
				l.find(d.Finding(field, "", "host %s has the same %s %s", other, kind, value))
			}
		}
		identity := d.Host.Spec.Identity
		if inventory.Placeholder(identity.Serial) && identity.Serial != "" {
			l.find(d.Finding("spec.identity.serial", "identify the machine by its MACs", "%q is a placeholder, no identity", identity.Serial))
		} else {
			own("spec.identity.serial", "serial", identity.Serial)
		}
		for i, mac := range identity.MACs {
			own(fmt.Sprintf("spec.identity.macs[%d]", i), "MAC", mac)
		}
	}
	l.sameBMC()
}

// sameBMC finds systems that two hosts name. An address without a system means the only one of that BMC, so that no other host may name the BMC.
func (l *loader) sameBMC() {
	const field = "spec.bmc.address"
	systems, services, whole := claims{}, claims{}, map[string]string{}
	for _, id := range l.after.ids {
		d := l.trunk.hosts()[id]
		name := d.Name
		if d.Host.Spec.BMC == nil {
			continue
		}
		service, system := d.Host.Spec.BMC.System()
		if service == "" {
			continue // a finding already
		}
		first, shared := services.take("BMC", service, name)
		if other, taken := systems.take("system", service+system, name); taken {
			l.find(d.Finding(field, "", "host %s has the same BMC address", other))
		} else if shared && system == "" {
			l.find(d.Finding(field, "name the system: https://…/redfish/v1/Systems/…", "host %s is behind the same BMC, this address does not say which of its systems is meant", first))
		} else if other, taken := whole[service]; taken {
			l.find(d.Finding(field, "name the system in the address of host "+other, "host %s has the same BMC, and its address does not say which of its systems is meant", other))
		}
		if _, known := whole[service]; !known && system == "" {
			whole[service] = name
		}
	}
}
