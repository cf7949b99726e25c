package rules

import (
	"maps"
	"slices"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"

	"github.com/gitmetal/ingot/inventory"
)

// Names of the types of an expression.
const (
	typeFacts    = "ingot.Facts"
	typeSystem   = "ingot.System"
	typeFirmware = "ingot.Firmware"
	typeCPU      = "ingot.CPU"
	typeDisk     = "ingot.Disk"
	typeNIC      = "ingot.NIC"
	typeStarted  = "ingot.Started"
	typeBMC      = "ingot.BMC"
	typeLLDP     = "ingot.LLDP"
)

// fields are the fields of each type that an expression may name. The kernel name of a disk is left out, as it names
// another disk after the next boot; so is what is on a disk, as an install changes it.
var fields = map[string]map[string]*cel.Type{
	typeFacts: {"system": cel.ObjectType(typeSystem), "firmware": cel.ObjectType(typeFirmware),
		"cpu": cel.ObjectType(typeCPU), "memory": cel.IntType, "disks": cel.ListType(cel.ObjectType(typeDisk)),
		"nics": cel.ListType(cel.ObjectType(typeNIC)), "hostname": cel.StringType, "tpmVersion": cel.StringType,
		"bmc": cel.ObjectType(typeBMC)},
	typeSystem: {"manufacturer": cel.StringType, "product": cel.StringType, "serial": cel.StringType,
		"uuid": cel.StringType},
	typeFirmware: {"uefi": cel.BoolType, "secureBoot": cel.BoolType, "vendor": cel.StringType, "version": cel.StringType,
		"setupMode": cel.BoolType, "authorities": cel.ListType(cel.StringType), "sbatLevel": cel.StringType,
		"started": cel.ObjectType(typeStarted)},
	typeStarted: {"entry": cel.StringType, "description": cel.StringType, "network": cel.BoolType, "mac": cel.StringType},
	typeBMC:     {"addresses": cel.ListType(cel.StringType), "macs": cel.ListType(cel.StringType)},
	typeLLDP: {"chassis": cel.StringType, "port": cel.StringType, "portText": cel.StringType, "system": cel.StringType,
		"address": cel.StringType},
	typeCPU: {"model": cel.StringType, "arch": cel.StringType, "count": cel.IntType},
	typeDisk: {"path": cel.StringType, "links": cel.ListType(cel.StringType), "serial": cel.StringType,
		"wwn": cel.StringType, "model": cel.StringType, "vendor": cel.StringType, "firmware": cel.StringType, "transport": cel.StringType,
		"size": cel.IntType, "sectorSize": cel.IntType, "rotational": cel.BoolType, "removable": cel.BoolType,
		"readOnly": cel.BoolType},
	typeNIC: {"name": cel.StringType, "mac": cel.StringType, "driver": cel.StringType, "link": cel.BoolType,
		"mbps": cel.IntType, "firmware": cel.StringType, "lldp": cel.ObjectType(typeLLDP)},
}

// typeProvider gives CEL the types of facts. Values are maps, so that a field which a machine does not report is an
// error, and no zero value.
type typeProvider struct{ types.Provider }

func newTypes() typeProvider {
	registry, err := types.NewRegistry()
	if err != nil {
		panic("rules: the types of expressions: " + err.Error()) // made of constants
	}
	return typeProvider{registry}
}

// FindStructType implements types.Provider.
func (p typeProvider) FindStructType(name string) (*types.Type, bool) {
	if fields[name] != nil {
		return types.NewTypeTypeWithParam(types.NewObjectType(name)), true
	}
	return p.Provider.FindStructType(name)
}

// FindStructFieldNames implements types.Provider.
func (p typeProvider) FindStructFieldNames(name string) ([]string, bool) {
	if known := fields[name]; known != nil {
		return slices.Sorted(maps.Keys(known)), true
	}
	return p.Provider.FindStructFieldNames(name)
}

