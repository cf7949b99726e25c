package volumes

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitmetal/ingot/agent/steps"
	"github.com/gitmetal/ingot/agent/wire"
)

// fourPartitions are an EFI system partition, two that could be for /boot, and a root.
func fourPartitions() *System {
	part := func(number int, kind, fsType, label, uuid string) *Volume {
		return &Volume{Partition: wire.Partition{Number: number, Type: kind, FSType: fsType, FSUUID: uuid}, FSLabel: label}
	}
	return &System{Volumes: []*Volume{part(1, TypeESP, "vfat", "EFI", "AB12-CD34"), part(2, "", "ext4", "boot", "u-2"), part(3, "", "ext4", "start", "u-3"), part(4, "", "xfs", "root", "u-4")}}
}

// TestWhatIsBelowTheRoot: /etc/fstab says which partition is /boot; without it a label and a type do.
func TestWhatIsBelowTheRoot(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		fstab string
		want  map[string]int // path: number of the partition
	}{
		"no file":           {"", map[string]int{"boot": 2, "boot/efi": 1, "efi": 1}},
		"by label":          {"LABEL=root / xfs\nLABEL=start /boot/ ext4 defaults 0 2\n", map[string]int{"": 4, "boot": 3, "boot/efi": 1, "efi": 1}},
		"by quoted UUID":    {"# UUID=u-2 /boot ext4\nUUID=\"u-3\" /boot ext4\nUUID=ab12-cd34 /boot/efi vfat\n", map[string]int{"boot": 3, "boot/efi": 1, "efi": 1}},
		"by device":         {"/dev/sda3 /boot ext4\n", map[string]int{"boot": 2, "boot/efi": 1, "efi": 1}},
		"of another disk":   {"UUID=u-9 /boot ext4\n", map[string]int{"boot": 2, "boot/efi": 1, "efi": 1}},
		"words are missing": {"UUID=u-3\n\n", map[string]int{"boot": 2, "boot/efi": 1, "efi": 1}},
	} {
		root := t.TempDir()
		if test.fstab != "" {
			write(t, filepath.Join(root, "etc/fstab"), test.fstab)
		}
		got := map[string]int{}
		for at, v := range fourPartitions().listBelow(root) {
			got[at] = v.Number
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s: partitions (-want +got):\n%s", name, diff)
		}
	}
}

// TestATableIsReadInside: a hostile image does not have the agent read another file than its own.
func TestATableIsReadInside(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "outside"), "LABEL=start /boot ext4\n")
	for name, make := range map[string]func(at string) error{
		"a link out":  func(at string) error { return os.Symlink("../../outside", at) },
		"a directory": func(at string) error { return os.Mkdir(at, 0o700) },
		"without end": func(at string) error { return os.WriteFile(at, []byte(strings.Repeat("#", maxTable+1)), 0o600) },
		"an absolute": func(at string) error { return os.Symlink(filepath.Join(dir, "outside"), at) },
	} {
		root := filepath.Join(dir, strings.ReplaceAll(name, " ", "-"))
		if err := os.MkdirAll(filepath.Join(root, "etc"), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := make(filepath.Join(root, "etc/fstab")); err != nil {
			t.Fatal(err)
		}
		if text, err := readInside(root, "etc/fstab"); err == nil {
			t.Errorf("%s is read: %.40q", name, text)
		}
	}
}

// TestAPlaceIsADirectory: a file system is put on a directory of the system, never on a link.
func TestAPlaceIsADirectory(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, name := range []string{"root/boot", "start/efi", "linked/etc"} {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("../../etc", filepath.Join(dir, "linked/boot")); err != nil {
		t.Fatal(err)
	}
	root, start := steps.SystemDir{Dir: filepath.Join(dir, "root")}, steps.SystemDir{Dir: filepath.Join(dir, "start"), Below: "boot"}
	linked := steps.SystemDir{Dir: filepath.Join(dir, "linked")}
	got := map[string]bool{}
	for name, tree := range map[string][]steps.SystemDir{"root": {root}, "with boot": {root, start}, "linked": {linked}} {
		for _, at := range []string{"boot", "boot/efi", "efi"} {
			got[fmt.Sprintf("%s: %s", name, at)] = hasPlace(tree, at)
		}
	}
	var places []string
	for _, name := range slices.Sorted(maps.Keys(got)) {
		if got[name] {
			places = append(places, name)
		}
	}
	if diff := cmp.Diff([]string{"root: boot", "with boot: boot", "with boot: boot/efi"}, places); diff != "" {
		t.Errorf("places (-want +got):\n%s", diff)
	}
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
