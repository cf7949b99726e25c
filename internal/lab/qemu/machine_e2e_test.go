//go:build e2e

package qemu_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gitmetal/ingot/internal/lab/bmc"
	"github.com/gitmetal/ingot/internal/lab/qemu"
	"github.com/gitmetal/ingot/internal/secret"
)

func identity() bmc.Identity {
	return bmc.Identity{
		Manufacturer: "ingot, lab", Model: "q35", Serial: "LAB0001", UUID: "6d3b0d7e-0000-4000-8000-000000000001", MemoryMiB: 1024,
		NICs: []bmc.NIC{{Name: "1", MAC: "52:54:00:00:00:01"}}, Disks: []bmc.Disk{{Name: "0", Serial: "DISK0001", Bytes: 1 << 30}},
	}
}

// TestFirmwareStartsAndStops boots into the firmware with a medium that is no boot medium: the firmware must read it over
// HTTP, write to the console, and be gone after ForceOff.
func TestFirmwareStartsAndStops(t *testing.T) {
	t.Parallel()
	var reads atomic.Int64
	medium := filepath.Join(t.TempDir(), "medium.iso")
	if err := os.WriteFile(medium, make([]byte, 4<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	served := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			reads.Add(1)
		}
		http.ServeFile(w, r, medium)
	}))
	defer served.Close()
	m, err := qemu.New(qemu.Config{Dir: filepath.Join(t.TempDir(), "machine"), Identity: identity()})
	if err != nil {
		t.Fatal(err)
	}
	b, err := bmc.New(bmc.Config{Identity: identity(), Username: "admin", Password: secret.New("lab")}, m)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = b.Close(context.Background()) }()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Minute)
	defer cancel()

	send(t, b, "POST", "/redfish/v1/Managers/1/VirtualMedia/Cd/Actions/VirtualMedia.InsertMedia", `{"Image":"`+served.URL+`/medium.iso"}`)
	send(t, b, "PATCH", "/redfish/v1/Systems/1", `{"Boot":{"BootSourceOverrideTarget":"Cd","BootSourceOverrideEnabled":"Once"}}`)
	if err := b.PowerOn(ctx); err != nil {
		t.Fatal(err)
	}
	arguments, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", m.Process()))
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(arguments), "medium.iso") {
		t.Error("the medium's URL is in the arguments of qemu, where every user of the machine can read it")
	}
	waitFor(t, ctx, "the firmware to read the medium", func() bool { return reads.Load() > 0 })
	waitFor(t, ctx, "a word on the console", func() bool { return size(m.ConsolePath()) > 0 })
	if !b.On() {
		t.Error("the machine is off")
	}
	if err := b.PowerOff(ctx, bmc.Force); err != nil {
		t.Fatal(err)
	}
	if err := b.WaitOff(ctx); err != nil {
		t.Fatal(err)
	}
	story := strings.Join(b.Log().Story(), "; ")
	if !strings.HasSuffix(story, "power-on; start cd; power-off force; exit stopped") || m.Process() != 0 {
		t.Errorf("story = %q, process %d", story, m.Process())
	}
}

// send makes one request of the BMC that must succeed.
func send(t *testing.T, b *bmc.BMC, method, path, body string) {
	t.Helper()
	request := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body))
	request.SetBasicAuth("admin", "lab")
	recorder := httptest.NewRecorder()
	b.Handler().ServeHTTP(recorder, request)
	if recorder.Code >= 300 {
		t.Fatalf("%s %s = %d %s", method, path, recorder.Code, recorder.Body)
	}
}

// TestUnpluggedMachineIsOff pulls the plug: the machine must be off, with its disk kept, and start again.
func TestUnpluggedMachineIsOff(t *testing.T) {
	t.Parallel()
	m, err := qemu.New(qemu.Config{Dir: filepath.Join(t.TempDir(), "machine"), Identity: identity()})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Minute)
	defer cancel()
	for range 2 {
		exits, err := m.Start(ctx, bmc.Boot{From: bmc.FromDisk})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := m.Start(ctx, bmc.Boot{From: bmc.FromDisk}); err == nil {
			t.Error("a machine that runs was started again")
		}
		if err := m.Unplug(); err != nil {
			t.Fatal(err)
		}
		if exit := <-exits; exit.Cause != bmc.PowerLost {
			t.Errorf("exit = %+v, want power lost", exit)
		}
	}
	if got := size(m.DiskPath("DISK0001")); got != 1<<30 {
		t.Errorf("the disk has %d bytes", got)
	}
}

func size(path string) int64 {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return info.Size()
}

func waitFor(t *testing.T, ctx context.Context, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("waited in vain for %s", what)
		}
	}
}
