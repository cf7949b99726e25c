package plugins_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gitmetal/ingot/agent/plugins"
	"github.com/gitmetal/ingot/agent/steps"
	"github.com/gitmetal/ingot/agent/wire"
)

// plugin is an executable of the tests: describe prints a document, run executes shell commands.
func plugin(name, describe, run string) wire.Plugin {
	body := fmt.Sprintf("#!/bin/sh\ncase $1 in\ndescribe) %s ;;\nrun) %s ;;\nesac\n", describe, run)
	return wire.Plugin{Name: name, SHA256: "digest-of-" + name, Step: "create", Size: int64(len(body)), Body: []byte(body)}
}

// says is a describe that prints a document with one step.
func says(name, version, step string) string {
	return fmt.Sprintf(`echo '{"protocol":1,"name":%q,"version":%q,"steps":[{"step":"create",%s}]}'`, name, version, step)
}

// rig runs plug-ins without isolation, and keeps their lines.
type rig struct {
	dir   string
	mu    sync.Mutex
	lines []string
}

func (r *rig) run(run wire.Run, candidates ...wire.Plugin) steps.ScriptRun {
	run.Operation, run.Step, run.ID = "op", "raid", "raid"
	return steps.ScriptRun{Script: wire.Script{Plugins: candidates, Run: &run}, Timeout: time.Minute, Facts: wire.Facts{Memory: 1 << 30},
		Apart: steps.Isolation{Dir: r.dir}, Report: func(p wire.Progress) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.lines = append(r.lines, p.Lines...)
		}}
}

// try opens and runs the plug-ins of a step as the agent does.
func (r *rig) try(t *testing.T, run steps.ScriptRun, given []steps.GivenDisk) error {
	t.Helper()
	c, err := plugins.Open(t.Context(), run)
	if err == nil {
		err = c.CheckSupport()
	}
	if err == nil {
		_, err = c.Run(t.Context(), given)
	}
	if failed := c.Close(); failed != nil {
		t.Error(failed)
	}
	if left, failed := os.ReadDir(r.dir); failed != nil || len(left) > 0 {
		t.Errorf("files are left: %v, %v", left, failed)
	}
	return err
}

// TestThePluginWithTheHighestSupportRuns: vendor before mainline before generic, equal levels in the order of the list,
// none never; exit code 3 falls through, and nothing else does.
func TestThePluginWithTheHighestSupportRuns(t *testing.T) {
	t.Parallel()
	ran := func(name string) string { return "echo ran " + name }
	candidate := func(name, support, run string) wire.Plugin {
		return plugin(name, says(name, "1.0", `"support":"`+support+`"`), run)
	}
	for name, test := range map[string]struct {
		candidates []wire.Plugin
		ran, want  string // plug-ins that ran, in order; in the error
		final      bool
	}{
		"vendor first":  {[]wire.Plugin{candidate("a", "generic", ran("a")), candidate("b", "mainline", ran("b")), candidate("c", "vendor", ran("c"))}, "c", "", false},
		"equal levels":  {[]wire.Plugin{candidate("b", "generic", ran("b")), candidate("a", "generic", ran("a"))}, "b", "", false},
		"none left out": {[]wire.Plugin{candidate("a", "none", ran("a")), candidate("b", "generic", ran("b"))}, "b", "", false},
		"falls through": {[]wire.Plugin{candidate("a", "generic", ran("a")), candidate("b", "vendor", ran("b")+"; exit 3"), candidate("c", "mainline", ran("c")+"; exit 3")}, "b c a", "", false},
		"all not for it": {[]wire.Plugin{candidate("a", "generic", "exit 3"), candidate("b", "vendor", "exit 3")}, "",
			"no plug-in is for this hardware: tried b 1.0 (vendor), a 1.0 (generic)", true},
		"no support":          {[]wire.Plugin{candidate("a", "none", ran("a"))}, "", "no plug-in supports this hardware", true},
		"another failure":     {[]wire.Plugin{candidate("a", "vendor", ran("a")+"; exit 1"), candidate("b", "generic", ran("b"))}, "a", "plug-in a 1.0 (vendor): ", false},
		"a failure for good":  {[]wire.Plugin{candidate("a", "vendor", ran("a")+"; exit 2"), candidate("b", "generic", ran("b"))}, "a", "failed for good", true},
		"a signal":            {[]wire.Plugin{candidate("a", "vendor", ran("a")+"; kill -9 $$"), candidate("b", "generic", ran("b"))}, "a", "killed", false},
		"an undeclared start": {[]wire.Plugin{candidate("a", "vendor", ran("a")+"; exit 4"), candidate("b", "generic", ran("b"))}, "a", "does not say reboots: true", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := &rig{dir: t.TempDir()}
			err := r.try(t, r.run(wire.Run{Attempts: 1}, test.candidates...), nil)
			var got []string
			for _, line := range r.lines {
				if rest, ok := strings.CutPrefix(line, "ran "); ok {
					got = append(got, rest)
				}
			}
			if strings.Join(got, " ") != test.ran {
				t.Errorf("ran %v, want %s", got, test.ran)
			}
			wantFailure(t, err, test.want, test.final)
		})
	}
}

