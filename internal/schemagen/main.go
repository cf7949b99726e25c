// Command schemagen writes the JSON Schemas of the fleet's kinds and the reference page from package schemas, and the
// JSON Schema of `ingot plan -o json`, and the page of the causes from package cause: `go generate ./schemas`.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/invopop/jsonschema"

	"github.com/gitmetal/ingot/schemas"
)

// base is the URL below which the schemas are identified.
const base = "https://ingot.dev/schemas/v1alpha1/"

// kinds of documents, in the order of the reference page.
var kinds = []struct {
	name  string
	value any
}{
	{schemas.KindHost, schemas.Host{}}, {schemas.KindWorkload, schemas.Workload{}}, {schemas.KindStep, schemas.Step{}},
	{schemas.KindSecret, schemas.Secret{}},
	{schemas.KindRing, schemas.Ring{}}, {schemas.KindDefaults, schemas.Defaults{}}, {schemas.KindRule, schemas.Rule{}},
	{schemas.KindDelivery, schemas.Delivery{}}, {schemas.KindFleet, schemas.Fleet{}},
}

// choices are the fields with a closed set of values, by type and property.
var choices = map[string][]string{
	"HostSpec.power":         {schemas.PowerOn, schemas.PowerOff, schemas.PowerUnmanaged},
	"HostSpec.lifecycle":     {schemas.Managed, schemas.Adopted, schemas.Unmanaged, schemas.Retired},
	"Retire.policy":          {schemas.EraseMetadata, schemas.EraseClear, schemas.ErasePurge},
	"Retire.then":            {schemas.RetirePowerOff},
	"HostDefaults.power":     {schemas.PowerOn, schemas.PowerOff, schemas.PowerUnmanaged},
	"HostDefaults.lifecycle": {schemas.Managed, schemas.Adopted, schemas.Unmanaged, schemas.Retired},
	"RebootRequest.mode":     {schemas.RebootSoft, schemas.RebootHard},
	"Boot.method":            {schemas.VirtualMedia}, "WorkloadSpec.update": {schemas.OnConsent, schemas.Reinstall},
	"Install.phoneHome":  {schemas.PhoneHomeRequired, schemas.PhoneHomeDisabled},
	"Install.ignition":   schemas.IgnitionVersions,
	"Install.otherDisks": {schemas.OtherDisksDenied, schemas.OtherDisksAllowed},
	"Interface.type":     {"ethernet", "bond", "vlan"},
}

// patterns are the fields with a grammar.
var patterns = map[string]string{
	"Metadata.name": `^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`, "Metadata.id": `^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`,
	"Image.sha256": `^[0-9a-f]{64}$`, "Plugin.sha256": `^[0-9a-f]{64}$`,
	"BMCTLS.fingerprint": `^sha256:[0-9a-f]{64}$`,
	"EnrolmentKey.id":    `^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`, "EnrolmentKey.until": dayPattern, "DeliverySpec.until": dayPattern,
	"BMCConsole.fingerprint": `^SHA256:[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]$`,
}

// dayPattern is a day, such as 2026-12-31.
const dayPattern = `^[0-9]{4}-[0-9]{2}-[0-9]{2}$`

// erasePattern is a consent.
const erasePattern = `[!-~]([ -~]{0,254}[!-~])?/[0-9a-f]{16}`

// writeRetireDisks says that a field is a word, or a list of names.
func writeRetireDisks(schema, value *jsonschema.Schema) {
	value.Type, value.Ref, value.Items = "", "", nil
	value.OneOf = []*jsonschema.Schema{{Type: "string"}, {Type: "array", Items: &jsonschema.Schema{Type: "string"}, UniqueItems: true}}
	delete(schema.Definitions, "RetireDisks")
}

