package receipts_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/receipts"
	"github.com/gitmetal/ingot/reconcile/status"
	"github.com/gitmetal/ingot/schemas"
)

var noon = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

func erased(serial string, minute int) inventory.Erased {
	begun := noon.Add(time.Duration(minute) * time.Minute)
	return inventory.Erased{Name: "root", Serial: serial, Policy: "clear", Method: "overwrite", Size: 480, Begun: begun,
		Ended: begun.Add(time.Second), Samples: 4096, Agent: "v1", Attempt: 1}
}

func operation(id string, all ...inventory.Erased) *inventory.Operation {
	return &inventory.Operation{ID: id, Commit: "c1", Steps: []inventory.StepState{{Name: schemas.StepErase, State: inventory.StepDone,
		Attempt: 1, Writes: []string{"root"}, Erased: all}}}
}

func page(last, now *inventory.Operation) status.Document {
	return status.Document{Metadata: status.NewMetadata("www-1", "web-1", nil), LastOperation: last, Operation: now}
}

// wants compares the files to push: path, and operation and serial of each erase.
func wants(t *testing.T, what string, f receipts.Files, want map[string][]string) {
	t.Helper()
	got := map[string][]string{}
	for file, content := range f.EncodeDue() {
		read, err := receipts.Decode(file, content)
		if err != nil || !receipts.IsFile(file) {
			t.Fatalf("%s: %s: %v", what, file, err)
		}
		for _, r := range read.Erases {
			got[file] = append(got[file], r.Operation+" "+r.Serial)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// TestEveryEraseIsKept erases one disk in two operations, and another disk once: each erase is in the file of its disk,
// whatever was pushed before, and after a restart in any order.
func TestEveryEraseIsKept(t *testing.T) {
	t.Parallel()
	f := receipts.NewFiles()
	f.Note(page(nil, operation("op-1", erased("A", 1))))
	first := f.EncodeDue()
	wants(t, "the first erase", f, map[string][]string{"receipts/web-1/A.yaml": {"op-1 A"}})
	f.Settle(first)
	f.Note(page(nil, operation("op-1", erased("A", 1))))
	wants(t, "the same again", f, map[string][]string{})
	second := page(operation("op-1", erased("A", 1)), operation("op-2", erased("A", 9), erased("B", 9)))
	both := map[string][]string{"receipts/web-1/A.yaml": {"op-2 A", "op-1 A"}, "receipts/web-1/B.yaml": {"op-2 B"}}
	f.Note(second)
	wants(t, "another operation", f, both)

	started := receipts.NewFiles()
	started.Note(page(operation("op-2", erased("A", 9), erased("B", 9)), nil)) // the page knows two operations at most
	if err := started.Restore("receipts/web-1/A.yaml", first["receipts/web-1/A.yaml"]); err != nil {
		t.Fatal(err)
	}
	wants(t, "after a start", started, both)
	if diff := cmp.Diff(f.EncodeDue(), started.EncodeDue()); diff != "" {
		t.Errorf("the bytes differ (-before +after a start):\n%s", diff)
	}
}

// TestFilesThatSomebodyChanged: a file that was deleted or edited on the branch is written again, with every erase; a file
// that is not believed at a start stays until its disk is erased again.
func TestFilesThatSomebodyChanged(t *testing.T) {
	t.Parallel()
	f := receipts.NewFiles()
	f.Note(page(nil, operation("op-1", erased("A", 1))))
	pushed := f.EncodeDue()
	f.Settle(pushed)
	for name, there := range map[string]map[string][]byte{"deleted": {}, "edited": {"receipts/web-1/A.yaml": []byte("{}")},
		"not genuine": {"receipts/web-1/A.yaml": nil}} {
		if differ := f.CompareTip(there); differ != 1 || !f.HasDue() {
			t.Errorf("%s: CompareTip = %d, due %t", name, differ, f.HasDue())
		}
		if diff := cmp.Diff(pushed, f.EncodeDue()); diff != "" {
			t.Errorf("%s (-pushed +due):\n%s", name, diff)
		}
		f.Settle(f.EncodeDue())
	}
	if differ := f.CompareTip(pushed); differ != 0 || f.HasDue() {
		t.Errorf("as it was pushed: CompareTip = %d, due %t", differ, f.HasDue())
	}
	for name, content := range map[string][]byte{"none": nil, "another path": []byte(strings.Replace(string(pushed["receipts/web-1/A.yaml"]), "disk: A", "disk: B", 1)),
		"another kind": []byte("apiVersion: ingot.dev/v1alpha1\nkind: HostStatus\n"), "too long": make([]byte, status.MaxDocument+1)} {
		g := receipts.NewFiles()
		if err := g.Restore("receipts/web-1/A.yaml", content); err == nil || g.HasDue() {
			t.Errorf("%s: Restore = %v, due %t", name, err, g.HasDue())
		}
	}
}

// TestPathsOfDisks: the names are a machine's, and no name leaves the folder or meets another disk's.
func TestPathsOfDisks(t *testing.T) {
	t.Parallel()
	for disk, want := range map[string]string{
		"5000c500a1b2c3d4": "receipts/web-1/5000c500a1b2c3d4.yaml", "eui.0025385b71b0a1c2": "receipts/web-1/eui.0025385b71b0a1c2.yaml",
		"S 1": "receipts/web-1/S_1-ef06a835.yaml", "../../hosts/x": "receipts/web-1/hosts_x-74f2a4d9.yaml", "…": "receipts/web-1/disk-00000000.yaml",
	} {
		got := receipts.Path("web-1", disk)
		if disk == "…" {
			got = got[:len("receipts/web-1/disk-")] + "00000000.yaml"
		}
		if !receipts.IsFile(receipts.Path("web-1", disk)) || got != want {
			t.Errorf("Path(%q) = %s, want %s", disk, got, want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		a, b := rapid.String().Draw(t, "a"), rapid.String().Draw(t, "b")
		path := receipts.Path("web-1", a)
		if !receipts.IsFile(path) || receipts.MachineOf(path) != "web-1" {
			t.Fatalf("Path(%q) = %s", a, path)
		}
		if a != b && path == receipts.Path("web-1", b) {
			t.Fatalf("%q and %q have one path %s", a, b, path)
		}
	})
}

// TestAFileIsBounded: the newest erases stay.
func TestAFileIsBounded(t *testing.T) {
	t.Parallel()
	file := receipts.File{}
	for n := range receipts.MaxErases + 3 {
		file = file.With(receipts.Receipt{Operation: fmt.Sprint(n), Erased: erased("A", n)})
	}
	if n := len(file.Erases); n != receipts.MaxErases || file.Erases[0].Operation != fmt.Sprint(n+2) {
		t.Errorf("%d erases, the newest of operation %s", n, file.Erases[0].Operation)
	}
}

// TestDisksThatAreNotErased has a row for each state of a step that erases: a disk without a receipt of the newest attempt is
// not erased once the attempt may have written to it.
func TestDisksThatAreNotErased(t *testing.T) {
	t.Parallel()
	disks := []inventory.OperationDisk{{Disk: inventory.DiskID{Serial: "A", Size: 480}, Begun: 1}, {Name: "data", Disk: inventory.DiskID{Serial: "B", Size: 480}, Begun: 1}}
	second := erased("A", 5)
	second.Attempt = 2
	for name, test := range map[string]struct {
		step  inventory.StepState
		begun int
		want  []string
	}{
		"done":                          {inventory.StepState{State: inventory.StepDone, Attempt: 1}, 1, nil},
		"waits":                         {inventory.StepState{State: inventory.StepWaiting}, 0, nil},
		"at work, before leave":         {inventory.StepState{State: inventory.StepWorking, Attempt: 1}, 0, nil},
		"at work":                       {inventory.StepState{State: inventory.StepWorking, Attempt: 1}, 1, []string{"A", "B"}},
		"failed":                        {inventory.StepState{State: inventory.StepFailed, Attempt: 1}, 1, []string{"A", "B"}},
		"failed for one":                {inventory.StepState{State: inventory.StepFailed, Attempt: 1, Erased: []inventory.Erased{erased("A", 1)}}, 1, []string{"B"}},
		"failed for one the other time": {inventory.StepState{State: inventory.StepFailed, Attempt: 2, Erased: []inventory.Erased{erased("A", 1)}}, 1, []string{"A", "B"}},
		"failed for one both times":     {inventory.StepState{State: inventory.StepFailed, Attempt: 2, Erased: []inventory.Erased{erased("A", 1), second}}, 1, []string{"B"}},
		"a script":                      {inventory.StepState{Name: "wipe", State: inventory.StepFailed, Attempt: 1}, 1, nil},
	} {
		test.step.Writes = []string{"root", "data"}
		if test.step.Name == "" {
			test.step.Name = schemas.StepErase
		}
		op := inventory.Operation{ID: "op", Stage: inventory.Working, Error: "not erased by overwrite", Steps: []inventory.StepState{test.step}}
		for _, d := range disks {
			d.Begun = test.begun
			op.Disks = append(op.Disks, d)
		}
		var got []string
		for _, d := range receipts.FindFailed(page(nil, &op)) {
			if got = append(got, d.Disk); d.Why == "" || d.Host != "www-1" {
				t.Errorf("%s: %+v", name, d)
			}
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}