// wantFailure compares the end of a step.
func wantFailure(t *testing.T, err error, want string, final bool) {
	t.Helper()
	var failure steps.Failure
	switch isFailure := errors.As(err, &failure); {
	case (err == nil) != (want == ""), err != nil && !strings.Contains(err.Error(), want):
		t.Errorf("error = %v, want %q", err, want)
	case err != nil && (!isFailure || failure.Final != final):
		t.Errorf("error = %#v, final want %t", err, final)
	}
}

// TestAPluginThatDoesMoreThanItsStepSaysIsRefused: nothing of the step runs then, and no other candidate either.
func TestAPluginThatDoesMoreThanItsStepSaysIsRefused(t *testing.T) {
	t.Parallel()
	const level = `"support":"vendor","args":{"type":"object","required":["level"],"properties":{"level":{"enum":["raid1"]},"password":{"type":"string","maxLength":3}}}`
	for name, test := range map[string]struct {
		describe string
		run      wire.Run
		want     string
		final    bool
	}{
		"fits":              {says("a", "1", `"support":"vendor","writes":false`), wire.Run{}, "", false},
		"writes":            {says("a", "1", `"support":"vendor","writes":true`), wire.Run{}, "name them in spec.writes", true},
		"may write":         {says("a", "1", `"support":"vendor","writes":true`), wire.Run{Writes: true}, "", false},
		"reboots":           {says("a", "1", `"support":"vendor","reboots":true`), wire.Run{}, "say reboots: true", true},
		"may reboot":        {says("a", "1", `"support":"vendor","reboots":true`), wire.Run{Reboots: true}, "", false},
		"only once":         {says("a", "1", `"support":"vendor","repeatable":false`), wire.Run{}, "say repeatable: false", true},
		"once":              {says("a", "1", `"support":"vendor","repeatable":false`), wire.Run{Once: true}, "", false},
		"left out":          {says("a", "1", `"support":"none","writes":true`), wire.Run{}, "no plug-in supports", true},
		"arguments":         {says("a", "1", level), wire.Run{Args: json.RawMessage(`{"level":"raid1"}`)}, "", false},
		"a wrong argument":  {says("a", "1", level), wire.Run{Args: json.RawMessage(`{"level":"raid9"}`)}, "its schema refuses the arguments: level: value must be 'raid1'", true},
		"a missing one":     {says("a", "1", level), wire.Run{}, "missing property 'level'", true},
		"an unknown one":    {says("a", "1", level), wire.Run{Args: json.RawMessage(`{"level":"raid1","x":1}`)}, "additional properties 'x' not allowed", true},
		"no schema":         {says("a", "1", `"support":"vendor"`), wire.Run{Args: json.RawMessage(`{"x":1}`)}, "additional properties 'x' not allowed", true},
		"a secret":          {says("a", "1", level), wire.Run{Args: json.RawMessage(`{"level":"raid1","password":"hunter2"}`), Secrets: []string{"password"}}, "password is refused", true},
		"a foreign schema":  {says("a", "1", `"support":"vendor","args":{"type":"object","$ref":"https://example.com/x"}`), wire.Run{}, "cannot be used", true},
		"another protocol":  {`echo '{"protocol":2,"name":"a","version":"1","steps":[]}'`, wire.Run{}, "speaks protocol 2", true},
		"another step":      {`echo '{"protocol":1,"name":"a","version":"1","steps":[{"step":"x","support":"vendor"}]}'`, wire.Run{}, `it has no step "create": it has x`, true},
		"another level":     {says("a", "1", `"support":"best"`), wire.Run{}, "want one of vendor, mainline, generic, none", true},
		"no version":        {says("a", "", `"support":"vendor"`), wire.Run{}, "its version is", true},
		"steers a terminal": {says("a", "1\\u001b[2J", `"support":"vendor"`), wire.Run{}, "its version is", true},
		"no document":       {"echo hello", wire.Run{}, "no JSON document", true},
		"two documents":     {says("a", "1", `"support":"vendor"`) + "; echo '{}'", wire.Run{}, "more than one JSON document", true},
		"an exit code":      {"echo why >&2; exit 7", wire.Run{}, "describe: script: exit status 7: why", false},
		"too much":          {"yes | head -c 70000", wire.Run{}, "more than 65536 bytes", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := &rig{dir: t.TempDir()}
			test.run.Attempts = 1
			err := r.try(t, r.run(test.run, plugin("a", test.describe, "echo ran"), plugin("b", says("b", "1", `"support":"none"`), "")), nil)
			wantFailure(t, err, test.want, test.final)
			ran := strings.Contains(strings.Join(r.lines, "\n"), "ran")
			if ran != (test.want == "") || err != nil && strings.Contains(err.Error(), "hunter2") {
				t.Errorf("ran: %t; error %v", ran, err)
			}
		})
	}
}

