//go:build e2e

package qemu_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gitmetal/ingot/internal/lab/bmc"
	"github.com/gitmetal/ingot/internal/lab/qemu"
	"github.com/gitmetal/ingot/internal/secret"
)

// bootMedium serves an ISO with Debian's signed shim and GRUB that says a word on the console and runs one more command.
func bootMedium(t *testing.T, command string) string {
	t.Helper()
	dir := t.TempDir()
	tree := filepath.Join(dir, "tree")
	for _, sub := range []string{".disk", "boot/grub"} {
		if err := os.MkdirAll(filepath.Join(tree, sub), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	esp := filepath.Join(tree, "esp.img")
	for path, text := range map[string]string{".disk/info": "lab", "boot/grub/grub.cfg": "set timeout=0\necho lab: the medium has started\n" + command + "\n"} {
		if err := os.WriteFile(filepath.Join(tree, path), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(esp, make([]byte, 8<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, line := range [][]string{
		{"mkfs.vfat", esp},
		{"mmd", "-i", esp, "::/EFI", "::/EFI/BOOT"},
		{"mcopy", "-i", esp, "/usr/lib/shim/shimx64.efi.signed", "::/EFI/BOOT/BOOTX64.EFI"},
		{"mcopy", "-i", esp, "/usr/lib/grub/x86_64-efi-signed/gcdx64.efi.signed", "::/EFI/BOOT/grubx64.efi"},
		{"xorriso", "-as", "mkisofs", "-quiet", "-R", "-o", filepath.Join(dir, "medium.iso"), "-e", "esp.img", "-no-emul-boot", tree},
	} {
		if out, err := exec.CommandContext(t.Context(), line[0], line[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %v: %s", line, err, out)
		}
	}
	served := httptest.NewServer(http.FileServer(http.Dir(dir)))
	t.Cleanup(served.Close)
	return served.URL + "/medium.iso"
}

// TestGuestEndsItself starts the signed boot chain from the virtual CD with Secure Boot enforced. What the guest does then must
// reach the BMC: a power-off leaves the machine off, a reset takes it through the firmware again, with Once consumed.
func TestGuestEndsItself(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ command, story string }{
		"powers off": {"halt", "start cd; exit powered-off"},
		"resets":     {"reboot", "start cd; exit rebooted; start disk"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
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
			send(t, b, "POST", "/redfish/v1/Managers/1/VirtualMedia/Cd/Actions/VirtualMedia.InsertMedia", `{"Image":"`+bootMedium(t, test.command)+`"}`)
			send(t, b, "PATCH", "/redfish/v1/Systems/1", `{"Boot":{"BootSourceOverrideTarget":"Cd","BootSourceOverrideEnabled":"Once"}}`)
			if err := b.PowerOn(ctx); err != nil {
				t.Fatal(err)
			}
			told := func() string { return strings.Join(b.Log().Story()[3:], "; ") }
			waitFor(t, ctx, test.story, func() bool { return strings.HasPrefix(told(), test.story) })
			if diff := cmp.Diff(test.story, told()); diff != "" {
				t.Errorf("story (-want +got):\n%s", diff)
			}
			waitFor(t, ctx, "the state that fits", func() bool { return b.On() == strings.HasSuffix(test.story, "start disk") })
			console, err := os.ReadFile(m.ConsolePath())
			if err != nil || !strings.Contains(string(console), "the medium has started") {
				t.Errorf("console = %q, %v", console, err)
			}
		})
	}
}
