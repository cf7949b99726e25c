package installs_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitmetal/ingot/agent/steps"
	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/load"
	"github.com/gitmetal/ingot/reconcile/effects"
	"github.com/gitmetal/ingot/test/steps/installs"
)

const workload = `apiVersion: ingot.dev/v1alpha1
kind: Workload
metadata: {name: os}
spec:
  install:
    image: {url: "https://images.example.com/os.raw.zst", sha256: %s}
%s`

const host = `apiVersion: ingot.dev/v1alpha1
kind: Host
metadata: {name: web-1}
spec:
  bmc: {address: "https://10.0.0.2/redfish/v1/Systems/1", credentials: bmc}
  identity: {serial: S1}
  rootDisk: {serial: D1}
  workload: os
`

// TestTheArgumentsOfCoreOSInstaller: what a Workload says becomes exactly the arguments of the table, in their order.
func TestTheArgumentsOfCoreOSInstaller(t *testing.T) {
	t.Parallel()
	rows, names := installs.List(), map[string]bool{}
	if len(rows) < 30 {
		t.Errorf("%d rows, want at least 30", len(rows))
	}
	for _, row := range rows {
		if names[row.Name] {
			t.Errorf("%s is there twice", row.Name)
		}
		if names[row.Name] = true; row.Beyond {
			continue
		}
		want := append(append([]string{"install", "--insecure", "--image-url", "http://127.0.0.1:1/os.raw.zst", "--ignition-file", "/run/config.ign"},
			row.Arguments...), "/dev/vda")
		got := steps.InstallerArguments("/dev/vda", "http://127.0.0.1:1/os.raw.zst", "/run/config.ign", effects.DescribeInstaller(readWorkload(t, row)))
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: arguments (-want +got):\n%s", row.Name, diff)
		}
	}
}

// readWorkload reads the Workload of a row, as the daemon does.
func readWorkload(t *testing.T, row installs.Row) inventory.Workload {
	t.Helper()
	said := ""
	for _, line := range row.Says {
		said += "    " + line + "\n"
	}
	files := map[string]inventory.File{}
	for name, text := range map[string]string{"hosts/web-1.yaml": host, "workloads/os.yaml": fmt.Sprintf(workload, strings.Repeat("a", 64), said)} {
		files[name] = inventory.File{Data: []byte(text)}
	}
	fleet, findings := load.Fleet(inventory.Sources{Trunk: inventory.Snapshot{Commit: strings.Repeat("c", 40), Files: files}}, nil)
	w := fleet.Hosts["web-1"].Workload
	if w == nil {
		t.Fatalf("%s: %v", row.Name, findings)
	}
	return *w
}
