package claimed_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/runs"
	"github.com/gitmetal/ingot/reconcile/review/claimed"
	"github.com/gitmetal/ingot/schemas"
)

// TestAKernelInThePlan: the plan of a pull request says that a kernel may write to disks, and which machines have disks that
// are not blank.
func TestAKernelInThePlan(t *testing.T) {
	t.Parallel()
	fleet := inventory.Fleet{Hosts: map[inventory.MachineID]inventory.Desired{}, Runs: map[string]runs.Work{"own": {Workload: "own", Replicas: 2,
		Batch: "b1", Completions: 1, MatchLabels: map[string]string{"pool": "batch"}, Kernel: &runs.Kernel{}}}}
	known := claimed.Known{Records: map[inventory.MachineID]inventory.Record{}}
	for id, content := range map[inventory.MachineID]inventory.Content{"m1": {Blank: true}, "m2": {Signature: "12"}} {
		fleet.Hosts[id] = inventory.Desired{ID: id, Name: string(id), Lifecycle: schemas.Managed, Claimable: true, BMC: &schemas.BMC{},
			Labels: map[string]string{"pool": "batch"}}
		known.Records[id] = inventory.Record{ID: id, Facts: &inventory.Facts{Disks: []inventory.Disk{{Serial: "SN-" + string(id), Content: content}}}}
	}
	want := []claimed.Change{{Workload: "own", Lines: []string{
		"at most 2 machines",
		"a batch of 1 items begins; one before it starts no more runs",
		"its kernel may write to every disk: only machines whose disks are all blank are claimed",
		"claims m1",
		"1 more machines are wanted: the selector fits 2",
		"m2 is not free: its disk SN-m2 is not blank, and the kernel of workload own may write to it: erase the disk first, or run a script",
	}}}
	if diff := cmp.Diff(want, claimed.Compare(inventory.Fleet{}, fleet, known)); diff != "" {
		t.Errorf("the plan (-want +got):\n%s", diff)
	}
	own := fleet.Runs["own"]
	own.Kernel, own.ISO = nil, &runs.Fetched{}
	fleet.Runs["own"] = own
	want[0].Lines[2] = "its ISO may write to every disk: only machines whose disks are all blank are claimed"
	want[0].Lines[5] = strings.Replace(want[0].Lines[5], "the kernel", "the ISO", 1)
	want[0].Lines = slices.Insert(want[0].Lines, 3, "who signed the loader of its ISO is not known: with Secure Boot on the firmware decides")
	if diff := cmp.Diff(want, claimed.Compare(inventory.Fleet{}, fleet, known)); diff != "" {
		t.Errorf("the plan of an ISO (-want +got):\n%s", diff)
	}
}
