package load

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/schemas"
)

// share is a part of a Host's spec that Defaults can give, taken whole: its field, below spec and below spec.defaults, and how it is copied.
type share struct {
	field string
	copy  func(to *schemas.HostSpec, from *schemas.HostDefaults)
}

// shares are all of them but the vars, each of which is one too.
var shares = []share{
	{"bmc.credentials", func(to *schemas.HostSpec, from *schemas.HostDefaults) { to.BMC.Credentials = from.BMC.Credentials }},
	{"bmc.tls", func(to *schemas.HostSpec, from *schemas.HostDefaults) { to.BMC.TLS = from.BMC.TLS }},
	{"boot.method", func(to *schemas.HostSpec, from *schemas.HostDefaults) { to.Boot.Method = from.Boot.Method }},
	{"boot.secureBoot", func(to *schemas.HostSpec, from *schemas.HostDefaults) { to.Boot.SecureBoot = from.Boot.SecureBoot }},
	{"power", func(to *schemas.HostSpec, from *schemas.HostDefaults) { to.Power = from.Power }},
	{"rootDisk", func(to *schemas.HostSpec, from *schemas.HostDefaults) { to.RootDisk = from.RootDisk }},
	{"network.ramdisk", func(to *schemas.HostSpec, from *schemas.HostDefaults) { to.Network.Ramdisk = from.Network.Ramdisk }},
	{"network.host", func(to *schemas.HostSpec, from *schemas.HostDefaults) { to.Network.Host = from.Network.Host }},
	{"workload", func(to *schemas.HostSpec, from *schemas.HostDefaults) { to.Workload = from.Workload }},
	{"protect", func(to *schemas.HostSpec, from *schemas.HostDefaults) { to.Protect = from.Protect }},
	{"lifecycle", func(to *schemas.HostSpec, from *schemas.HostDefaults) { to.Lifecycle = from.Lifecycle }},
}