// writeConsents says that a field is a text, which may be empty, or a list of texts.
func writeConsents(schema, value *jsonschema.Schema) {
	most := uint64(schemas.MaxConsents)
	value.Type, value.Ref, value.Items = "", "", nil
	value.OneOf = []*jsonschema.Schema{{Type: "string", Pattern: "^(" + erasePattern + ")?$"},
		{Type: "array", Items: &jsonschema.Schema{Type: "string", Pattern: "^" + erasePattern + "$"}, UniqueItems: true,
			MaxItems: &most}}
	delete(schema.Definitions, "EraseConsents")
}

func main() {
	if err := writeAll(); err != nil {
		fmt.Fprintln(os.Stderr, "schemagen:", err)
		os.Exit(1)
	}
}

// writeAll starts in schemas, the directory of go generate, and writes every file. The comments are found by the paths
// of the module.
func writeAll() error {
	if err := os.Chdir(".."); err != nil {
		return err
	}
	reflector := &jsonschema.Reflector{RequiredFromJSONSchemaTags: false, ExpandedStruct: true}
	if err := reflector.AddGoComments("github.com/gitmetal/ingot", "./schemas",
		jsonschema.WithFullComment()); err != nil {
		return fmt.Errorf("read comments: %w", err)
	}
	page := newPage()
	for _, kind := range kinds {
		schema := reflector.Reflect(kind.value)
		completeSchema(schema, kind.name)
		body, err := json.MarshalIndent(schema, "", "  ")
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join("schemas", "json", strings.ToLower(kind.name)+".json"), append(body, '\n'),
			0o644); err != nil {
			return err
		}
		page.addKind(kind.name, schema)
	}
	if err := os.WriteFile(filepath.Join("docs", "reference.md"), page.encodePage(), 0o644); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join("docs", "why.md"), causePage(), 0o644); err != nil {
		return err
	}
	return writePlanSchema()
}

// completeSchema adds constraints that Go types do not express.
func completeSchema(schema *jsonschema.Schema, kind string) {
	schema.ID, schema.Title = jsonschema.ID(base+strings.ToLower(kind)+".json"), kind
	fixValue(schema, "apiVersion", schemas.APIVersion)
	fixValue(schema, "kind", kind)
	for name, definition := range listDefinitions(schema) {
		for pair := definition.Properties.Oldest(); pair != nil; pair = pair.Next() {
			key := name + "." + pair.Key
			for _, choice := range choices[key] {
				pair.Value.Enum = append(pair.Value.Enum, choice)
			}
			pair.Value.Pattern = patterns[key]
			if key == "RingSpec.maxUnavailable" { // a number needs no quotes
				pair.Value.Type, pair.Value.OneOf = "",
					[]*jsonschema.Schema{{Type: "string", Pattern: "^[0-9]+%?$"}, {Type: "integer", Minimum: "1"}}
			}
			switch {
			case key == "Consent.erase":
				writeConsents(schema, pair.Value)
			case key == "Retire.disks":
				writeRetireDisks(schema, pair.Value)
			case key == "StepSpec.writes": // no script is given a disk
				pair.Value.MaxItems = new(uint64)
			case pair.Key == "attempts":
				pair.Value.Minimum, pair.Value.Maximum = "1", json.Number(fmt.Sprint(schemas.MaxAttempts))
			}
			pair.Value.Description = oneLine(pair.Value.Description)
		}
		definition.Description = oneLine(definition.Description)
	}
}

func fixValue(schema *jsonschema.Schema, property, value string) {
	if p, ok := schema.Properties.Get(property); ok {
		p.Const = value
	}
}

// listDefinitions gives the types of a schema that have properties, with the schema's own type.
func listDefinitions(schema *jsonschema.Schema) map[string]*jsonschema.Schema {
	definitions := map[string]*jsonschema.Schema{schema.Title: schema}
	for name, definition := range schema.Definitions {
		if definition.Properties != nil {
			definitions[name] = definition
		}
	}
	return definitions
}

func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

// sortedNames gives the names of a schema's other types.
func sortedNames(schema *jsonschema.Schema) []string {
	var names []string
	for name := range listDefinitions(schema) {
		if name != schema.Title {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}
