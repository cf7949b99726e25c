package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/gitmetal/ingot/internal/lab/bigfleet"
)

const benchHosts = 10_000

// BenchmarkColdPlan is the whole process: from a clone on disk to the plan of a pull request that changes one host of 10,000, or all of them.
func BenchmarkColdPlan(b *testing.B) {
	binary, clone := buildIngot(b), benchClone(b)
	for _, change := range []struct {
		name, head string
		args       []string
	}{
		{"one", "one", nil},
		{"all", "all", []string{"--tag", "prod-2=origin/all"}},
	} {
		b.Run(change.name, func(b *testing.B) {
			for b.Loop() {
				args := append([]string{"plan", "--base", "origin/main", "--head", "origin/" + change.head, "-o", "json"}, change.args...)
				runIngot(b, binary, clone, exitErases, args...)
			}
		})
	}
}

// BenchmarkColdValidate is the whole process, of the files of a clone and of a commit in it.
func BenchmarkColdValidate(b *testing.B) {
	binary, clone := buildIngot(b), benchClone(b)
	for name, args := range map[string][]string{"directory": {"validate"}, "commit": {"validate", "--commit", "origin/main"}} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				runIngot(b, binary, clone, 0, args...)
			}
		})
	}
}

func buildIngot(b *testing.B) string {
	b.Helper()
	binary := filepath.Join(b.TempDir(), "ingot")
	if out, err := exec.CommandContext(b.Context(), "go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		b.Fatalf("go build: %v\n%s", err, out)
	}
	return binary
}

// benchClone is a clone of a large fleet, with a branch that changes one host and one that changes them all.
func benchClone(b *testing.B) string {
	b.Helper()
	dir := b.TempDir()
	bare, clone := filepath.Join(dir, "fleet.git"), filepath.Join(dir, "clone")
	if _, err := bigfleet.Make(b.Context(), bare, benchHosts, 200, 200); err != nil {
		b.Fatal(err)
	}
	files := bigfleet.Files(benchHosts)
	for branch, edited := range map[string]map[string]string{
		"one": {bigfleet.HostFile(0): bigfleet.EditHost(0, 1)}, "all": bigfleet.EditImages(files, 1),
	} {
		if err := bigfleet.Commit(b.Context(), bare, bigfleet.Branch, branch, edited); err != nil {
			b.Fatal(err)
		}
	}
	if _, err := bigfleet.Git(b.Context(), dir, "clone", "--quiet", bare, clone); err != nil {
		b.Fatal(err)
	}
	return clone
}

// runIngot runs the program in a directory, and wants an exit code of it.
func runIngot(b *testing.B, binary, dir string, code int, args ...string) {
	b.Helper()
	command := exec.CommandContext(b.Context(), binary, args...)
	command.Dir, command.Env = dir, append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null")
	out, err := command.Output()
	var exit *exec.ExitError
	if got := command.ProcessState.ExitCode(); got != code || (err != nil && !errors.As(err, &exit)) {
		b.Fatalf("ingot %v: exit code %d, want %d: %v\n%.2000s", args, got, code, err, out)
	}
}
