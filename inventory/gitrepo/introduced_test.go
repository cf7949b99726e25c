package gitrepo_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gitmetal/ingot/inventory/gitrepo"
)

// TestFindIntroduced: the version that brought a text into a file is found behind later ones, on a merged branch too, and
// nothing is said where the history is cut.
func TestFindIntroduced(t *testing.T) {
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
	shallow := filepath.Join(filepath.Dir(dir), "b")
	git(dir, "clone", "-q", "--depth", "1", "file://"+dir, shallow)
	for at, want := range map[string]string{dir: "mac sealed", shallow: ""} {
		clone, err := gitrepo.OpenClone(at)
		if err != nil {
			t.Fatal(err)
		}
		contents, err := clone.FindIntroduced("HEAD", "f", "mac")
		var got []string
		for _, content := range contents {
			got = append(got, string(content))
		}
		if err != nil || strings.Join(got, ",") != want {
			t.Errorf("%s: FindIntroduced = %q, %v, want %q", filepath.Base(at), got, err, want)
		}
		if none, err := clone.FindIntroduced("HEAD", "f", "nothing"); err != nil || len(none) > 0 {
			t.Errorf("%s: a text that no version has: %q, %v", filepath.Base(at), none, err)
		}
		if err := clone.Close(); err != nil {
			t.Error(err)
		}
	}
}
