package document

import (
	"maps"
	"slices"
)

// Paths of the BIOS.
const (
	BIOS         = System + "/Bios"
	BIOSSettings = BIOS + "/Settings"
	Registries   = Root + "/Registries"
	// BIOSRegistry is the name of the registry of BIOS attributes.
	BIOSRegistry = "LabBios.v1_0_0"
	// BIOSRegistryFile is where the registry itself is.
	BIOSRegistryFile = Registries + "/" + BIOSRegistry + "/" + BIOSRegistry + ".json"
)

// Applies are the times at which the settings object is applied.
var Applies = []string{"OnReset"}

// NewBIOS is the BIOS with the attributes as the machine runs. applies says when settings may be applied; none: the
// resource does not say.
func NewBIOS(attributes map[string]any, applies []string) Document {
	doc := NewResource(BIOS, "Bios", "BIOS")
	doc["AttributeRegistry"], doc["Attributes"] = BIOSRegistry, maps.Clone(attributes)
	settings := Document{"@odata.type": "#Settings." + versions["Settings"] + ".Settings",
		"SettingsObject": NewLink(BIOSSettings)}
	if len(applies) > 0 {
		settings["SupportedApplyTimes"] = applies
	}
	doc["@Redfish.Settings"] = settings
	return doc
}

// NewBIOSSettings is the settings object: the attributes as they will be after the next reset.
func NewBIOSSettings(attributes map[string]any) Document {
	doc := NewResource(BIOSSettings, "Bios", "BIOS Settings")
	doc["AttributeRegistry"], doc["Attributes"] = BIOSRegistry, maps.Clone(attributes)
	return doc
}

// NewRegistryFile says where the registry of BIOS attributes is.
func NewRegistryFile() Document {
	doc := NewResource(Registries+"/"+BIOSRegistry, "MessageRegistryFile", "BIOS attributes")
	doc["Registry"], doc["Languages"] = BIOSRegistry, []string{"en"}
	doc["Location"] = []Document{{"Language": "en", "Uri": BIOSRegistryFile}}
	return doc
}

// Attribute is a BIOS attribute of the lab, with the value of a new machine.
type Attribute struct {
	Name, Type string
	Value      any
	Values     []string // of an enumeration
	Low, High  int      // of a number
	Length     int      // the most of a text
	ReadOnly   bool
}

// BIOSAttributes are the attributes of the lab's machines. PerformanceCores is read-only unless ProcessorMode is
// Custom.
var BIOSAttributes = []Attribute{
	{Name: "AssetTag", Type: "String", Value: "", Length: 16},
	{Name: "MemorySpeed", Type: "String", Value: "3200 MT/s", Length: 32, ReadOnly: true},
	{Name: "PerformanceCores", Type: "Integer", Value: 8, Low: 1, High: 64},
	{Name: "ProcVirtualization", Type: "Enumeration", Value: "Disabled", Values: []string{"Enabled", "Disabled"}},
	{Name: "ProcessorMode", Type: "Enumeration", Value: "Balanced", Values: []string{"Balanced", "Custom"}},
	{Name: "QuietBoot", Type: "Boolean", Value: true},
	{Name: "SriovGlobalEnable", Type: "Enumeration", Value: "Disabled", Values: []string{"Enabled", "Disabled"}},
}

// NewBIOSRegistry is the registry of BIOSAttributes.
func NewBIOSRegistry() Document {
	var entries []Document
	for _, a := range BIOSAttributes {
		entry := Document{"AttributeName": a.Name, "Type": a.Type, "DisplayName": a.Name, "ReadOnly": a.ReadOnly,
			"ResetRequired": true}
		switch a.Type {
		case "Enumeration":
			var values []Document
			for _, value := range a.Values {
				values = append(values, Document{"ValueName": value, "ValueDisplayName": value})
			}
			entry["Value"] = values
		case "Integer":
			entry["LowerBound"], entry["UpperBound"], entry["ScalarIncrement"] = a.Low, a.High, 1
		case "String":
			entry["MinLength"], entry["MaxLength"] = 0, a.Length
		}
		entries = append(entries, entry)
	}
	locked := Document{"Type": "Map", "DependencyFor": "PerformanceCores", "Dependency": Document{
		"MapFrom": []Document{{"MapFromAttribute": "ProcessorMode", "MapFromProperty": "CurrentValue",
			"MapFromCondition": "NEQ", "MapFromValue": "Custom"}},
		"MapToAttribute": "PerformanceCores", "MapToProperty": "ReadOnly", "MapToValue": true}}
	doc := NewResource(BIOSRegistryFile, "AttributeRegistry", "BIOS attributes")
	doc["Id"], doc["Language"], doc["OwningEntity"] = BIOSRegistry, "en", "ingot lab"
	doc["RegistryVersion"] = "1.0.0"
	doc["RegistryEntries"] = Document{"Attributes": entries, "Dependencies": []Document{locked}}
	return doc
}

// FindProblem says which attribute of a change the lab does not take, and the message id that says why; "" for a good
// change.
func FindProblem(change map[string]any) (name, problem string) {
	for _, name := range slices.Sorted(maps.Keys(change)) {
		i := slices.IndexFunc(BIOSAttributes, func(a Attribute) bool { return a.Name == name })
		if i < 0 {
			return name, "PropertyUnknown"
		}
		if problem := BIOSAttributes[i].findProblem(change[name]); problem != "" {
			return name, problem
		}
	}
	return "", ""
}

func (a Attribute) findProblem(value any) string {
	good := false
	switch v := value.(type) {
	case string:
		good = a.Type == "String" && len(v) <= a.Length || slices.Contains(a.Values, v)
	case bool:
		good = a.Type == "Boolean"
	case float64:
		good = a.Type == "Integer" && v >= float64(a.Low) && v <= float64(a.High)
	}
	switch {
	case a.ReadOnly:
		return "PropertyNotWritable"
	case !good:
		return "PropertyValueNotInList"
	default:
		return ""
	}
}
