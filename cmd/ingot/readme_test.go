package main

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/gitmetal/ingot/cmd/ingot/fleets"
	"github.com/gitmetal/ingot/internal/daemon/config"
	"github.com/gitmetal/ingot/schemas"
)

// TestReadme reads the examples of the README as ingot would.
func TestReadme(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	var blocks []string
	for _, part := range strings.Split(string(text), "```yaml\n")[1:] {
		block, _, _ := strings.Cut(part, "```")
		blocks = append(blocks, block)
	}
	if len(blocks) != 2 {
		t.Fatalf("the README has %d YAML blocks, want the fleet and the configuration", len(blocks))
	}
	dir := t.TempDir()
	for name, content := range map[string]string{
		"fleet/hosts/web.yaml": blocks[0], "fleet/workloads/web.bu": base["workloads/web.bu"], "fleet/workloads/motd": "", "ingot.yaml": blocks[1],
		"fleet/secrets/bmc.yaml": strings.Replace(base["secrets/bmc.yaml"], "name: bmc", "name: bmc-r1", 1),
	} {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	fleet, findings, err := fleets.NewReader(filepath.Join(dir, "fleet")).ReadFleet("", nil)
	if err != nil || len(findings) > 0 || len(fleet.Hosts) != 1 {
		t.Errorf("the README's fleet has %d hosts, findings %v, error %v", len(fleet.Hosts), findings, err)
	}
	if _, err := config.LoadFile(filepath.Join(dir, "ingot.yaml")); err != nil {
		t.Errorf("the README's configuration: %v", err)
	}
}

// TestDaemonReference wants every field of the daemon's configuration in its reference, with a value.
func TestDaemonReference(t *testing.T) {
	t.Parallel()
	settings, err := config.LoadFile("../../docs/daemon.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var missing func(path string, v reflect.Value)
	missing = func(path string, v reflect.Value) {
		if v.IsZero() {
			t.Errorf("docs/daemon.yaml has no %s", path)
		}
		for i := range v.NumField() {
			name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ",")
			if name == "-" { // a flag, and no line of the file
				continue
			}
			scope := v.Type().Field(i).Type == reflect.TypeFor[schemas.Scope]() // its parts are alternatives, and the fleet's reference has them
			field := v.Field(i)
			if field.Kind() == reflect.Pointer && !field.IsNil() {
				field = field.Elem()
			}
			if field.Kind() == reflect.Slice && field.Type().Elem() == reflect.TypeFor[config.Notify]() {
				field = mergeElements(field)
			}
			if field.Kind() == reflect.Struct && name != "" && !scope {
				missing(path+"."+name, field)
			} else if field.IsZero() {
				t.Errorf("docs/daemon.yaml has no %s.%s", path, name)
			}
		}
	}
	missing("", reflect.ValueOf(settings))
}

// mergeElements is a struct with every field that an element of a list has.
func mergeElements(list reflect.Value) reflect.Value {
	merged := reflect.New(list.Type().Elem()).Elem()
	for i := range list.Len() {
		for j := range merged.NumField() {
			if field := list.Index(i).Field(j); !field.IsZero() {
				merged.Field(j).Set(field)
			}
		}
	}
	return merged
}
