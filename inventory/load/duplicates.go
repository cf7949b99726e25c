package load

import (
	"fmt"
	"strings"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/schemas"
)

// claims maps kind and value to the one host that may claim the value.
type claims map[[2]string]string

// claimValue gives a value to a host, or names the host that claimed the value first.
func (c claims) claimValue(kind, value, host string) (other string, taken bool) {
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

// findDuplicates finds hosts that have the same name, or claim the same machine by BMC address, serial, UUID or MAC.
// Such hosts would be erased for each other.
func (l *loader) findDuplicates() {
	owners, named := claims{}, map[string]schemas.Document{}
	for _, id := range l.after.ids {
		d := l.trunk.hosts()[id]
		if first, twice := named[d.Name]; twice {
			l.addFindings(d.ErrorAt("metadata.name", "",
				"there is a Host %q in %s already: each has an id, and needs a name of its own", d.Name,
				first.PositionOf("metadata.name")))
		}
		named[d.Name] = d
		claim := func(field, kind, value string) {
			if other, taken := owners.claimValue(kind, value, d.Name); taken {
				l.addFindings(d.ErrorAt(field, "", "host %s has the same %s %s", other, kind, value))
			}
		}
		identity := d.Host.Spec.Identity
		if inventory.IsPlaceholder(identity.Serial) && identity.Serial != "" {
			l.addFindings(d.ErrorAt("spec.identity.serial", "identify the machine by its MACs",
				"%q is a placeholder, no identity", identity.Serial))
		} else {
			claim("spec.identity.serial", "serial", identity.Serial)
		}
		if inventory.UUIDKey(identity.UUID) == "" && identity.UUID != "" {
			l.addFindings(d.ErrorAt("spec.identity.uuid", "identify the machine by its serial or MACs",
				"%q is a placeholder, no identity", identity.UUID))
		} else {
			claim("spec.identity.uuid", "UUID", inventory.UUIDKey(identity.UUID))
		}
		for i, mac := range identity.MACs {
			claim(fmt.Sprintf("spec.identity.macs[%d]", i), "MAC", mac)
		}
	}
	l.findSharedBMCs()
}

// checkScopes finds scopes that name a host by its name where the host's id is different: such a scope selects no host.
func (l *loader) checkScopes() {
	ids := map[string]string{} // by name, where name and id differ
	for _, id := range l.after.ids {
		if name := l.trunk.hosts()[id].Name; name != id && l.trunk.hosts()[name].Host == nil {
			ids[name] = id
		}
	}
	if len(ids) == 0 {
		return
	}
	checkScope := func(d schemas.Document, field string, s schemas.Scope) {
		for i, name := range s.Hosts {
			if id, there := ids[name]; there {
				found := d.ErrorAt(fmt.Sprintf("%s.hosts[%d]", field, i), "write "+id,
					"hosts are selected by their ids, and that of %s is %s", name, id)
				found.Severity = schemas.Warning
				l.addFindings(found)
			}
		}
	}
	for _, d := range l.trunk.kinds[schemas.KindRing] {
		checkScope(d, "spec.hosts", d.Ring.Spec.Hosts)
		checkScope(d, "spec.canaries", d.Ring.Spec.Canaries)
	}
	for _, d := range l.trunk.kinds[schemas.KindDefaults] {
		checkScope(d, "spec.hosts", d.Defaults.Spec.Hosts)
	}
	for _, d := range l.trunk.secrets() {
		checkScope(d, "spec.scope", d.Secret.Spec.Scope)
	}
}

// findSharedBMCs finds systems that two hosts name. An address without a system means the only system of a BMC, so that
// no second host may name the BMC.
func (l *loader) findSharedBMCs() {
	const field = "spec.bmc.address"
	systems, services, unnamedSystem := claims{}, claims{}, map[string]string{}
	for _, id := range l.after.ids {
		d := l.trunk.hosts()[id]
		name := d.Name
		if d.Host.Spec.BMC == nil {
			continue
		}
		service, system := d.Host.Spec.BMC.SplitAddress()
		if service == "" {
			continue // reported already
		}
		first, shared := services.claimValue("BMC", service, name)
		if other, taken := systems.claimValue("system", service+system, name); taken {
			l.addFindings(d.ErrorAt(field, "", "host %s has the same BMC address", other))
		} else if shared && system == "" {
			l.addFindings(d.ErrorAt(field, "name the system: https://…/redfish/v1/Systems/…",
				"host %s is behind the same BMC, this address does not say which of its systems is meant", first))
		} else if other, taken := unnamedSystem[service]; taken {
			l.addFindings(d.ErrorAt(field, "name the system in the address of host "+other,
				"host %s has the same BMC, and its address does not say which of its systems is meant", other))
		}
		if _, known := unnamedSystem[service]; !known && system == "" {
			unnamedSystem[service] = name
		}
	}
}
