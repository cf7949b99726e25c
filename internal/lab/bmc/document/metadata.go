package document

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// versions are the versions of the schemas that the service's resources follow.
var versions = map[string]string{
	"AccountService": "v1_16_0", "AttributeRegistry": "v1_4_0", "Bios": "v1_2_3", "ComputerSystem": "v1_23_1", "Drive": "v1_20_0", "EthernetInterface": "v1_12_2",
	"Manager": "v1_20_0", "ManagerAccount": "v1_13_0", "Message": "v1_1_2", "MessageRegistryFile": "v1_1_5",
	"Role": "v1_3_3", "SecureBoot": "v1_1_1",
	"ServiceRoot": "v1_17_0", "Session": "v1_7_1", "Settings": "v1_3_5", "SessionService": "v1_1_9", "Storage": "v1_17_1",
	"StorageController": "v1_8_0", "Task": "v1_7_4", "TaskService": "v1_2_1", "VirtualMedia": "v1_6_4", "Volume": "v1_10_0",
}

// collections are the kinds of the service's collections.
var collections = []string{"ComputerSystem", "EthernetInterface", "Manager", "ManagerAccount", "MessageRegistryFile", "Role", "Session",
	"Storage", "StorageController", "Task", "VirtualMedia", "Volume"}

// schemas is where DSP8010 publishes its schemas; a name, which nobody here opens.
const schemas = "http://redfish.dmtf.org/schemas/v1/"

func odataType(kind string) string {
	version, known := versions[kind]
	if !known {
		panic("document: no version of " + kind)
	}
	return "#" + kind + "." + version + "." + kind
}

// SchemaURI is the address of the JSON schema that describes the document.
func (d Document) SchemaURI() string {
	name, _ := d["@odata.type"].(string)
	name = strings.TrimPrefix(name, "#")
	return schemas + name[:max(strings.LastIndex(name, "."), 0)] + ".json"
}

// NewServiceDocument is the OData service document: DSP0266, 8.4.4.
func NewServiceDocument() Document {
	singleton := func(name, at string) Document { return Document{"name": name, "kind": "Singleton", "url": at} }
	value := []Document{singleton("Service", Root+"/")}
	for _, name := range []string{"Systems", "Managers", "SessionService", "AccountService", "TaskService", "Registries"} {
		value = append(value, singleton(name, Root+"/"+name))
	}
	value = append(value, singleton("Sessions", Sessions))
	return Document{"@odata.context": Metadata, "value": value}
}

// NewMetadata is the OData metadata document: the schemas of all resources.
func NewMetadata() string {
	var b strings.Builder
	refer := func(file string, namespaces ...string) {
		fmt.Fprintf(&b, "  <edmx:Reference Uri=%q>\n", schemas+file)
		for _, namespace := range namespaces {
			fmt.Fprintf(&b, "    <edmx:Include Namespace=%q/>\n", namespace)
		}
		b.WriteString("  </edmx:Reference>\n")
	}
	b.WriteString("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n" +
		"<edmx:Edmx xmlns:edmx=\"http://docs.oasis-open.org/odata/ns/edmx\" Version=\"4.0\">\n")
	for _, kind := range slices.Sorted(maps.Keys(versions)) {
		refer(kind+"_v1.xml", kind, kind+"."+versions[kind])
	}
	for _, kind := range collections {
		refer(kind+"Collection_v1.xml", kind+"Collection")
	}
	b.WriteString("  <edmx:Reference Uri=\"" + schemas + "RedfishExtensions_v1.xml\">\n" +
		"    <edmx:Include Namespace=\"RedfishExtensions.v1_0_0\" Alias=\"Redfish\"/>\n  </edmx:Reference>\n" +
		"  <edmx:DataServices>\n    <Schema xmlns=\"http://docs.oasis-open.org/odata/ns/edm\" Namespace=\"Service\">\n" +
		"      <EntityContainer Name=\"Service\" Extends=\"ServiceRoot." + versions["ServiceRoot"] +
		".ServiceContainer\"/>\n    </Schema>\n  </edmx:DataServices>\n</edmx:Edmx>\n")
	return b.String()
}
