//go:build e2e

// Package ipmi_test makes accounts at BMCs from inside a machine: the agent's own code in a virtual machine with Debian's
// stock kernel, through the kernel's device, QEMU's KCS interface, and a BMC outside.
package ipmi_test

import (
	"bufio"
	"context"
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gitmetal/ingot/agent/wire"
	"github.com/gitmetal/ingot/internal/lab/bmc"
	"github.com/gitmetal/ingot/internal/lab/qemu"
)

// patience bounds everything that a test waits for.
const patience = 10 * time.Minute

// task and answer are the lines of the control port; see guest/main.go.
type task struct {
	Order wire.AccountOrder `json:"order"`
	DieAt int               `json:"dieAt"`
	Off   bool              `json:"off"`
}

type answer struct {
	Report  *wire.AccountReport `json:"report"`
	Error   string              `json:"error"`
	Seconds float64             `json:"seconds"`
}

// guest is a running machine.
type guest struct {
	control net.Conn
	lines   *bufio.Scanner
}

// tools is the directory that scripts/inband.sh makes.
func tools(t *testing.T) string {
	t.Helper()
	command := exec.CommandContext(t.Context(), "../../scripts/inband.sh")
	command.Stderr = t.Output()
	out, err := command.Output()
	if err != nil {
		t.Fatalf("inband.sh: %v", err)
	}
	return strings.TrimSpace(string(out))
}

// startGuest starts a machine whose IPMI interface leads to a BMC, given as the options of a QEMU socket. The machine is
// powered off at the end of the test.
func startGuest(t *testing.T, far string) *guest {
	t.Helper()
	dir, parts := t.TempDir(), tools(t)
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "unix", filepath.Join(dir, "control"))
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	machine, err := qemu.New(qemu.Config{Dir: filepath.Join(dir, "machine"), BMC: far, Control: filepath.Join(dir, "control"),
		Kernel: &qemu.Kernel{Image: filepath.Join(parts, "vmlinuz"), Initrd: buildInitrd(t, dir, parts), Arguments: "console=ttyS0 panic=-1"},
		Identity: bmc.Identity{Manufacturer: "ingot, lab", Model: "q35", Serial: "LAB0009", UUID: "6d3b0d7e-0000-4000-8000-000000000009", MemoryMiB: 256,
			NICs: []bmc.NIC{{Name: "1", MAC: "52:54:00:00:00:09"}}, Disks: []bmc.Disk{{Name: "0", Serial: "DISK0001", Bytes: 1 << 20}}}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	exits, err := machine.Start(ctx, bmc.Boot{From: bmc.FromDisk})
	if err != nil {
		said, _ := os.ReadFile(filepath.Join(dir, "machine", "qemu.log"))
		t.Fatalf("%v: %s", err, said)
	}
	g := &guest{}
	t.Cleanup(func() {
		if err := machine.Unplug(); err != nil {
			t.Error(err)
		}
		<-exits
		if console, err := os.ReadFile(machine.ConsolePath()); t.Failed() {
			t.Logf("the console (%v):\n%s", err, console[max(0, len(console)-4000):])
		}
	})
	if err := listener.(*net.UnixListener).SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if g.control, err = listener.Accept(); err != nil {
		t.Fatalf("the machine does not connect: %v", err)
	}
	t.Cleanup(func() { _ = g.control.Close() })
	g.lines = bufio.NewScanner(g.control)
	if first := g.read(t); first.Error != "" {
		t.Fatal(first.Error)
	}
	return g
}

// carry gives the guest an order; dieAt is the command after which the agent is killed, or 0.
func (g *guest) carry(t *testing.T, order wire.AccountOrder, dieAt int) answer {
	t.Helper()
	line, err := json.Marshal(task{Order: order, DieAt: dieAt})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := g.control.Write(append(line, '\n')); err != nil {
		t.Fatal(err)
	}
	return g.read(t)
}

func (g *guest) read(t *testing.T) (a answer) {
	t.Helper()
	if err := g.control.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if !g.lines.Scan() {
		t.Fatalf("the guest says nothing more: %v", g.lines.Err())
	}
	if err := json.Unmarshal(g.lines.Bytes(), &a); err != nil {
		t.Fatalf("the guest says %q: %v", g.lines.Text(), err)
	}
	return a
}

// buildInitrd packs the guest and the IPMI modules, with cpio.
func buildInitrd(t *testing.T, dir, parts string) string {
	t.Helper()
	root := filepath.Join(dir, "root")
	if err := os.MkdirAll(filepath.Join(root, "modules"), 0o755); err != nil {
		t.Fatal(err)
	}
	build := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-o", filepath.Join(root, "init"), "./guest")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the guest: %v: %s", err, out)
	}
	for _, module := range []string{"ipmi_msghandler", "ipmi_si", "ipmi_devintf"} {
		data, err := os.ReadFile(filepath.Join(parts, module+".ko"))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(root, "modules", module+".ko"), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	initrd := filepath.Join(dir, "initrd")
	pack := exec.CommandContext(t.Context(), "cpio", "--quiet", "-o", "-H", "newc", "-F", initrd)
	pack.Dir, pack.Stdin = root, strings.NewReader("init\nmodules\nmodules/ipmi_msghandler.ko\nmodules/ipmi_si.ko\nmodules/ipmi_devintf.ko\n")
	if out, err := pack.CombinedOutput(); err != nil {
		t.Fatalf("cpio: %v: %s", err, out)
	}
	return initrd
}
