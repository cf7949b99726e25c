//go:build e2e

package image_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// container is the unpacked layer of an image, with directories mounted into it.
type container struct {
	root   string
	mounts map[string]string // place in the container: directory
}

// command gives the command that runs a program in the container, on the host's network, with a /tmp in memory as
// podman's --read-only makes it.
func (c container) command(ctx context.Context, args ...string) *exec.Cmd {
	script := `mount --bind "$ROOT" "$ROOT"; `
	for place, dir := range c.mounts {
		script += fmt.Sprintf("mount --bind '%s' \"$ROOT%s\"; ", dir, place)
	}
	script += `mount -t tmpfs -o mode=1777 tmp "$ROOT/tmp"; mount -o remount,bind,ro "$ROOT"; ` +
		fmt.Sprintf(`exec chroot --userspec=%d:%[1]d "$ROOT" "$@"`, owner)
	command := exec.CommandContext(ctx, "unshare",
		append([]string{"--mount", "sh", "-euc", script, "container"}, args...)...)
	command.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "ROOT=" + c.root}
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	command.WaitDelay = time.Minute
	return command
}

// imageConfig is what a runtime takes from the image.
type imageConfig struct {
	User       string
	Entrypoint []string
	Cmd        []string
}

// blob names a blob of the archive.
type blob struct {
	MediaType string
	Digest    string
	Size      int
}

// unpackImage unpacks an OCI archive's one layer as the image specification says, and checks every digest on the way.
func unpackImage(t *testing.T, path string) (root string, config imageConfig) {
	t.Helper()
	archive, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer archive.Close()
	files := t.TempDir()
	unpack(t, archive, files)
	var index struct{ Manifests []blob }
	var manifest struct {
		Config blob
		Layers []blob
	}
	var settings struct {
		OS, Architecture string
		Config           imageConfig
	}
	data, err := os.ReadFile(filepath.Join(files, "index.json"))
	if err == nil {
		err = json.Unmarshal(data, &index)
	}
	if err != nil || len(index.Manifests) != 1 {
		t.Fatalf("index.json: %v, %+v", err, index)
	}
	if err := json.Unmarshal(readBlob(t, files, index.Manifests[0]), &manifest); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(readBlob(t, files, manifest.Config), &settings); err != nil {
		t.Fatal(err)
	}
	if len(manifest.Layers) != 1 || settings.OS != "linux" {
		t.Fatalf("manifest %+v, configuration %+v", manifest, settings)
	}
	layer, err := gzip.NewReader(bytes.NewReader(readBlob(t, files, manifest.Layers[0])))
	if err != nil {
		t.Fatal(err)
	}
	root = t.TempDir()
	unpack(t, layer, root)
	if err := os.Chmod(root, 0o755); err != nil {
		t.Fatal(err)
	}
	return root, settings.Config
}

// readBlob gives a blob with the digest and the size that the archive names.
func readBlob(t *testing.T, dir string, named blob) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, "blobs", strings.Replace(named.Digest, ":", "/", 1)))
	if err != nil {
		t.Fatal(err)
	}
	if sum := fmt.Sprintf("sha256:%x", sha256.Sum256(data)); sum != named.Digest || len(data) != named.Size {
		t.Fatalf("a blob has %s and %d bytes, want %+v", sum, len(data), named)
	}
	return data
}

// unpack unpacks directories and files.
func unpack(t *testing.T, from io.Reader, into string) {
	t.Helper()
	for archive := tar.NewReader(from); ; {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(into, filepath.Clean("/"+header.Name))
		switch header.Typeflag {
		case tar.TypeDir:
			err = os.Mkdir(path, header.FileInfo().Mode())
		case tar.TypeReg:
			var data []byte
			if data, err = io.ReadAll(archive); err == nil {
				err = os.WriteFile(path, data, header.FileInfo().Mode())
			}
		default:
			err = fmt.Errorf("%s is neither a directory nor a file", header.Name)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// buildImage builds the programs and the image.
func buildImage(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	run(t, []string{"CGO_ENABLED=0"}, "go", "build", "-trimpath", "-ldflags=-s -w -X main.version=0.0.1", "-o", dir,
		"./cmd/ingot", "./cmd/ingot-agent")
	return strings.TrimSpace(run(t, []string{"BIN=" + dir, "DIST=" + dir}, "scripts/image.sh", "0.0.1"))
}

// run runs a command at the top of the checkout and gives what it prints.
func run(t *testing.T, settings []string, name string, args ...string) string {
	t.Helper()
	command := exec.CommandContext(t.Context(), name, args...)
	command.Dir, command.Env = filepath.Join("..", ".."), append(os.Environ(), settings...)
	var trouble bytes.Buffer
	command.Stderr = &trouble
	out, err := command.Output()
	if err != nil {
		t.Fatalf("%s %s: %v: %s", name, strings.Join(args, " "), err, &trouble)
	}
	return string(out)
}

// makeDir makes a directory of the image's user.
func makeDir(t *testing.T, path string, mode os.FileMode) {
	t.Helper()
	if err := os.Mkdir(path, mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(path, owner, owner); err != nil {
		t.Fatal(err)
	}
}

// writeFile writes a file of the image's user.
func writeFile(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(path, owner, owner); err != nil {
		t.Fatal(err)
	}
}

func absolute(t *testing.T, path string) string {
	t.Helper()
	path, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	return path
}
