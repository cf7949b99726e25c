package load

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/diskid"
	"github.com/gitmetal/ingot/schemas"
	"github.com/gitmetal/ingot/schemas/yamltext"
)

// defaultField is a field of a Host's spec that Defaults can give, always as a whole. The field is named relative to
// spec and to spec.defaults.
type defaultField struct {
	field     string
	copyField func(to *schemas.HostSpec, from *schemas.HostDefaults)
}

// defaultFields lists the fields that Defaults can give. Each of the vars is a further one.
var defaultFields = []defaultField{
	{"bmc.credentials",
		func(to *schemas.HostSpec, from *schemas.HostDefaults) { to.BMC.Credentials = from.BMC.Credentials }},
	{"bmc.tls", func(to *schemas.HostSpec, from *schemas.HostDefaults) { to.BMC.TLS = from.BMC.TLS }},
	{"boot.method", func(to *schemas.HostSpec, from *schemas.HostDefaults) { to.Boot.Method = from.Boot.Method }},
	{"boot.secureBoot",
		func(to *schemas.HostSpec, from *schemas.HostDefaults) { to.Boot.SecureBoot = from.Boot.SecureBoot }},
	{"boot.timeout", func(to *schemas.HostSpec, from *schemas.HostDefaults) { to.Boot.Timeout = from.Boot.Timeout }},
	{"power", func(to *schemas.HostSpec, from *schemas.HostDefaults) { to.Power = from.Power }},
	{"rootDisk", func(to *schemas.HostSpec, from *schemas.HostDefaults) { to.RootDisk = from.RootDisk }},
	{"disks", func(to *schemas.HostSpec, from *schemas.HostDefaults) { to.Disks = from.Disks }},
	{"network.ramdisk",
		func(to *schemas.HostSpec, from *schemas.HostDefaults) { to.Network.Ramdisk = from.Network.Ramdisk }},
	{"network.host", func(to *schemas.HostSpec, from *schemas.HostDefaults) { to.Network.Host = from.Network.Host }},
	{"workload", func(to *schemas.HostSpec, from *schemas.HostDefaults) { to.Workload = from.Workload }},
	{"claimable", func(to *schemas.HostSpec, from *schemas.HostDefaults) { to.Claimable = from.Claimable }},
	{"protect", func(to *schemas.HostSpec, from *schemas.HostDefaults) { to.Protect = from.Protect }},
	{"lifecycle", func(to *schemas.HostSpec, from *schemas.HostDefaults) { to.Lifecycle = from.Lifecycle }},
}

