package gitrepo

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestADirectoryReadsAsItsCommitWould(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, mode := range map[string]os.FileMode{"hosts/a.yaml": 0o644, "a/b/run.sh": 0o755, "a-b": 0o644,
		".gitignore": 0o644, "ignored.log": 0o644} {
		if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(name)), 0o755); err != nil {
			t.Fatal(err)
		}
		text := name
		if name == ".gitignore" {
			text = "*.log\n"
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), mode); err != nil {
			t.Fatal(err)
		}
	}
	for _, args := range [][]string{{"init", "-q"}, {"add", "-A"},
		{"-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "x"}} {
		command := exec.CommandContext(t.Context(), "git", args...)
		command.Dir = dir
		if out, err := command.CombinedOutput(); err != nil {
			t.Fatalf("git %v: %s", args, out)
		}
	}
	clone, err := OpenClone(dir)
	if err != nil {
		t.Fatal(err)
	}
	committed, err := clone.ReadSnapshot("HEAD")
	if err != nil {
		t.Fatal(err)
	}
	read, err := ReadDirectory(dir)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(committed.Files, read.Files); diff != "" {
		t.Errorf("files (-committed +read):\n%s", diff)
	}
}

func TestADirectoryIsRefusedForWhatItsCommitWouldBe(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.Symlink("/etc/passwd", filepath.Join(dir, "link.yaml")); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"caf\xe9.yaml", "d\xff/a.yaml"} { // latin-1
		if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "big"), make([]byte, 2<<20), 0o644); err != nil {
		t.Fatal(err)
	}
	_, err := ReadDirectory(dir)
	var refused Refused
	if !errors.As(err, &refused) {
		t.Fatalf("ReadDirectory = %v, want it refused", err)
	}
	var got []string
	for _, f := range refused.Findings {
		got = append(got, f.File+": "+f.Message)
	}
	want := []string{"big: the file has more than 1048576 bytes", "caf?.yaml: the name is not UTF-8",
		"d?: the name is not UTF-8", "link.yaml: symbolic links are not read"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("refused (-want +got):\n%s", diff)
	}
}
