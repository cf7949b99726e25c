//go:build e2e

// Package steps_test runs hostile scripts in the real ramdisk, as the agent runs the steps of a fleet.
package steps_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/gitmetal/ingot/agent/wire"
	"github.com/gitmetal/ingot/boot/media"
	"github.com/gitmetal/ingot/internal/lab/bmc"
	"github.com/gitmetal/ingot/internal/lab/qemu"
)

// cases is how many scripts and plug-ins the guest runs.
const cases = 30

// TestAHostileScriptIsContained boots the ramdisk with Secure Boot enforced and a program in place of the agent, which runs
// one hostile script after the other and says on the console what became of each.
func TestAHostileScriptIsContained(t *testing.T) {
	t.Parallel()
	console := bootGuest(t, "./guest", []bmc.Disk{{Name: "0", Serial: "DISK0001", Bytes: 1 << 30}, {Name: "1", Serial: "DATA0001", Bytes: 1 << 30}})
	judgeCases(t, console, cases)
}

// judgeCases reads what the guest said of its cases.
func judgeCases(t *testing.T, console string, cases int) {
	t.Helper()
	said := regexp.MustCompile(`CASE ([^:]+): (.*)`).FindAllStringSubmatch(console, -1)
	for _, line := range said {
		if !strings.HasPrefix(line[2], "ok (") {
			t.Errorf("%s: %s", line[1], strings.TrimSpace(line[2]))
		}
		t.Log(strings.TrimSpace(line[0]))
	}
	if len(said) != cases || !strings.Contains(console, "END") {
		t.Fatalf("%d of %d cases were run; console:\n%s", len(said), cases, console)
	}
}

// bootGuest boots the ramdisk with the guest until the machine powers itself off, and gives the console's log.
func bootGuest(t *testing.T, program string, disks []bmc.Disk, nvme ...string) string {
	t.Helper()
	iso := buildRamdisk(t, program)
	var server *media.Server
	listening := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { server.ServeHTTP(w, r) }))
	t.Cleanup(listening.Close)
	server = media.NewServer(iso, listening.URL, []byte("a key of the test"), time.Now)
	config := wire.BootConfig{Version: wire.Version, Host: "web-07", Boot: "b00t", Epoch: 7, Token: strings.Repeat("t", 43)}
	files, err := media.BootFiles(config, nil)
	if err != nil {
		t.Fatal(err)
	}
	key := media.Key{Host: config.Host, Boot: config.Boot, Epoch: config.Epoch}
	if err := server.Publish(key, files); err != nil {
		t.Fatal(err)
	}
	machine, err := qemu.New(qemu.Config{Dir: filepath.Join(t.TempDir(), "machine"), NVMe: nvme, Identity: bmc.Identity{
		Manufacturer: "ingot, lab", Model: "q35", Serial: "LAB0008", UUID: "6d3b0d7e-0000-4000-8000-000000000008",
		NICs: []bmc.NIC{{Name: "1", MAC: "52:54:00:00:00:08"}}, Disks: disks,
	}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Minute)
	defer cancel()
	exits, err := machine.Start(ctx, bmc.Boot{From: bmc.FromCD, MediaURL: server.URL(key)})
	if err != nil {
		t.Fatal(err)
	}
	select {
	case <-exits:
	case <-ctx.Done():
		t.Error("the guest did not end within 50 minutes")
		if err := machine.Unplug(); err != nil {
			t.Fatal(err)
		}
		<-exits
	}
	console, err := os.ReadFile(machine.ConsolePath())
	if err != nil {
		t.Fatal(err)
	}
	return string(console)
}

// buildRamdisk builds the ramdisk with the guest in place of the agent.
func buildRamdisk(t *testing.T, program string) *media.ISO {
	t.Helper()
	dir := t.TempDir()
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	guest := filepath.Join(dir, "guest")
	build := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-o", guest, program)
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the guest: %v: %s", err, out)
	}
	installer, err := exec.CommandContext(t.Context(), "../../scripts/coreos-installer.sh").Output()
	if err != nil {
		t.Fatalf("coreos-installer: %v", err)
	}
	o := media.BuildOptions{Kernel: media.KernelCloud, Agent: guest, Installer: strings.TrimSpace(string(installer)),
		Output: filepath.Join(dir, "ramdisk.iso"), Cache: filepath.Join(cache, "ingot"), Log: t.Output()}
	if err := media.Build(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	iso, err := media.OpenISO(o.Output)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := iso.Close(); err != nil {
			t.Error(err)
		}
	})
	return iso
}
