package plugincheck_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/gitmetal/ingot/cmd/ingot/plugincheck"
)

// writeFile writes a file that can be executed.
func writeFile(t *testing.T, name, text string) string {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	return name
}

// run runs the contract and gives the findings and what is printed.
func run(t *testing.T, o plugincheck.Options) (int, string) {
	t.Helper()
	var out bytes.Buffer
	o.Out, o.Timeout = &out, time.Minute
	findings, err := plugincheck.Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return findings, out.String()
}

// TestDocumentedPlugins runs the plug-ins of docs/plugins.md: one in shell, one in Python, one in Go.
func TestDocumentedPlugins(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../../docs/plugins.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := map[string]string{}
	for _, block := range regexp.MustCompile("(?s)```(sh|python|go)\n(.*?)```").FindAllStringSubmatch(string(page), -1) {
		blocks[block[1]] += block[2]
	}
	dir := t.TempDir()
	golang := filepath.Join(dir, "golang")
	writeFile(t, filepath.Join(dir, "main.go"), blocks["go"])
	build := exec.CommandContext(t.Context(), "go", "build", "-o", golang, filepath.Join(dir, "main.go"))
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	shell, python := writeFile(t, filepath.Join(dir, "shell"), blocks["sh"]), writeFile(t, filepath.Join(dir, "python"), blocks["python"])
	args := func(name, text string) string { return writeFile(t, filepath.Join(dir, name+".json"), text) }
	acme := args("acme", `{"system":{"manufacturer":"Acme"},"memory":1}`)
	for name, test := range map[string]struct {
		o        plugincheck.Options
		findings int
		want     []string
	}{
		"shell":                {plugincheck.Options{Plugin: shell, Args: args("a", `{"gigabytes":1}`)}, 0, []string{"ok       describe: memory-check 1.0.0", "step check: support generic\n", "GiB, want 1 GiB", "ok       run check: done"}},
		"shell, too much":      {plugincheck.Options{Plugin: shell, Args: args("b", `{"gigabytes":9999999}`)}, 1, []string{"FINDING  run check: it failed for good: script: exit status 2"}},
		"shell, no arguments":  {plugincheck.Options{Plugin: shell}, 1, []string{"FINDING  step check: its schema refuses the arguments: missing property 'gigabytes'"}},
		"python":               {plugincheck.Options{Plugin: python, Facts: acme, Args: args("c", `{"text":"hello"}`)}, 0, []string{"describe: acme-label 2.1.0", "its Step must say writes: [NAME]", "1 of 1", "ok       run label: done", "it wrote to the disk"}},
		"python, not Acme":     {plugincheck.Options{Plugin: python, Args: args("d", `{"text":"hello"}`)}, 0, []string{"support none", "step label is not run"}},
		"go":                   {plugincheck.Options{Plugin: golang, Args: args("e", `{"atLeast":0}`)}, 0, []string{"describe: nic-count 0.3.0", "ok       run check: done"}},
		"go, too few":          {plugincheck.Options{Plugin: golang, Args: args("f", `{"atLeast":3}`)}, 1, []string{"0 cards, want 3", "it failed for good"}},
		"go, another step":     {plugincheck.Options{Plugin: golang, Step: "install"}, 1, []string{`FINDING  the plug-in has no step "install"`}},
		"go, another argument": {plugincheck.Options{Plugin: golang, Args: args("g", `{"atleast":3}`)}, 1, []string{"additional properties 'atleast' not allowed"}},
	} {
		findings, out := run(t, test.o)
		if findings != test.findings {
			t.Errorf("%s: %d findings, want %d", name, findings, test.findings)
		}
		for _, want := range test.want {
			if !strings.Contains(out, want) {
				t.Errorf("%s: no %q in:\n%s", name, want, out)
			}
		}
	}
}

// TestWhatIsNoPlugin: each way to break the contract is a finding.
func TestWhatIsNoPlugin(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	describe := func(step string) string {
		return `echo '{"protocol":1,"name":"p","version":"1","steps":[{"step":"s","support":"generic"` + step + `}]}'`
	}
	for name, test := range map[string]struct{ describe, run, want string }{
		"no answer":         {"exit 0", "", "its answer to describe is no JSON document"},
		"a failure":         {"echo broken >&2; exit 1", "", "describe: script: exit status 1: broken"},
		"too long":          {"head -c 100000 /dev/zero | tr '\\0' x", "", "more than 65536 bytes"},
		"another answer":    {`echo "{\"protocol\":1,\"name\":\"p\",\"version\":\"$(date +%N)\",\"steps\":[]}"`, "", "another answer at the second time"},
		"a signal":          {describe(""), "kill -9 $$", "FINDING  run s: "},
		"a silent start":    {describe(""), "exit 4", "its Step does not say reboots: true"},
		"a lie":             {describe(`,"writes":true`), `device=$(sed 's/.*"device":"//; s/".*//'); echo x > $device; exit 3`, "says that nothing was done"},
		"a foreign refusal": {describe(""), "exit 17", "exit status 17"},
	} {
		file := writeFile(t, filepath.Join(dir, strings.ReplaceAll(name, " ", "-")), "#!/bin/sh\ncase $1 in describe) "+test.describe+";; run) "+test.run+";; esac\n")
		if findings, out := run(t, plugincheck.Options{Plugin: file}); findings != 1 || !strings.Contains(out, test.want) {
			t.Errorf("%s: %d findings, want one with %q:\n%s", name, findings, test.want, out)
		}
	}
	for name, test := range map[string]string{"reboots": describe(`,"reboots":true`) + ";; run) exit 4", "not for it": describe("") + ";; run) exit 3"} {
		file := writeFile(t, filepath.Join(dir, strings.ReplaceAll(name, " ", "-")), "#!/bin/sh\ncase $1 in describe) "+test+";; esac\n")
		if findings, out := run(t, plugincheck.Options{Plugin: file}); findings != 0 || !strings.Contains(out, "ok       run s: ") {
			t.Errorf("%s: %d findings:\n%s", name, findings, out)
		}
	}
}