// sharesOf are the parts that a Defaults gives.
func sharesOf(d schemas.Document) []share {
	var given []share
	for _, s := range shares {
		if d.Written("spec.defaults." + s.field) {
			given = append(given, s)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(d.Defaults.Spec.Defaults.Vars)) {
		given = append(given, share{"vars." + key, func(to *schemas.HostSpec, from *schemas.HostDefaults) { to.Vars[key] = from.Vars[key] }})
	}
	return given
}

// fill gives every host of a tree what its Defaults say and it does not.
func (l *loader) fill(t *tree) {
	fill := l.filler(t)
	for _, id := range slices.Sorted(maps.Keys(t.hosts())) {
		t.kinds[schemas.KindHost][id] = fill(t.hosts()[id])
	}
}

// filler is what fills in one host of a tree.
func (l *loader) filler(t *tree) func(host schemas.Document) schemas.Document {
	defaults := slices.SortedFunc(maps.Values(t.kinds[schemas.KindDefaults]), func(a, b schemas.Document) int {
		return cmp.Or(cmp.Compare(b.Defaults.Spec.Priority, a.Defaults.Spec.Priority), cmp.Compare(a.Name, b.Name))
	})
	given := make([][]share, len(defaults))
	for i, d := range defaults {
		given[i] = sharesOf(d)
	}
	return func(host schemas.Document) schemas.Document {
		if len(defaults) == 0 {
			return host
		}
		f := filling{host: host, spec: openSpec(host.Host.Spec), from: map[string]schemas.Document{}, at: map[string]schemas.Position{}}
		for i, d := range defaults {
			if d.Defaults.Spec.Hosts.Selects(host.ID(), host.Host.Metadata.Labels) {
				l.find(f.take(d, given[i])...)
			}
		}
		filled := *host.Host
		filled.Spec = closeSpec(f.spec)
		host.Host = &filled
		t.given[host.ID()] = f.at
		return host
	}
}

// filling is a host while it is being filled in.
type filling struct {
	host schemas.Document
	spec schemas.HostSpec
	from map[string]schemas.Document // by field, who gave it
	at   map[string]schemas.Position
}

// take fills in what a Defaults gives. It must not say something else than another of the same priority.
func (f *filling) take(d schemas.Document, given []share) []schemas.Finding {
	var findings []schemas.Finding
	for _, s := range given {
		if f.host.Written("spec."+s.field) || (s.field[:3] == "bmc" && f.host.Host.Spec.BMC == nil) {
			continue
		}
		if first, taken := f.from[s.field]; taken {
			if first.Defaults.Spec.Priority == d.Defaults.Spec.Priority && !alike(s, first, d) {
				findings = append(findings, d.Finding("spec.defaults."+s.field, "give one of them a higher priority",
					"Defaults %s (%s) has another value for host %s, with the same priority", first.Name, first.Pos("spec.defaults."+s.field), f.host.Name))
			}
			continue
		}
		s.copy(&f.spec, &d.Defaults.Spec.Defaults)
		f.from[s.field], f.at["spec."+s.field] = d, d.Pos("spec.defaults."+s.field)
	}
	return findings
}

func alike(s share, a, b schemas.Document) bool {
	specs := [2]schemas.HostSpec{openSpec(schemas.HostSpec{BMC: &schemas.BMC{}}), openSpec(schemas.HostSpec{BMC: &schemas.BMC{}})}
	s.copy(&specs[0], &a.Defaults.Spec.Defaults)
	s.copy(&specs[1], &b.Defaults.Spec.Defaults)
	return mustJSON(specs[0]) == mustJSON(specs[1])
}

// openSpec is a copy with everything there that is filled in by parts.
func openSpec(s schemas.HostSpec) schemas.HostSpec {
	if s.BMC != nil {
		bmc := *s.BMC
		s.BMC = &bmc
	}
	network := schemas.Networks{}
	if s.Network != nil {
		network = *s.Network
	}
	s.Network = &network
	vars := maps.Clone(s.Vars)
	if vars == nil {
		vars = map[string]string{}
	}
	s.Vars = vars
	return s
}

// closeSpec takes out again what nothing was filled into.
func closeSpec(s schemas.HostSpec) schemas.HostSpec {
	if *s.Network == (schemas.Networks{}) {
		s.Network = nil
	}
	if len(s.Vars) == 0 {
		s.Vars = nil
	}
	return s
}

// complete finds what neither a host nor its Defaults say.
func (l *loader) complete(d schemas.Document, runs bool) {
	lack := func(field, hint, message string) {
		if !d.Fields.Misspelt(parent(field)) && !d.Fields.Spoiled(field) {
			l.find(d.Finding(field, hint, "%s", message))
		}
	}
	spec := d.Host.Spec
	if spec.BMC != nil && spec.BMC.Credentials == "" {
		lack("spec.bmc.credentials", "", "the field is missing")
	}
	if runs && spec.BMC == nil {
		lack("spec.bmc", "say how the machine is reached", "a host with a workload needs a bmc")
	}
	if runs && spec.RootDisk == nil {
		lack("spec.rootDisk", "name the disk by serial or wwn", "a host with a workload needs a rootDisk")
	}
	if disk := spec.RootDisk; disk != nil && disk.WWN != "" && inventory.PlaceholderWWN(disk.WWN) {
		l.find(d.Finding("spec.rootDisk.wwn", "name the disk by serial or path", "%q is a placeholder that names no disk", disk.WWN))
	}
	if disk := spec.RootDisk; disk != nil && disk.Serial != "" && inventory.Placeholder(disk.Serial) {
		l.find(d.Finding("spec.rootDisk.serial", "name the disk by wwn or path", "%q is a placeholder that names no disk", disk.Serial))
	}
}

func parent(field string) string {
	for i := len(field) - 1; i >= 0; i-- {
		if field[i] == '.' {
			return field[:i]
		}
	}
	return ""
}

// settings keeps the fleet's own ingot.yaml.
func (l *loader) settings() {
	fleets := l.trunk.kinds[schemas.KindFleet]
	for _, name := range slices.Sorted(maps.Keys(fleets)) {
		l.fleet.Settings = fleets[name].Fleet.Spec
	}
	if len(fleets) > 1 {
		for _, name := range slices.Sorted(maps.Keys(fleets)) {
			l.find(fleets[name].Finding("kind", "keep one", "%s", fmt.Sprintf("there are %d documents of kind Fleet", len(fleets))))
		}
	}
}
