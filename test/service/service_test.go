//go:build e2e

// Package service_test runs the Debian package's systemd unit in a Debian machine of QEMU.
package service_test

import (
	"archive/tar"
	"bufio"
	"bytes"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// patience bounds the machine's life; on an idle machine of two cores it takes a minute and a half.
const patience = 20 * time.Minute

// TestTheUnit boots a Debian machine that installs the package. The unit must start, serve /healthz and /readyz,
// install a simulated machine, and go on over an upgrade without a touch of that machine; an ingot that reads less must
// be refused while the daemon runs on; the removal must end the daemon and keep the journal.
func TestTheUnit(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	debian := run(t, "scripts/debian.sh")
	payload := makePayload(t, dir)
	var parts []string
	said := bootMachine(t, debian, payload, filepath.Join(dir, "console.log"))
	for line := range strings.Lines(said) {
		if part, is := strings.CutPrefix(strings.TrimSpace(line), "ok "); is {
			parts = append(parts, part)
		}
	}
	want := []string{"installed", "started", "active", "upgraded", "refused", "removed"}
	if !slices.Equal(parts, want) || !strings.HasSuffix(strings.TrimSpace(said), "END") {
		t.Errorf("parts = %q, want %q and END", parts, want)
	}
}

// makePayload writes the archive for the machine's second disk: the packages and the guest's program.
func makePayload(t *testing.T, dir string) string {
	t.Helper()
	run(t, "env", "CGO_ENABLED=0", "go", "build", "-trimpath", "-ldflags=-s -w", "-o", dir,
		"./cmd/ingot", "./cmd/ingot-agent")
	reader, err := strconv.Atoi(run(t, filepath.Join(dir, "ingot"), "version", "--reader"))
	if err != nil {
		t.Fatal(err)
	}
	settings := []string{"BIN=" + dir, "DIST=" + dir}
	packages := strings.Fields(run(t, "env", append(settings, "scripts/package.sh", "0.0.1", "0.0.2")...))
	if len(packages) != 2 {
		t.Fatalf("packages = %q, want 2", packages)
	}
	less := run(t, "env", append(settings, "READER="+strconv.Itoa(reader-1), "scripts/package.sh", "0.0.0")...)
	path := filepath.Join(dir, "payload.tar")
	writeArchive(t, path, map[string]string{"run": "guest.sh", "old.deb": packages[0], "new.deb": packages[1],
		"less.deb": less})
	return path
}

// writeArchive writes a tar archive of executable files: names in the archive, and where the files are.
func writeArchive(t *testing.T, path string, members map[string]string) {
	t.Helper()
	var archive bytes.Buffer
	out := tar.NewWriter(&archive)
	for name, source := range members {
		data, err := os.ReadFile(source)
		if err != nil {
			t.Fatal(err)
		}
		if err := out.WriteHeader(&tar.Header{Name: name, Mode: 0o755, Size: int64(len(data))}); err != nil {
			t.Fatal(err)
		}
		if _, err := out.Write(data); err != nil {
			t.Fatal(err)
		}
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, archive.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
}

// bootMachine runs the machine until it powers itself off, and gives what its program said.
func bootMachine(t *testing.T, debian, payload, console string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	began := time.Now()
	command := exec.CommandContext(ctx, "qemu-system-x86_64",
		"-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-machine", "q35",
		"-accel", "tcg", "-smp", "1", "-m", "1024", "-nic", "none", "-device", "virtio-rng-pci",
		"-kernel", filepath.Join(debian, "vmlinuz"), "-initrd", filepath.Join(debian, "initrd"),
		"-append", "root=/dev/vda rw console=ttyS0 quiet",
		"-drive", "if=virtio,format=raw,snapshot=on,file="+filepath.Join(debian, "root.ext4"),
		"-drive", "if=virtio,format=raw,readonly=on,file="+payload,
		"-serial", "file:"+console, "-chardev", "stdio,id=said,signal=off", "-serial", "chardev:said")
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	var trouble, said bytes.Buffer
	command.Stderr = &trouble
	out, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(io.TeeReader(out, &said))
	for lines.Scan() {
		t.Logf("%4.0fs %s", time.Since(began).Seconds(), lines.Text())
	}
	if err := command.Wait(); err != nil {
		log, _ := os.ReadFile(console)
		t.Fatalf("qemu: %v: %s; console:\n%s", err, &trouble, log[max(0, len(log)-4096):])
	}
	return said.String()
}

// run runs a command at the top of the checkout and gives what it prints.
func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	command := exec.CommandContext(t.Context(), name, args...)
	command.Dir = filepath.Join("..", "..")
	var trouble bytes.Buffer
	command.Stderr = &trouble
	out, err := command.Output()
	if err != nil {
		t.Fatalf("%s %s: %v: %s", name, strings.Join(args, " "), err, &trouble)
	}
	return strings.TrimSpace(string(out))
}