// FindStructFieldType implements types.Provider.
func (p typeProvider) FindStructFieldType(name, field string) (*types.FieldType, bool) {
	if known := fields[name]; known != nil {
		t, ok := known[field]
		return &types.FieldType{Type: t}, ok
	}
	return p.Provider.FindStructFieldType(name, field)
}

// NewValue implements types.Provider. An expression makes no machines.
func (p typeProvider) NewValue(name string, values map[string]ref.Val) ref.Val {
	if fields[name] != nil {
		return types.NewErr("%s cannot be made", name)
	}
	return p.Provider.NewValue(name, values)
}

// describeFacts gives facts for an expression. What the machine does not report is not there: empty texts, zero numbers,
// and empty lists of an agent that could not read everything. Without facts nothing is there.
func describeFacts(f *inventory.Facts) map[string]any {
	if f == nil {
		return map[string]any{}
	}
	all := map[string]any{
		"system": reported(map[string]any{"manufacturer": f.System.Manufacturer, "product": f.System.Product,
			"serial": f.System.Serial, "uuid": f.System.UUID}),
		"firmware": describeFirmware(f.Firmware), "hostname": f.Hostname, "tpmVersion": f.TPMVersion,
		"cpu":    reported(map[string]any{"model": f.CPU.Model, "arch": f.CPU.Arch, "count": int64(f.CPU.Count)}),
		"memory": int64(f.Memory),
	}
	if len(f.Disks) > 0 || len(f.Errors) == 0 {
		all["disks"] = describeDisks(f.Disks)
	}
	if len(f.NICs) > 0 || len(f.Errors) == 0 {
		all["nics"] = describeNICs(f.NICs)
	}
	if f.BMC != nil {
		all["bmc"] = map[string]any{"addresses": append([]string{}, f.BMC.Addresses...), "macs": append([]string{}, f.BMC.MACs...)}
	}
	return reported(all)
}

func describeFirmware(f inventory.Firmware) map[string]any {
	all := map[string]any{"uefi": f.UEFI, "secureBoot": f.SecureBoot, "vendor": f.Vendor, "version": f.Version,
		"sbatLevel": f.SBATLevel}
	if len(f.Authorities) > 0 { // an agent that reads them reports setupMode too
		all["authorities"], all["setupMode"] = f.Authorities, f.SetupMode
	}
	if s := f.Started; s != nil {
		all["started"] = reported(map[string]any{"entry": s.Entry, "description": s.Description, "network": s.Network, "mac": s.MAC})
	}
	return reported(all)
}

// describeDisks gives the disks with the names that are theirs alone: a placeholder, or a serial that two disks share,
// is not there.
func describeDisks(disks []inventory.Disk) []any {
	list := []any{}
	for _, d := range inventory.IdentifyDisks(disks) {
		path := d.Path
		if d.ID().Path == "" {
			path = "" // another disk has it too
		}
		list = append(list, reported(map[string]any{"path": path, "links": append([]string{}, d.Links...),
			"serial": d.ID().Serial, "wwn": d.ID().WWN, "model": d.Model, "vendor": d.Vendor, "firmware": d.Firmware, "transport": d.Transport,
			"size": int64(d.Size), "sectorSize": int64(d.SectorSize), "rotational": d.Rotational,
			"removable": d.Removable, "readOnly": d.ReadOnly}))
	}
	return list
}

func describeNICs(nics []inventory.NIC) []any {
	list := []any{}
	for _, n := range nics {
		nic := reported(map[string]any{"name": n.Name, "mac": n.MAC, "driver": n.Driver, "link": n.Link,
			"mbps": int64(n.Mbps), "firmware": n.Firmware})
		if l := n.LLDP; l != nil {
			nic["lldp"] = reported(map[string]any{"chassis": l.Chassis, "port": l.Port, "portText": l.PortText, "system": l.System,
				"address": l.Address})
		}
		list = append(list, nic)
	}
	return list
}

// reported leaves empty texts and zero numbers out.
func reported(values map[string]any) map[string]any {
	maps.DeleteFunc(values, func(_ string, value any) bool { return value == "" || value == int64(0) })
	return values
}