// TestTheVersionOfAPluginStays: a plug-in that says another version than before in the operation is not run.
func TestTheVersionOfAPluginStays(t *testing.T) {
	t.Parallel()
	r := &rig{dir: t.TempDir()}
	p := plugin("a", says("a", "2", `"support":"vendor"`), "echo ran")
	p.Version = "2"
	if err := r.try(t, r.run(wire.Run{Attempts: 1}, p), nil); err != nil {
		t.Errorf("the same version: %v", err)
	}
	p.Version = "1"
	wantFailure(t, r.try(t, r.run(wire.Run{Attempts: 1}, p), nil), "its version is 2, and was 1 before in this operation", true)
}

// TestAPluginWithDisksDoesNotFallThrough: it may have written, whatever it says.
func TestAPluginWithDisksDoesNotFallThrough(t *testing.T) {
	t.Parallel()
	r := &rig{dir: t.TempDir()}
	run := r.run(wire.Run{Attempts: 1, Writes: true}, plugin("a", says("a", "1", `"support":"vendor","writes":true`), "exit 3"),
		plugin("b", says("b", "1", `"support":"generic","writes":true`), "echo ran"))
	wantFailure(t, r.try(t, run, make([]steps.GivenDisk, 1)), "plug-in a 1 (vendor): it is not for this hardware", true)
	if text := strings.Join(r.lines, "\n"); strings.Contains(text, "ran") {
		t.Errorf("the next plug-in ran: %s", text)
	}
}

