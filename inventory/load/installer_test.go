package load_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/load"
)

// installs is a fleet whose Workload says more of its install.
func installs(more string) map[string]string {
	files := stepFleet("", "")
	files["workloads/stepped.yaml"] = strings.Replace(files["workloads/stepped.yaml"], "\"}}\n", "\"}, "+more+"}\n", 1)
	return files
}

// TestInstallerOptions: what coreos-installer changes of the image is part of the inputs, and a Workload that says nothing of
// it has the inputs that it had before.
func TestInstallerOptions(t *testing.T) {
	t.Parallel()
	const all = "deleteKernelArguments: [quiet], platform: qemu, consoles: [tty0, 'ttyS0,115200n8']"
	w := loadWorkload(t, installs(all))
	want := inventory.InstallerOptions{DeleteKernelArguments: []string{"quiet"}, Platform: "qemu", Consoles: []string{"tty0", "ttyS0,115200n8"}}
	if diff := cmp.Diff(want, w.Installer); diff != "" {
		t.Errorf("options (-want +got):\n%s", diff)
	}
	before := loadWorkload(t, stepFleet("", ""))
	if _, has := before.Parts["installer"]; has || !before.Installer.IsZero() {
		t.Errorf("a workload without options has %+v, parts %v", before.Installer, before.Parts)
	}
	seen := map[string]string{before.Inputs: "none"}
	for _, more := range []string{"deleteKernelArguments: [quiet]", "deleteKernelArguments: [rw]", "platform: qemu", "platform: vmware", "consoles: [tty0]", "consoles: [hvc0]", all} {
		inputs := loadWorkload(t, installs(more)).Inputs
		if other, twice := seen[inputs]; twice {
			t.Errorf("%s has the inputs of %s", more, other)
		}
		seen[inputs] = more
	}
	if again := loadWorkload(t, installs("deleteKernelArguments: [], consoles: []")); again.Inputs != before.Inputs {
		t.Error("empty lists have other inputs than none")
	}
}

// TestFindingsOfInstallerOptions: what would keep the system from its config, and what coreos-installer does not read, is a
// finding before anything boots.
func TestFindingsOfInstallerOptions(t *testing.T) {
	t.Parallel()
	for more, want := range map[string]string{
		"deleteKernelArguments: [ignition.platform.id=metal]": "the system would not find its config",
		"deleteKernelArguments: [$ignition_firstboot]":        "the system would not find its config",
		"deleteKernelArguments: ['a b']":                      "spec.install.deleteKernelArguments[0]",
		"platform: Qemu":                                      "spec.install.platform",
		"consoles: [console=tty0]":                            "spec.install.consoles[0]",
		"consoles: [ttyUSB0]":                                 "spec.install.consoles[0]",
		"consoles: [tty1]":                                    "spec.install.consoles[0]",
		"consoles: ['ttyS0,115200n9']":                        "spec.install.consoles[0]",
	} {
		_, findings := load.Fleet(snapshot(installs(more)), nil)
		if len(findings) != 1 || !strings.Contains(findings[0].String(), want) {
			t.Errorf("%s: findings %v, want one with %q", more, findings, want)
		}
	}
}
