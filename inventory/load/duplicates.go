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

// scopes finds scopes that name a host by a name which is nobody's id: they do not select it.
func (l *loader) scopes() {
	ids := map[string]string{} // by name, where that is another one
	for _, id := range l.after.ids {
		if name := l.trunk.hosts()[id].Name; name != id && l.trunk.hosts()[name].Host == nil {
			ids[name] = id
		}
	}
	if len(ids) == 0 {
		return
	}
	warn := func(d schemas.Document, field string, s schemas.Scope) {
		for i, name := range s.Hosts {
			if id, there := ids[name]; there {
				found := d.Finding(fmt.Sprintf("%s.hosts[%d]", field, i), "write "+id, "hosts are selected by their ids, and that of %s is %s", name, id)
				found.Severity = schemas.Warning
				l.find(found)
			}
		}
	}
	for _, d := range l.trunk.kinds[schemas.KindRing] {
		warn(d, "spec.hosts", d.Ring.Spec.Hosts)
		warn(d, "spec.canaries", d.Ring.Spec.Canaries)
	}
	for _, d := range l.trunk.kinds[schemas.KindDefaults] {
		warn(d, "spec.hosts", d.Defaults.Spec.Hosts)
	}
	for _, d := range l.trunk.secrets() {
		warn(d, "spec.scope", d.Secret.Spec.Scope)
	}
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
