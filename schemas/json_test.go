package schemas_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"

	"github.com/gitmetal/ingot/schemas"
	"github.com/gitmetal/ingot/schemas/decode"
)

const goodHost = `apiVersion: ingot.dev/v1alpha1
kind: Host
metadata: {name: web-03, labels: {rack: r1}, id: web-3}
spec:
  bmc: {address: "https://10.0.0.13/redfish/v1/Systems/1", credentials: bmc, tls: {fingerprint: "sha256:3f1c9e0b7a5d4c2e8f6a1b3d5c7e9f0a2b4d6c8e0f1a3b5c7d9e1f3a5b7c9d0e"}}
  identity: {serial: 5XKJ2M3, macs: ["52:54:00:00:00:03"]}
  boot: {method: VirtualMedia, secureBoot: true}
  power: "On"
  rootDisk: {minSize: 400GB, rotational: false}
  network:
    ramdisk: {interfaces: [{name: mgmt, type: ethernet, mac-address: "52:54:00:00:00:03", ipv4: {dhcp: true}}]}
  workload: web
  vars: {site: fra1}
  protect: false
  consent: {erase: "X/0123456789abcdef"}
  lifecycle: Managed
`

// TestJSONSchemas holds the committed schemas against the reader: both take the good document, both refuse each bad one.
func TestJSONSchemas(t *testing.T) {
	t.Parallel()
	schema := compile(t, "host.json")
	tests := map[string]struct {
		old, replacement string
		good             bool
	}{
		"two consents":       {`"X/0123456789abcdef"`, `["X/0123456789abcdef", "Y/0123456789abcdef"]`, true},
		"a consent twice":    {`"X/0123456789abcdef"`, `["X/0123456789abcdef", "X/0123456789abcdef"]`, false},
		"no consent":         {`"X/0123456789abcdef"`, `"X"`, false},
		"an empty entry":     {`"X/0123456789abcdef"`, `["X/0123456789abcdef", ""]`, false},
		"a mapping consents": {`"X/0123456789abcdef"`, `{X: "0123456789abcdef"}`, false},
		"good":               {"", "", true},
		"unknown field":      {"  workload: web", "  worklod: web", false},
		"no such value":      {"lifecycle: Managed", "lifecycle: managed", false},
		"another type":       {"protect: false", "protect: maybe", false},
		"a bad name":         {"name: web-03", "name: Web_03", false},
		"a missing one":      {"address: \"https://10.0.0.13/redfish/v1/Systems/1\", ", "", false},
	}
	for name, test := range tests {
		text := strings.Replace(goodHost, test.old, test.replacement, 1)
		var value any
		if err := yaml.Unmarshal([]byte(text), &value); err != nil {
			t.Fatal(err)
		}
		err := schema.Validate(value)
		_, findings := decode.DecodeFile("host.yaml", []byte(text))
		if (err == nil) != test.good || schemas.Fatal(findings) == test.good {
			t.Errorf("%s: the schema says %v, the reader %v; want good: %t", name, err, findings, test.good)
		}
	}
}

// TestEveryKindHasASchema names the kinds in the committed files.
func TestEveryKindHasASchema(t *testing.T) {
	t.Parallel()
	for _, kind := range schemas.Kinds {
		schema := compile(t, strings.ToLower(kind)+".json")
		if err := schema.Validate(map[string]any{"apiVersion": schemas.APIVersion, "kind": "Other", "metadata": map[string]any{"name": "a"}, "spec": map[string]any{}}); err == nil {
			t.Errorf("the schema of %s takes another kind", kind)
		}
	}
}

func compile(t *testing.T, file string) *jsonschema.Schema {
	t.Helper()
	data, err := os.Open(filepath.Join("json", file))
	if err != nil {
		t.Fatal(err)
	}
	defer data.Close()
	document, err := jsonschema.UnmarshalJSON(data)
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource(file, document); err != nil {
		t.Fatal(err)
	}
	schema, err := compiler.Compile(file)
	if err != nil {
		t.Fatal(err)
	}
	return schema
}
