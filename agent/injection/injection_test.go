package injection

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/gitmetal/ingot/agent/volumes"
	"github.com/gitmetal/ingot/agent/wire"
)

// system is a directory that looks like the root of a system, beside a file that nothing may reach.
func system(t *testing.T) (root, outside string) {
	t.Helper()
	dir := t.TempDir()
	root, outside = filepath.Join(dir, "root"), filepath.Join(dir, "outside")
	for _, name := range []string{"root/etc", "root/run", "root/usr/lib", "outside"} {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for link, to := range map[string]string{"root/lib": "usr/lib", "root/etc/resolv.conf": "/run/resolv.conf", "root/etc/escape": "../../outside",
		"root/etc/absolute": "/run", "root/etc/dangling": "/nowhere", "root/etc/magic": "/proc/self/root"} {
		if err := os.Symlink(to, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range map[string]string{"outside/file": "outside", "root/etc/old": "old", "root/run/resolv.conf": "resolver"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return root, outside
}

// me is a file of the user who runs the test.
func me(file wire.InjectFile) placed {
	if file.Mode == 0 {
		file.Mode = 0o644
	}
	file.DirMode, file.Owner, file.Group = 0o755, os.Getuid(), os.Getgid()
	return placed{file, &volumes.Volume{}, strings.TrimPrefix(file.Path, "/")}
}

// files serves the files of a job.
type files map[string][]byte

// Image implements steps.Images.
func (f files) Image(_ context.Context, sha256 string, offset int64) (io.ReadCloser, error) {
	return io.NopCloser(bytes.NewReader(f[sha256][offset:])), nil
}

// TestFilesAreWritten: the bytes, modes and new directories are those of the job, whatever the umask is, and links lead nowhere
// else than in the system itself.
func TestFilesAreWritten(t *testing.T) {
	before := unix.Umask(0o077)
	defer unix.Umask(before)
	large := bytes.Repeat([]byte("large"), 300_000)
	sum := sha256.Sum256(large)
	digest := hex.EncodeToString(sum[:])
	job := wire.Inject{MachineID: "web-2", MachineName: "www-2"}
	with := Tools{Report: func(wire.Progress) {}, Files: files{digest: large}, Facts: wire.Facts{System: wire.System{Serial: "S-7", UUID: "u-7"}}}
	for _, test := range []struct {
		file        wire.InjectFile
		at, content string
		mode        os.FileMode
	}{
		{wire.InjectFile{Path: "/etc/site.conf", Content: []byte("a"), Mode: 0o640}, "etc/site.conf", "a", 0o640},
		{wire.InjectFile{Path: "/etc/empty"}, "etc/empty", "", 0o644},
		{wire.InjectFile{Path: "/opt/a/b/c", Content: []byte("deep")}, "opt/a/b/c", "deep", 0o644},
		{wire.InjectFile{Path: "/usr/bin/run", Content: []byte("#!"), Mode: 0o4755}, "usr/bin/run", "#!", 0o755 | os.ModeSetuid},
		{wire.InjectFile{Path: "/lib/module", Content: []byte("m")}, "usr/lib/module", "m", 0o644},
		{wire.InjectFile{Path: "/etc/absolute/inside", Content: []byte("i")}, "run/inside", "i", 0o644},
		{wire.InjectFile{Path: "/etc/resolv.conf", Content: []byte("mine")}, "etc/resolv.conf", "mine", 0o644},
		{wire.InjectFile{Path: "/etc/old", Content: []byte("new"), Overwrite: wire.OverwriteReplace}, "etc/old", "new", 0o644},
		{wire.InjectFile{Path: "/etc/me", Template: true, Content: []byte("${machine.serial} ${machine.uuid} ${machine.id} ${machine.name} $${machine.id}")}, "etc/me",
			"S-7 u-7 web-2 www-2 ${machine.id}", 0o644},
		{wire.InjectFile{Path: "/etc/raw", Content: []byte("${machine.serial}")}, "etc/raw", "${machine.serial}", 0o644},
		{wire.InjectFile{Path: "/etc/large", SHA256: digest, Size: int64(len(large))}, "etc/large", string(large), 0o644},
	} {
		root, _ := system(t)
		p := me(test.file)
		if err := p.check(root); err != nil {
			t.Errorf("%s: check: %v", test.file.Path, err)
		}
		if _, err := p.write(t.Context(), root, job, with); err != nil {
			t.Errorf("%s: %v", test.file.Path, err)
			continue
		}
		info, err := os.Lstat(filepath.Join(root, test.at))
		if err != nil || info.Mode() != test.mode {
			t.Errorf("%s: %v, %v, want mode %v", test.file.Path, info, err, test.mode)
			continue
		}
		if data, err := os.ReadFile(filepath.Join(root, test.at)); err != nil || string(data) != test.content {
			t.Errorf("%s holds %.60q: %v", test.file.Path, data, err)
		}
		if test.at == "opt/a/b/c" {
			if info, err := os.Stat(filepath.Join(root, "opt/a")); err != nil || info.Mode().Perm() != 0o755 {
				t.Errorf("the directory: %v, %v", info, err)
			}
		}
		left, err := filepath.Glob(filepath.Join(root, "*", ".ingot-*"))
		if err != nil || len(left) > 0 {
			t.Errorf("%s left %v, %v", test.file.Path, left, err)
		}
	}
}

// TestLinksLeadNowhere: a path that leaves the system, or its file system, writes nothing outside.
func TestLinksLeadNowhere(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/etc/escape/file", "/etc/magic/outside/file", "/etc/dangling/file"} {
		root, outside := system(t)
		p := me(wire.InjectFile{Path: path, Content: []byte("hostile")})
		_, err := p.write(t.Context(), root, wire.Inject{}, Tools{})
		if data, failed := os.ReadFile(filepath.Join(outside, "file")); failed != nil || string(data) != "outside" {
			t.Errorf("%s: the file outside holds %q: %v (%v)", path, data, failed, err)
		}
		if path == "/etc/dangling/file" && (err == nil || !strings.Contains(err.Error(), "link to nothing")) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// TestWhatIsThere is kept, refused or removed.
func TestWhatIsThere(t *testing.T) {
	t.Parallel()
	with := Tools{Report: func(wire.Progress) {}}
	root, _ := system(t)
	read := func(name string) string {
		data, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			return "none"
		}
		return string(data)
	}
	keep := me(wire.InjectFile{Path: "/etc/old", Content: []byte("new"), Overwrite: wire.OverwriteKeep})
	if said, err := keep.write(t.Context(), root, wire.Inject{}, with); err != nil || read("etc/old") != "old" || !strings.Contains(said, "kept") {
		t.Errorf("Keep: %q, %v, %s", said, err, read("etc/old"))
	}
	refuse := me(wire.InjectFile{Path: "/etc/old", Content: []byte("new"), Overwrite: wire.OverwriteRefuse})
	if err := refuse.check(root); err == nil || !strings.Contains(err.Error(), "Refuse") {
		t.Errorf("Refuse: %v", err)
	}
	if err := me(wire.InjectFile{Path: "/etc"}).check(root); err == nil || !strings.Contains(err.Error(), "a directory is in its place") {
		t.Errorf("a directory: %v", err)
	}
	remove := me(wire.InjectFile{Path: "/etc/old", Delete: true})
	for _, want := range []string{"removed", "was not there"} {
		if said, err := remove.write(t.Context(), root, wire.Inject{}, with); err != nil || said != want || read("etc/old") != "none" {
			t.Errorf("removing: %q, %v, want %q", said, err, want)
		}
	}
	deep := me(wire.InjectFile{Path: "/none/deep/file", Delete: true})
	if said, err := deep.write(t.Context(), root, wire.Inject{}, with); err != nil || said != "was not there" {
		t.Errorf("removing below nothing: %q, %v", said, err)
	}
	link := me(wire.InjectFile{Path: "/etc/resolv.conf", Delete: true})
	if _, err := link.write(t.Context(), root, wire.Inject{}, with); err != nil || read("run/resolv.conf") != "resolver" {
		t.Errorf("removing a link: %v, behind it is %q", err, read("run/resolv.conf"))
	}
}

// TestAFileOfAnotherDigest is not put in its place.
func TestAFileOfAnotherDigest(t *testing.T) {
	t.Parallel()
	root, _ := system(t)
	digest := strings.Repeat("a", 64)
	p := me(wire.InjectFile{Path: "/etc/old", SHA256: digest, Size: 3})
	_, err := p.write(t.Context(), root, wire.Inject{}, Tools{Files: files{digest: []byte("bad")}, Report: func(wire.Progress) {}})
	data, failed := os.ReadFile(filepath.Join(root, "etc/old"))
	if err == nil || !strings.Contains(err.Error(), "the job says") || failed != nil || string(data) != "old" {
		t.Errorf("error %v; the file holds %q, %v", err, data, failed)
	}
}