// listDefaultFields lists the fields that a Defaults document gives.
func listDefaultFields(d schemas.Document) []defaultField {
	var fields []defaultField
	for _, field := range defaultFields {
		if d.IsWritten("spec.defaults." + field.field) {
			fields = append(fields, field)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(d.Defaults.Spec.Defaults.Vars)) {
		fields = append(fields, defaultField{"vars." + key,
			func(to *schemas.HostSpec, from *schemas.HostDefaults) { to.Vars[key] = from.Vars[key] }})
	}
	return fields
}

// fillDefaults fills the Defaults into every host of a tree, where the host's file is silent.
func (l *loader) fillDefaults(t *tree) {
	fill := l.newHostFiller(t)
	for _, id := range slices.Sorted(maps.Keys(t.hosts())) {
		t.kinds[schemas.KindHost][id] = fill(t.hosts()[id])
	}
}

// newHostFiller gives the function that fills the Defaults of a tree into one host.
func (l *loader) newHostFiller(t *tree) func(host schemas.Document) schemas.Document {
	defaults := slices.SortedFunc(maps.Values(t.kinds[schemas.KindDefaults]), func(a, b schemas.Document) int {
		return cmp.Or(cmp.Compare(b.Defaults.Spec.Priority, a.Defaults.Spec.Priority), cmp.Compare(a.Name, b.Name))
	})
	fields := make([][]defaultField, len(defaults))
	for i, d := range defaults {
		fields[i] = listDefaultFields(d)
	}
	return func(host schemas.Document) schemas.Document {
		if len(defaults) == 0 {
			return host
		}
		f := hostFilling{host: host, spec: openSpec(host.Host.Spec), givers: map[string]schemas.Document{},
			positions: map[string]schemas.Position{}}
		for i, d := range defaults {
			if d.Defaults.Spec.Hosts.SelectsHost(host.ID(), host.Host.Metadata.Labels) {
				l.addFindings(f.takeDefaults(d, fields[i])...)
			}
		}
		filled := *host.Host
		filled.Spec = closeSpec(f.spec)
		host.Host = &filled
		t.defaulted[host.ID()] = f.positions
		return host
	}
}

// hostFilling is a host while Defaults are filled in.
type hostFilling struct {
	host      schemas.Document
	spec      schemas.HostSpec
	givers    map[string]schemas.Document // the Defaults that gave a field, by field
	positions map[string]schemas.Position
}

// takeDefaults fills in the fields of one Defaults document. Two Defaults of the same priority must not differ in a
// field.
func (f *hostFilling) takeDefaults(d schemas.Document, fields []defaultField) []schemas.Finding {
	var findings []schemas.Finding
	for _, field := range fields {
		if f.host.IsWritten("spec."+field.field) || (field.field[:3] == "bmc" && f.host.Host.Spec.BMC == nil) {
			continue
		}
		if first, taken := f.givers[field.field]; taken {
			if first.Defaults.Spec.Priority == d.Defaults.Spec.Priority && !sameDefault(field, first, d) {
				findings = append(findings,
					d.ErrorAt("spec.defaults."+field.field, "give one of them a higher priority",
						"Defaults %s (%s) has another value for host %s, with the same priority", first.Name,
						first.PositionOf("spec.defaults."+field.field), f.host.Name))
			}
			continue
		}
		field.copyField(&f.spec, &d.Defaults.Spec.Defaults)
		f.givers[field.field], f.positions["spec."+field.field] = d, d.PositionOf("spec.defaults."+field.field)
	}
	return findings
}

func sameDefault(field defaultField, a, b schemas.Document) bool {
	specs := [2]schemas.HostSpec{openSpec(schemas.HostSpec{BMC: &schemas.BMC{}}),
		openSpec(schemas.HostSpec{BMC: &schemas.BMC{}})}
	field.copyField(&specs[0], &a.Defaults.Spec.Defaults)
	field.copyField(&specs[1], &b.Defaults.Spec.Defaults)
	return mustJSON(specs[0]) == mustJSON(specs[1])
}

// openSpec copies a spec, with non-nil parts wherever fields of a part are filled in.
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

// closeSpec removes the parts that stayed empty.
func closeSpec(s schemas.HostSpec) schemas.HostSpec {
	if *s.Network == (schemas.Networks{}) {
		s.Network = nil
	}
	if len(s.Vars) == 0 {
		s.Vars = nil
	}
	return s
}

// checkComplete finds required fields that neither a host nor the host's Defaults give.
func (l *loader) checkComplete(d schemas.Document, runs bool) {
	reportMissing := func(field, hint, message string) {
		if !d.Fields.IsMisspelt(parentField(field)) && !d.Fields.IsSpoiled(field) {
			l.addFindings(d.ErrorAt(field, hint, "%s", message))
		}
	}
	spec := d.Host.Spec
	if spec.BMC != nil && spec.BMC.Credentials == "" {
		reportMissing("spec.bmc.credentials", "", "the field is missing")
	}
	if runs && spec.BMC == nil {
		reportMissing("spec.bmc", "say how the machine is reached", "a host with a workload needs a bmc")
	}
	if runs && spec.RootDisk == nil {
		reportMissing("spec.rootDisk", "name the disk by serial or wwn", "a host with a workload needs a rootDisk")
	}
	if disk := spec.RootDisk; disk != nil && disk.WWN != "" && diskid.IsPlaceholderWWN(disk.WWN) {
		l.addFindings(d.ErrorAt("spec.rootDisk.wwn", "name the disk by serial or path",
			"%q is a placeholder that names no disk", disk.WWN))
	}
	if disk := spec.RootDisk; disk != nil && disk.Serial != "" && inventory.IsPlaceholder(disk.Serial) {
		l.addFindings(d.ErrorAt("spec.rootDisk.serial", "name the disk by wwn or path",
			"%q is a placeholder that names no disk", disk.Serial))
	}
}

func parentField(field string) string {
	for i := len(field) - 1; i >= 0; i-- {
		if field[i] == '.' {
			return field[:i]
		}
	}
	return ""
}

// keepSettings keeps the settings of the fleet's ingot.yaml.
func (l *loader) keepSettings() {
	fleets := l.trunk.kinds[schemas.KindFleet]
	for _, name := range slices.Sorted(maps.Keys(fleets)) {
		l.fleet.Settings = fleets[name].Fleet.Spec
	}
	if len(fleets) > 1 {
		for _, name := range slices.Sorted(maps.Keys(fleets)) {
			l.addFindings(fleets[name].ErrorAt("kind", "keep one", "%s",
				fmt.Sprintf("there are %d documents of kind Fleet", len(fleets))))
		}
	}
}

// warnAboutFailureDomain reports a label of failure domains that no host has, or that some hosts lack: the limit holds
// nothing back there.
func (l *loader) warnAboutFailureDomain() {
	domain := l.fleet.Settings.FailureDomain
	if domain == nil || domain.Label == "" || len(l.fleet.Hosts) == 0 {
		return
	}
	var without []string
	labels := map[string]bool{}
	for _, id := range slices.Sorted(maps.Keys(l.fleet.Hosts)) {
		d := l.fleet.Hosts[id]
		if d.Labels[domain.Label] == "" {
			without = append(without, d.Name)
		}
		for label := range d.Labels {
			labels[label] = true
		}
	}
	hint, message := "label them, or leave failureDomain out", ""
	switch {
	case len(without) == len(l.fleet.Hosts):
		message = fmt.Sprintf("no host has the label %q: no failure domain holds an install back", domain.Label)
		hint = cmp.Or(yamltext.SuggestWord(domain.Label, slices.Sorted(maps.Keys(labels))), hint)
	case len(without) > 0:
		message = fmt.Sprintf("%d of %d hosts have no label %q, and no failure domain holds them back: %s", len(without), len(l.fleet.Hosts),
			domain.Label, cutNames(without))
	default:
		return
	}
	for _, d := range l.trunk.kinds[schemas.KindFleet] {
		warning := d.ErrorAt("spec.failureDomain.label", hint, "%s", message)
		warning.Severity = schemas.Warning
		l.addFindings(warning)
	}
}

// cutNames lists the first names.
func cutNames(names []string) string {
	const most = 5
	if len(names) > most {
		return strings.Join(names[:most], ", ") + ", …"
	}
	return strings.Join(names, ", ")
}