// TestWhatAPluginIsGiven reads the documents on standard input: describe gets no arguments, run gets them all.
func TestWhatAPluginIsGiven(t *testing.T) {
	t.Parallel()
	r := &rig{dir: t.TempDir()}
	seen := r.dir + "-seen"
	t.Cleanup(func() { os.RemoveAll(seen) })
	if err := os.Mkdir(seen, 0o700); err != nil {
		t.Fatal(err)
	}
	p := plugin("a", "cat > "+seen+"/describe; "+says("a", "1", `"support":"vendor","args":{"type":"object","additionalProperties":true}`),
		"cat > "+seen+"/run; echo \"$* $INGOT_ARG_LEVEL $INGOT_ARG_PASSWORD\" > "+seen+"/words")
	run := r.run(wire.Run{Attempts: 1, Args: json.RawMessage(`{"level":"raid1","password":"hunter2"}`), Secrets: []string{"password"},
		Machine: wire.RunMachine{ID: "web-2", Name: "www-2", Labels: map[string]string{"rack": "r1"}, Vars: map[string]string{"site": "fra1"}}}, p)
	if err := r.try(t, run, nil); err != nil {
		t.Fatal(err)
	}
	describe, _ := os.ReadFile(seen + "/describe")
	var asked wire.DescribeDocument
	if err := json.Unmarshal(describe, &asked); err != nil || strings.Contains(string(describe), "hunter2") || strings.Contains(string(describe), "fra1") {
		t.Errorf("describe got %s, %v", describe, err)
	}
	want := wire.DescribeDocument{Protocol: 1, Machine: wire.DescribeMachine{ID: "web-2", Name: "www-2", Labels: map[string]string{"rack": "r1"}, Facts: wire.Facts{Memory: 1 << 30}}}
	if diff := cmp.Diff(want, asked); diff != "" {
		t.Errorf("describe (-want +got):\n%s", diff)
	}
	body, _ := os.ReadFile(seen + "/run")
	var told wire.RunDocument
	if err := json.Unmarshal(body, &told); err != nil || told.Step != "create" || told.ID != "raid" || told.Attempt != 1 || told.Machine.Vars["site"] != "fra1" ||
		string(told.Args) != `{"level":"raid1","password":"hunter2"}` {
		t.Errorf("run got %s, %v", body, err)
	}
	if words, _ := os.ReadFile(seen + "/words"); string(words) != "run create raid1 \n" {
		t.Errorf("run got the words %q", words)
	}
}

// TestWhatWasDescribedIsWhatRuns: a file that changed in RAM between describe and run is not run.
func TestWhatWasDescribedIsWhatRuns(t *testing.T) {
	t.Parallel()
	r := &rig{dir: t.TempDir()}
	p := plugin("a", says("a", "1", `"support":"vendor"`)+"; f=$(ls -d "+r.dir+"/ingot-plugin-*/plugin); cp $f $f.next; echo 'echo other >&2' >> $f.next; mv $f.next $f", "echo ran")
	wantFailure(t, r.try(t, r.run(wire.Run{Attempts: 1}, p), nil), "is not the one that was described", false)
	if text := strings.Join(r.lines, "\n"); strings.Contains(text, "ran") {
		t.Errorf("it ran: %s", text)
	}
}

// TestDescribeAll asks the plug-ins of two steps, and runs none.
func TestDescribeAll(t *testing.T) {
	t.Parallel()
	r := &rig{dir: t.TempDir()}
	a, b := plugin("a", says("a", "1", `"support":"vendor"`), "echo ran"), plugin("b", says("b", "2", `"support":"none"`), "echo ran")
	scripts := []wire.Script{{Plugins: []wire.Plugin{a, b}, Run: &wire.Run{ID: "one"}}, {Plugins: []wire.Plugin{b}, Run: &wire.Run{ID: "two"}}}
	got, err := plugins.DescribeAll(t.Context(), scripts, r.run(wire.Run{}))
	want := []wire.Described{{SHA256: "digest-of-a", Name: "a", Version: "1", Step: "create", Support: "vendor"},
		{SHA256: "digest-of-b", Name: "b", Version: "2", Step: "create", Support: "none"},
		{SHA256: "digest-of-b", Name: "b", Version: "2", Step: "create", Support: "none"}}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("DescribeAll (-want +got), %v:\n%s", err, diff)
	}
	scripts[1].Plugins[0] = plugin("c", says("c", "1", `"support":"vendor","writes":true`), "echo ran")
	_, err = plugins.DescribeAll(t.Context(), scripts, r.run(wire.Run{}))
	wantFailure(t, err, "step two: plug-in c: it writes to disks", true)
	if text := strings.Join(r.lines, "\n"); strings.Contains(text, "ran") {
		t.Errorf("a plug-in ran: %s", text)
	}
}
