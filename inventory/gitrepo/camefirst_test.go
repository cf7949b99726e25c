package gitrepo_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/gitmetal/ingot/inventory/gitrepo"
	"github.com/gitmetal/ingot/inventory/gitrepo/versions"
)

// TestCameFirst: which of two versions of a file came first is told on a merged branch too, where a later commit puts the first
// back, and where the second comes again; nothing is told where the history is cut.
func TestCameFirst(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "a")
	git := func(at string, arguments ...string) {
		t.Helper()
		command := exec.CommandContext(t.Context(), "git", append([]string{"-C", at, "-c", "user.name=T", "-c", "user.email=t@e"}, arguments...)...)
		if out, err := command.CombinedOutput(); err != nil {
			t.Fatalf("git %v: %v: %s", arguments, err, out)
		}
	}
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, "f"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		git(dir, "add", "f")
		git(dir, "commit", "-qm", text)
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	git(dir, "init", "-q", "-b", "main")
	git(dir, "commit", "-q", "--allow-empty", "-m", "empty")
	write("before")
	git(dir, "checkout", "-q", "-b", "side")
	write("mac sealed")
	write("mac changed")
	git(dir, "checkout", "-q", "main")
	git(dir, "commit", "-q", "--allow-empty", "-m", "meanwhile")
	git(dir, "merge", "-q", "--no-ff", "-m", "merge", "side")
	write("mac sealed")
	write("mac changed")
	shallow := filepath.Join(filepath.Dir(dir), "b")
	git(dir, "clone", "-q", "--depth", "1", "file://"+dir, shallow)
	is := func(text string) func([]byte) bool {
		return func(content []byte) bool { return string(content) == text }
	}
	for _, test := range []struct {
		at, first, later string
		want             bool
	}{
		{dir, "mac sealed", "mac changed", true}, {dir, "mac changed", "mac sealed", false},
		{dir, "mac sealed", "before", false}, {dir, "nothing", "mac changed", false},
		{shallow, "mac sealed", "mac changed", false}, {shallow, "mac changed", "mac sealed", false},
	} {
		clone, err := gitrepo.OpenClone(test.at)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := clone.CameFirst("HEAD", versions.Pair{File: "f", First: is(test.first), Later: is(test.later)}); err != nil || got != test.want {
			t.Errorf("%s: CameFirst(%q, %q) = %v, %v, want %v", filepath.Base(test.at), test.first, test.later, got, err, test.want)
		}
		if err := clone.Close(); err != nil {
			t.Error(err)
		}
	}
}
