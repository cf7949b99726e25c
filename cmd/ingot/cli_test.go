package main

import (
	"errors"
	"flag"
	"os"
	"os/exec"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

var update = flag.Bool("update", false, "write what the commands print into the scripts")

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"ingot": main})
}

// TestScripts runs testdata/*.txtar: a fleet, the status of its machines, and what the command line says of both.
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir: "testdata", UpdateScripts: *update, RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("HOME", env.WorkDir)
			env.Setenv("GIT_CONFIG_NOSYSTEM", "1")
			for _, variable := range []string{"GIT_AUTHOR_NAME", "GIT_COMMITTER_NAME"} {
				env.Setenv(variable, "Test")
			}
			for _, variable := range []string{"GIT_AUTHOR_EMAIL", "GIT_COMMITTER_EMAIL"} {
				env.Setenv(variable, "test@example.com")
			}
			for _, variable := range []string{"GIT_AUTHOR_DATE", "GIT_COMMITTER_DATE"} {
				env.Setenv(variable, "2026-01-02T03:04:05Z")
			}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exits": exits, "commit": commit, "fleet": fleet, "rolling": rolling, "signers": signers, "breakpage": breakpage, "held": held, "runs": runs, "opens": opens, "knownas": knownas, "installing": installing, "daemon": fakeDaemon, "sub": sub},
	})
}

// exits CODE COMMAND...: runs ingot and checks its exit code; its output is compared as usual.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE ARGUMENTS...")
	}
	err := ts.Exec("ingot", args[1:]...)
	code := "0"
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		code = strconv.Itoa(exit.ExitCode())
	} else if err != nil {
		ts.Fatalf("ingot: %v", err)
	}
	if code != args[0] {
		ts.Fatalf("ingot %v: exit code %s, want %s", args[1:], code, args[0])
	}
}

// expected are the files of a script that are no part of its fleet.
const expected = "/on\n/off\n/want*\n/errors\n/diff\n/consents\n/.*\n"

// commit MESSAGE: commits everything in the working directory, which becomes a repository on branch main.
func commit(ts *testscript.TestScript, _ bool, args []string) {
	if _, err := os.Stat(ts.MkAbs(".git")); err != nil {
		ts.Check(ts.Exec("git", "init", "--quiet", "--initial-branch=main"))
		ts.Check(os.WriteFile(ts.MkAbs(".git/info/exclude"), []byte(expected), 0o644))
	}
	ts.Check(ts.Exec("git", "add", "--all"))
	ts.Check(ts.Exec("git", "commit", "--quiet", "--allow-empty", "-m", args[0]))
}
