package steps

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gitmetal/ingot/agent/wire"
)

// aRun is a step with arguments of every kind.
func aRun() *wire.Run {
	return &wire.Run{
		Operation: "op1", Step: "mend", ID: "first", Attempts: 1,
		Machine: wire.RunMachine{ID: "web-1", Name: "www-1", Labels: map[string]string{"rack": "r1"}, Vars: map[string]string{"site": "fra1"}},
		Args:    json.RawMessage(`{"level":3,"site":"in fra1","password":"hunter2","force":true,"files":["a"],"log-level":"x","odd":"a` + "\\u0000" + `b","users":{"root":"hunter3"}}`),
		Secrets: []string{"password", "users"},
	}
}

func runScript(t *testing.T, body string, run *wire.Run) (said []string, output string, err error) {
	t.Helper()
	var l lines
	output, err = RunScript(t.Context(), ScriptRun{Script: wire.Script{Body: []byte("#!/bin/sh\n" + body), Run: run}, Timeout: time.Minute,
		Facts: wire.Facts{Memory: 1 << 30}, Report: l.report})
	return l.all, output, err
}

// TestAScriptGetsItsArguments: the whole document on standard input, the name as $1, plain arguments in the environment. A
// secret is on standard input alone.
func TestAScriptGetsItsArguments(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "document")
	said, _, err := runScript(t, "cat > "+file+"\necho \"$# $1\"\nenv | grep -v '^PWD=' | sort\ntr '\\0' ' ' < /proc/$$/cmdline\necho\n", aRun())
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"1 mend", "HOME=/root", "INGOT_ARG_FORCE=true", "INGOT_ARG_LEVEL=3", "INGOT_ARG_LOG_LEVEL=x", "INGOT_ARG_SITE=in fra1", "LANG=C.UTF-8"}
	got := slices.DeleteFunc(slices.Clone(said), func(line string) bool {
		return strings.HasPrefix(line, "PATH=") || strings.HasPrefix(line, "/bin/sh ") || strings.HasPrefix(line, "_=")
	})
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
	if strings.Contains(strings.Join(said, "\n"), "hunter") {
		t.Errorf("a secret is in the environment or in the arguments: %q", said)
	}
	body, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var document wire.RunDocument
	if err := json.Unmarshal(body, &document); err != nil {
		t.Fatal(err)
	}
	facts := document.Machine.Facts
	document.Machine.Facts = nil
	work := document.Work
	wantDocument := wire.RunDocument{Protocol: 1, Operation: "op1", Step: "mend", ID: "first", Attempt: 1, Machine: aRun().Machine, Args: aRun().Args, Work: work}
	if diff := cmp.Diff(wantDocument, document); diff != "" || facts == nil || facts.Memory != 1<<30 || work == "" {
		t.Errorf("document (-want +got):\n%s, facts %+v, work %q", diff, facts, work)
	}
}

// TestExitCodes: what each end of a script means for the next attempt.
func TestExitCodes(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, body string
		once       bool
		runs       int
		final      bool
		want       string // of the error; "" without an error
	}{
		{"done", "exit 0", false, 1, false, ""},
		{"failed", "exit 1", false, 3, false, "exit status 1"},
		{"failed, once", "exit 1", true, 3, false, "exit status 1"},
		{"for good", "exit 2", false, 1, true, "it failed for good"},
		{"another hardware", "exit 3", false, 1, true, "not for this hardware"},
		{"a reboot", "exit 4", false, 1, true, "a reboot, and its Step does not say reboots: true"},
		{"a reboot, as the Step says", "exit 4", false, 1, false, ""},
		{"undocumented", "exit 17", false, 3, false, "exit status 17"},
		{"undocumented, once", "exit 17", true, 1, true, "exit status 17"},
		{"a signal", "kill -9 $$", false, 3, false, "signal: killed"},
		{"a signal, once", "kill -9 $$", true, 1, true, "signal: killed"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "runs")
			run := &wire.Run{Step: "s", ID: "s", Attempts: 3, Once: test.once, Reboots: strings.Contains(test.name, "as the Step says")}
			said, _, err := runScript(t, "echo run >> "+file+"\n"+test.body+"\n", run)
			body, read := os.ReadFile(file)
			runs := strings.Count(string(body), "run")
			var failure Failure
			if errors.As(err, &failure); read != nil || runs != test.runs || failure.Final != test.final || (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
				t.Errorf("%d runs, final %t, error %v, said %q; want %d runs, final %t, %q", runs, failure.Final, err, said, test.runs, test.final, test.want)
			}
		})
	}
}

// TestAnAttemptThatDoesNotEnd is ended at its own timeout, and tried again.
func TestAnAttemptThatDoesNotEnd(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "first")
	var l lines
	_, err := RunScript(t.Context(), ScriptRun{Script: wire.Script{Body: []byte("#!/bin/sh\n[ -e " + file + " ] && exit 0\ntouch " + file + "\nsleep 600\n"),
		Run: &wire.Run{Attempts: 2}}, Timeout: time.Second, Report: l.report})
	if err != nil || len(l.all) != 1 || !strings.Contains(l.all[0], "attempt 1 of 2 failed: it did not end within 1s") {
		t.Errorf("error %v, said %q", err, l.all)
	}
}

// TestLinesOfTheProtocol: progress and messages are JSON, everything else is a message, and nothing is too long.
func TestLinesOfTheProtocol(t *testing.T) {
	t.Parallel()
	var reports []wire.Progress
	o := &output{report: func(p wire.Progress) { reports = append(reports, p) }}
	for _, line := range []string{`{"progress":{"done":10,"total":100}}`, `{"progress":{"done":200,"total":100}}`, `{"message":"two\nlines \u001b[31m"}`,
		`{"progress":"half"}`, `plain`, `{"message":"` + strings.Repeat("x", 2000) + `"}`, `{"result":{"a":1}}`} {
		takeLine(o, line)
	}
	want := []wire.Progress{{Done: 10, Total: 100}, {Done: 100, Total: 100}, {Lines: []string{"two?lines ?[31m"}}, {Lines: []string{`{"progress":"half"}`}},
		{Lines: []string{"plain"}}, {Lines: []string{strings.Repeat("x", maxLine)}}, {Lines: []string{`{"result":{"a":1}}`}}}
	if diff := cmp.Diff(want, reports); diff != "" {
		t.Errorf("reports (-want +got):\n%s", diff)
	}
}

// TestADocumentThatIsTooLarge starts nothing.
func TestADocumentThatIsTooLarge(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "ran")
	_, _, err := runScript(t, "touch "+file, &wire.Run{Args: json.RawMessage(`{"a":"` + strings.Repeat("x", wire.MaxRunDocument) + `"}`), Secrets: []string{"a"}})
	if _, ran := os.Stat(file); err == nil || ran == nil || strings.Contains(err.Error(), "xxx") {
		t.Errorf("error %.200v, ran %t", err, ran == nil)
	}
}

// TestAScriptThatReadsNothing is not waited for with a document that no pipe holds.
func TestAScriptThatReadsNothing(t *testing.T) {
	t.Parallel()
	if _, _, err := runScript(t, "exit 0", &wire.Run{Args: json.RawMessage(`{"a":"` + strings.Repeat("x", 1<<20) + `"}`)}); err != nil {
		t.Error(err)
	}
}
