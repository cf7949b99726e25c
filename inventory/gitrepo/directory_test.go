package gitrepo

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitmetal/ingot/inventory"
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

// Whatever a clone's settings make of the files of its work tree, the files are read as Git stores them.
func TestADirectoryReadsAsGitStoresIt(t *testing.T) {
	t.Setenv("GIT_CONFIG_NOSYSTEM", "1")
	t.Setenv("HOME", t.TempDir())
	t.Setenv("GIT_DIR", "/nowhere") // as in a hook of another clone
	t.Setenv("GIT_INDEX_FILE", "/nowhere")
	work := map[string]string{"crlf": "a\r\nb\r\n", "lf": "a\nb\n", "mixed": "a\r\nb\n", "binary": "a\x00\r\n",
		"sub/id": "$Id$\n", "utf16": "\xff\xfea\x00\n\x00", "upper": "abc\n", "ignored": "x"}
	for name, test := range map[string]struct {
		config     []string
		attributes string
	}{
		"plain":            {},
		"autocrlf":         {config: []string{"core.autocrlf", "true"}},
		"input":            {config: []string{"core.autocrlf", "input"}},
		"warns":            {config: []string{"core.autocrlf", "true", "core.safecrlf", "true"}},
		"text":             {attributes: "* text"},
		"auto":             {attributes: "* text=auto eol=crlf"},
		"not text":         {config: []string{"core.autocrlf", "true"}, attributes: "crlf -text"},
		"ident":            {attributes: "sub/* ident"},
		"encoding":         {attributes: "utf16 text working-tree-encoding=UTF-16LE-BOM"},
		"filter":           {config: []string{"filter.up.clean", "tr a-z A-Z"}, attributes: "upper filter=up"},
		"modes are not":    {config: []string{"core.fileMode", "false"}},
		"watched":          {config: []string{"core.fsmonitor", "exit 1"}},
		"split index":      {config: []string{"core.splitIndex", "true"}},
		"quotes the names": {config: []string{"core.quotePath", "true"}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			git := func(args ...string) string {
				command := exec.CommandContext(t.Context(), "git", args...)
				command.Dir = dir
				command.Env = slices.DeleteFunc(os.Environ(), func(v string) bool {
					return strings.HasPrefix(v, "GIT_DIR=") || strings.HasPrefix(v, "GIT_INDEX_FILE=")
				})
				out, err := command.Output()
				if err != nil {
					t.Fatalf("git %v: %v", args, err)
				}
				return string(out)
			}
			write := func(name, text string) {
				if err := errors.Join(os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755),
					os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644)); err != nil {
					t.Fatal(err)
				}
			}
			git("init", "--quiet")
			for i := 0; i < len(test.config); i += 2 {
				git("config", test.config[i], test.config[i+1])
			}
			write(".gitattributes", test.attributes+"\n")
			write(".gitignore", "ignored\n")
			for name, text := range work {
				write(name, text)
			}
			for _, stage := range []string{"nothing is added", "one file is", "a file is gone"} {
				switch stage {
				case "one file is":
					git("-c", "core.safecrlf=false", "add", "crlf")
				case "a file is gone":
					git("-c", "core.safecrlf=false", "add", "--all")
					if err := os.Remove(filepath.Join(dir, "lf")); err != nil {
						t.Fatal(err)
					}
				}
				before := git("ls-files", "--stage")
				read, err := ReadDirectory(dir)
				if err != nil {
					t.Fatalf("%s: %v", stage, err)
				}
				if diff := cmp.Diff(before, git("ls-files", "--stage")); diff != "" {
					t.Fatalf("%s: the index (-before +after):\n%s", stage, diff)
				}
				below, err := ReadDirectory(filepath.Join(dir, "sub"))
				if err != nil || below.Files["id"].Blob != read.Files["sub/id"].Blob {
					t.Fatalf("%s: the directory below: %v, %v", stage, below.Files, err)
				}
				checkStored(t, stage, read, git)
			}
		})
	}
}

// checkStored compares a snapshot with what git adds to the index.
func checkStored(t *testing.T, stage string, read inventory.Snapshot, git func(...string) string) {
	t.Helper()
	git("-c", "core.safecrlf=false", "add", "--all")
	want, got := map[string]string{}, map[string]string{}
	for line := range strings.Lines(git("ls-files", "--stage")) {
		fields := strings.Fields(line)
		want[fields[3]] = fields[1]
	}
	for name, file := range read.Files {
		got[name] = file.Blob
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s: files (-git +read):\n%s", stage, diff)
	}
}

// Without the git program a work tree is read as it is, where that is what Git stores, and refused elsewhere.
func TestADirectoryWithoutTheGitProgram(t *testing.T) {
	t.Setenv("GIT_CONFIG_NOSYSTEM", "1")
	t.Setenv("HOME", t.TempDir())
	dir := t.TempDir()
	program, err := exec.LookPath("git")
	if err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), program, "init", "--quiet", dir).CombinedOutput(); err != nil {
		t.Fatalf("git init: %s", out)
	}
	if err := os.WriteFile(filepath.Join(dir, "a"), []byte("a\r\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", t.TempDir())
	read, err := ReadDirectory(dir)
	if err != nil || string(read.Files["a"].Data) != "a\r\n" {
		t.Fatalf("ReadDirectory = %v, %v", read.Files, err)
	}
	if out, err := exec.CommandContext(t.Context(), program, "-C", dir, "config", "core.autocrlf", "true").CombinedOutput(); err != nil {
		t.Fatalf("git config: %s", out)
	}
	_, err = ReadDirectory(dir)
	if err == nil || !strings.Contains(err.Error(), "core.autocrlf says that") || !strings.Contains(err.Error(), "not installed") {
		t.Fatalf("ReadDirectory with core.autocrlf = %v, want it refused", err)
	}
}
