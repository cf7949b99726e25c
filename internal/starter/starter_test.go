package starter_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"

	"github.com/gitmetal/ingot/boot/ignition"
	"github.com/gitmetal/ingot/internal/starter"
	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/gitrepo"
	"github.com/gitmetal/ingot/inventory/load"
	"github.com/gitmetal/ingot/inventory/secrets"
)

var now = time.Unix(1e9, 0)

// A new fleet has no findings, with and without recipients, beside a .git too.
func TestANewFleetIsValid(t *testing.T) {
	t.Parallel()
	identity := newIdentity(t)
	for name, recipients := range map[string][]string{"placeholder": nil, "recipient": {identity.Recipient().String()}} {
		dir := filepath.Join(t.TempDir(), "new", name)
		if err := os.MkdirAll(filepath.Join(dir, ".git"), 0o755); err != nil {
			t.Fatal(err)
		}
		if _, err := starter.WriteFleet(dir, starter.Options{Recipients: recipients, Now: now}); err != nil {
			t.Fatal(err)
		}
		snapshot, err := gitrepo.ReadDirectory(dir)
		if err != nil {
			t.Fatal(err)
		}
		fleet, findings := load.Fleet(inventory.Sources{Trunk: snapshot}, ignition.Checker{})
		if len(findings) > 0 || len(fleet.Hosts) != 1 || fleet.Hosts["web-01"].Workload == nil {
			t.Errorf("%s: %d hosts, findings %v", name, len(fleet.Hosts), findings)
		}
	}
}

// The Secret opens with the recipient's key; without a recipient its values are not in clear either.
func TestTheSecretIsSealed(t *testing.T) {
	t.Parallel()
	identity := newIdentity(t)
	keys := filepath.Join(t.TempDir(), "keys")
	if err := os.WriteFile(keys, []byte(identity.String()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	loaded, err := secrets.LoadKeys(keys, nil)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if _, err := starter.WriteFleet(dir, starter.Options{Recipients: []string{identity.Recipient().String()}, Now: now}); err != nil {
		t.Fatal(err)
	}
	data, err := secrets.OpenSecret([]byte(read(t, dir, "secrets/bmc.yaml")), loaded)
	if value := data["password"]; err != nil || value.Reveal() != "change-me" {
		t.Errorf("the Secret opens as %d values, %v", len(data), err)
	}
	if config := read(t, dir, ".sops.yaml"); !strings.Contains(config, identity.Recipient().String()) || strings.Contains(config, "placeholder") {
		t.Errorf(".sops.yaml does not name the recipient, or calls it a placeholder:\n%s", config)
	}
	dir = t.TempDir()
	files, err := starter.WriteFleet(dir, starter.Options{Now: now})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		if strings.Contains(read(t, dir, name), "AGE-SECRET-KEY") {
			t.Errorf("%s holds a private key", name)
		}
	}
	if _, err := secrets.OpenSecret([]byte(read(t, dir, "secrets/bmc.yaml")), loaded); err == nil {
		t.Error("the placeholder opens with another's key")
	}
}

var modeline = regexp.MustCompile(`^# yaml-language-server: \$schema=(\S+)\n`)

// Every document names a schema that is there, and satisfies it.
func TestEditorsFindTheSchemas(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	files, err := starter.WriteFleet(dir, starter.Options{Now: now})
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, name := range files {
		if filepath.Ext(name) != ".yaml" || strings.HasPrefix(name, ".") {
			continue
		}
		text := read(t, dir, name)
		line := modeline.FindStringSubmatch(text)
		if line == nil {
			t.Errorf("%s begins without a schema", name)
			continue
		}
		schema, err := jsonschema.NewCompiler().Compile(filepath.Join(dir, filepath.Dir(name), line[1]))
		if err != nil {
			t.Fatal(err)
		}
		var value any
		if err := yaml.Unmarshal([]byte(text), &value); err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(value); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err := schema.Validate(map[string]any{"apiVersion": "ingot.dev/v1alpha1", "kind": "Other"}); err == nil {
			t.Errorf("%s names a schema that takes anything", name)
		}
		seen++
	}
	if seen < 5 {
		t.Errorf("%d documents of %v have a schema", seen, files)
	}
}

// Nothing is written where something is.
func TestWriteRefuses(t *testing.T) {
	t.Parallel()
	full := t.TempDir()
	file := filepath.Join(full, "notes")
	if err := os.WriteFile(file, []byte("mine"), 0o644); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		dir, want  string
		recipients []string
	}{
		"not empty":     {full, "is not empty, it has notes", nil},
		"a file":        {file, "empty or missing", nil},
		"bad recipient": {filepath.Join(full, "new"), "age-keygen", []string{"AGE-SECRET-KEY-1CANARY"}},
	} {
		if _, err := starter.WriteFleet(test.dir, starter.Options{Recipients: test.recipients, Now: now}); err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "CANARY") {
			t.Errorf("%s: WriteFleet = %v, want an error with %q", name, err, test.want)
		}
	}
	entries, err := os.ReadDir(full)
	if err != nil || len(entries) != 1 || read(t, full, "notes") != "mine" {
		t.Errorf("the directory has %v now (%v)", entries, err)
	}
}

// WriteSchemas replaces the schemas and nothing else.
func TestWriteSchemas(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if _, err := starter.WriteFleet(dir, starter.Options{Now: now}); err != nil {
		t.Fatal(err)
	}
	want := read(t, dir, ".ingot/schemas/host.json")
	for _, name := range []string{".ingot/schemas/host.json", "hosts/web-01.yaml"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(strings.Repeat("changed", 10_000)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	files, err := starter.WriteSchemas(dir)
	if err != nil || !slices.Contains(files, ".ingot/schemas/host.json") {
		t.Errorf("WriteSchemas = %v, %v", files, err)
	}
	if read(t, dir, ".ingot/schemas/host.json") != want || !strings.HasPrefix(read(t, dir, "hosts/web-01.yaml"), "changed") {
		t.Error("the schema is not the new one, or a host's file was written")
	}
	if _, err := starter.WriteSchemas(filepath.Join(dir, "missing")); err == nil {
		t.Error("schemas were written into a fleet that is not there")
	}
}

func newIdentity(t *testing.T) *age.X25519Identity {
	t.Helper()
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	return identity
}

func read(t *testing.T, dir, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
