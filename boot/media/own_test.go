package media_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gitmetal/ingot/boot/media"
	"github.com/gitmetal/ingot/internal/lab/sim"
)

// TestWhatUEFIStarts reads ISOs of xorriso: with an entry for UEFI alone, behind one for BIOS, with none, and without a boot
// catalogue.
func TestWhatUEFIStarts(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "loader"), bytes.Repeat([]byte("loader"), 1000), 0o600); err != nil {
		t.Fatal(err)
	}
	for why, boot := range map[string]string{
		"":                            "-e loader -no-emul-boot",
		"no entry for UEFI":           "-b loader -no-emul-boot -boot-load-size 4",
		"it has no boot catalogue":    "-V none",
		"or the entry of BIOS before": "-b loader -no-emul-boot -boot-load-size 4 -eltorito-alt-boot -e loader -no-emul-boot",
	} {
		image := filepath.Join(dir, strings.ReplaceAll(why, " ", "-")+".iso")
		arguments := append([]string{"-as", "mkisofs", "-quiet", "-o", image}, append(strings.Fields(boot), "-graft-points", "loader="+filepath.Join(dir, "loader"))...)
		if out, err := exec.CommandContext(t.Context(), "xorriso", arguments...).CombinedOutput(); err != nil {
			t.Fatalf("xorriso: %v\n%s", err, out)
		}
		body, err := os.ReadFile(image)
		if err != nil {
			t.Fatal(err)
		}
		err = media.CheckBootable(bytes.NewReader(body))
		if starts := why == "" || strings.HasPrefix(why, "or "); starts != (err == nil) || !starts && !strings.Contains(err.Error(), why) {
			t.Errorf("%s: CheckBootable() = %v, want %q", boot, err, why)
		}
	}
	for name, image := range map[string][]byte{"nothing": nil, "a page": []byte("<html>"), "cut short": sim.NewISO("off")[:18*2048]} {
		if err := media.CheckBootable(bytes.NewReader(image)); err == nil {
			t.Errorf("%s can be started", name)
		}
	}
	if err := media.CheckBootable(bytes.NewReader(sim.NewISO("off"))); err != nil {
		t.Errorf("a simulated ISO: %v", err)
	}
}
