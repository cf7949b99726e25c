package status_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/act"
	"github.com/gitmetal/ingot/reconcile/plan"
	"github.com/gitmetal/ingot/reconcile/review"
	"github.com/gitmetal/ingot/reconcile/status"
	"github.com/gitmetal/ingot/schemas"
)

// FuzzParse: whoever may push to the status branch cannot make its readers panic. What is read is written and read back as the same; the planner, the
// plan of a pull request and the board take any record that comes out of it; and no document makes the planner erase without a consent that the fleet gives.
func FuzzParse(f *testing.F) {
	page := status.Summarize(status.Document{}, result(full())).Encode()
	f.Add(page)
	for _, change := range [][2]string{{"stage: Armed", "stage: Published"}, {"stage: Armed", "stage: Written"},
		{"stage: Running", "stage: Preparing"}, {"target: ramdisk", "target: disk"},
		{"content: install:o1", "content: blank"}} {
		f.Add(bytes.Replace(page, []byte(change[0]), []byte(change[1]), 1))
	}
	f.Add(status.Summarize(status.Document{}, result(inventory.Record{ID: "web-03"})).Encode())
	f.Add([]byte("apiVersion: ingot.dev/v1alpha1\nkind: HostStatus\nmetadata: {name: a}\noperation: {}\nboot: " +
		"{}\nhardware: {disks: [{}]}\n"))
	f.Add([]byte("a: &a [x, x]\nb: &b [*a, *a]\n<<: {c: [*b, *b]}\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		document, err := status.Parse(data)
		if err != nil {
			return
		}
		written := document.Encode()
		again, err := status.Parse(written)
		if err != nil {
			t.Fatalf("what was read is not read back: %v\n%s", err, written)
		}
		if diff := cmp.Diff(document, again, cmpopts.EquateEmpty(),
			cmp.Comparer(func(a, b time.Time) bool { return a.Equal(b) })); diff != "" {
			t.Errorf("what was read is read back as another document:\n%s", diff)
		}
		decide(t, document)
	})
}

// FuzzParseFleet: the fleet's page is read by the next daemon and by people in a clone. What is read is written and read back as the same, and makes a board.
func FuzzParseFleet(f *testing.F) {
	fleet, hosts := fleetOf("yes: no")
	f.Add(fleet.Encode())
	f.Add([]byte("apiVersion: ingot.dev/v1alpha1\nkind: FleetStatus\ncommit: a\ntitle: \"[x](http://y)\"\nhosts: " +
		"{Active: -1}\nrings: [{}]\ncommits: [{}, {}]\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		read, err := status.ParseFleet(data)
		if err != nil {
			return
		}
		written := read.Encode()
		again, err := status.ParseFleet(written)
		if err != nil {
			t.Fatalf("what was read is not read back: %v\n%s", err, written)
		}
		if !bytes.Equal(written, again.Encode()) {
			t.Errorf("what was read is written as another page:\n%s", written)
		}
		_ = status.Board(read, hosts)
		_ = status.Accept(read.Commits, status.Commit{Commit: "c"})
	})
}

// decide has everybody who reads records read this one.
func decide(t *testing.T, document status.Document) {
	t.Helper()
	record, looks := document.Record(), result(document.Record())
	desired := *looks.Desired
	desired.Lifecycle, desired.RootDisk = schemas.Managed, &schemas.DiskHints{Serial: "S1"}
	desired.Workload = &inventory.Workload{Name: "web", Inputs: "bb", Update: schemas.OnConsent,
		PhoneHome: schemas.PhoneHomeRequired}
	for _, power := range []inventory.PowerState{inventory.PoweredOn, inventory.PoweredOff} {
		observed := *looks.Observed
		observed.BMC.Power = power
		p := plan.Next(desired, observed, noon)
		if action := p.Action; action != nil {
			if op := action.Operation; action.Kind == act.OpenOperation && op != nil && op.Erases() {
				t.Errorf("an operation that erases begins, and nobody consented:\n%s", document.Encode())
			}
		}
		document = status.Summarize(document, status.Result{At: noon, Desired: &desired, Observed: &observed, Plan: &p})
		_ = document.Encode()
	}
	fleet := inventory.Fleet{Hosts: map[inventory.MachineID]inventory.Desired{desired.ID: desired}}
	_ = review.Compare(inventory.Fleet{}, fleet, review.Known{Records: map[inventory.MachineID]inventory.Record{desired.ID: record}}).RenderMarkdown()
	documents := []status.Document{document}
	_ = status.Board(status.NewFleet(status.Fleet{}, nil, documents), documents)
}
