package claimed_test

import (
	"slices"
	"strings"
	"testing"
	"time"

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

// Every term of a Workload that the daemon takes from a merge on stands in the plan, each on a line of its own.
func TestTermsInThePlan(t *testing.T) {
	t.Parallel()
	work := runs.Work{Workload: "pi", Batch: "b1", Replicas: 2, MatchLabels: map[string]string{"pool": "batch"}, Completions: 4, Deadline: time.Hour,
		Retries: 2, Results: runs.Limits{Files: []string{"out/**"}, MaxSize: 1 << 30, MaxFiles: 1000, Required: true}}
	for want, edit := range map[string]func(*runs.Work){
		"replicas 2 → 4": func(w *runs.Work) { w.Replicas = 4 },
		"hosts pool=batch → pool=batch, when facts.cpus > 4": func(w *runs.Work) { w.When = "facts.cpus\n> 4" },
		"priority 0 → 7":                                         func(w *runs.Work) { w.Priority = 7 },
		"paused false → true: no more runs begin":                func(w *runs.Work) { w.Paused = true },
		"run.completions 4 → 3":                                  func(w *runs.Work) { w.Completions = 3 },
		"run.deadline 1h0m0s → 5m0s: of each run that begins":    func(w *runs.Work) { w.Deadline = 5 * time.Minute },
		"run.retries 2 → 0":                                      func(w *runs.Work) { w.Retries = 0 },
		"run.onFailure never stops → stops after 1 failed items": func(w *runs.Work) { w.StopAfter = 1 },
		"run.whenDone Release → PowerOff":                        func(w *runs.Work) { w.Keeps = true },
		"run.results.keep as the daemon's configuration says → 7 days, 1048576 bytes: ended batches over it are removed for good":                                 func(w *runs.Work) { w.Keep = runs.Keep{Age: 7 * 24 * time.Hour, Size: 1 << 20} },
		"run.results out/**, at most 1073741824 bytes in 1000 files → no patterns, at most 1073741824 bytes in 1000 files, not required: of each run that begins": func(w *runs.Work) { w.Results.Files, w.Results.Required = nil, false },
	} {
		after := work
		edit(&after)
		fleet := func(w runs.Work) inventory.Fleet { return inventory.Fleet{Runs: map[string]runs.Work{"pi": w}} }
		changes := claimed.Compare(fleet(work), fleet(after), claimed.Known{})
		if len(changes) != 1 || changes[0].Workload != "pi" || !slices.Contains(changes[0].Lines, want) {
			t.Errorf("%+v, want the line %q", changes, want)
		}
	}
	same := inventory.Fleet{Runs: map[string]runs.Work{"pi": work}}
	if changes := claimed.Compare(same, same, claimed.Known{}); len(changes) > 0 {
		t.Errorf("nothing changed, and the plan says %+v", changes)
	}
}
