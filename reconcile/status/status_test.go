package status_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/plan"
	"github.com/gitmetal/ingot/reconcile/plan/change"
	"github.com/gitmetal/ingot/reconcile/status"
	"github.com/gitmetal/ingot/schemas"
)

// full is a record in which everything is set.
func full() inventory.Record {
	disk := inventory.DiskID{Serial: "S1", WWN: "5000c5", Path: "/dev/disk/by-path/x", Size: 1 << 40}
	op := inventory.Operation{
		ID: "o2", Kind: inventory.Install, Stage: inventory.Working, Workload: "web", Inputs: "aa",
		Parts: map[string]string{"image": "i", "butane": "b"}, Commit: "c", Image: "d",
		Update: schemas.Reinstall, Attempt: 2, Started: noon, Error: "yes: no\n# x",
		Steps: []inventory.StepState{
			{Name: "on", State: inventory.StepDone, Needs: inventory.NeedsAgent, Attempt: 2},
			{Name: "install", State: inventory.StepWorking, Needs: inventory.NeedsAgent, Attempt: 2},
		}, Cursor: 1,
		Disks: []inventory.OperationDisk{{Disk: disk, Content: "install:o1", Erases: true, Consent: "S1/aa"}},
	}
	last := op
	last.Steps, last.Cursor = nil, 0
	last.Disks = []inventory.OperationDisk{{Disk: disk, Content: "install:o1", Erases: true, Consent: "S1/bb"}}
	last.ID, last.Stage, last.Ended, last.Outcome = "o1", inventory.Ended, noon, inventory.Quarantined
	facts := inventory.Facts{
		At: noon, Epoch: 1<<63 + 1,
		System:   inventory.System{Manufacturer: "M", Product: "0x10", Serial: "1e3", UUID: "u"},
		Firmware: inventory.Firmware{UEFI: true, SecureBoot: true, Vendor: "v", Version: "1.0"},
		CPU:      inventory.CPU{Model: "m", Arch: "amd64", Count: 4},
		Memory:   1 << 36, Errors: []string{"on"},
		Disks: []inventory.Disk{{Name: "sda", Serial: "S1", Size: 1 << 40, SectorSize: 512, Rotational: true,
			Holders: []string{"md0"}, Content: inventory.Content{Signature: "007", Summary: "ext4"}}},
		NICs: []inventory.NIC{{Name: "eth0", MAC: "52:54:00:00:00:01", Driver: "d", Link: true, Mbps: 1000}},
	}
	return inventory.Record{
		ID: "web-03", Epoch: 1<<63 + 2, Operation: &op, Last: &last, Facts: &facts, Adopted: "0777",
		Spent: []string{"S1/aa", "S1/bb"},
		Installed: &inventory.Installed{ID: "o1", Workload: "web", Inputs: "aa", Parts: map[string]string{"image": "i"},
			Commit: "c", Image: "d", Disk: disk, Update: schemas.OnConsent, At: noon, PhoneHome: noon},
		Boot: &inventory.Boot{ID: "b", Target: inventory.FromRamdisk, Epoch: 9, Stage: inventory.Running, Attempt: 3,
			Opened: noon, Started: noon,
			Commit: "c", Ours: true},
	}
}

func result(rec inventory.Record) status.Result {
	return status.Result{
		At: noon, Observed: &inventory.Observed{Record: rec, BMC: inventory.BMCState{Reach: inventory.Reached}},
		Desired: &inventory.Desired{
			ID: rec.ID, Name: string(rec.ID), File: "hosts/web-03.yaml", Commit: "0123456789abcdef",
			Labels:   map[string]string{"rack": "r1", "a": "on"},
			Workload: &inventory.Workload{Name: "web", Inputs: "bb"},
		},
		Plan: &plan.Plan{Host: rec.ID, Phase: plan.Held, Waits: "a person", Due: noon,
			Hold: &change.Hold{Reason: change.NeedsConsent, Message: "it needs consent", Consents: []string{"S1/cc"}}},
	}
}

// A later look that sees the same writes the same bytes: nothing in a document ages.
func TestNothingAges(t *testing.T) {
	t.Parallel()
	r := result(full())
	first := status.Summarize(status.Document{}, r)
	r.At = r.At.Add(time.Hour)
	if second := status.Summarize(first, r); !bytes.Equal(first.Encode(), second.Encode()) {
		t.Errorf("an hour later: %s", cmp.Diff(string(first.Encode()), string(second.Encode())))
	}
	read, err := status.Parse(first.Encode())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(first.Encode()), string(read.Encode())); diff != "" {
		t.Errorf("written, read and written again: %s", diff)
	}
}

// A condition keeps its time while it holds, and an unasked BMC keeps what was last known of it.
func TestConditions(t *testing.T) {
	t.Parallel()
	r := result(full())
	first := status.Summarize(status.Document{}, r)
	r.At, r.Observed.BMC.Reach = r.At.Add(time.Hour), inventory.NotAsked
	if got := status.Summarize(first, r); cmp.Diff(first.Conditions, got.Conditions) != "" {
		t.Errorf("not asked: %+v", got.Conditions)
	}
	r.Observed.BMC.Reach = inventory.Unauthorized
	want := status.Condition{Type: status.Reachable, Status: "False", Reason: "Unauthorized",
		Since: "2026-11-01T13:00:00Z"}
	if got := status.Summarize(first, r).Conditions[1]; got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	good := string(status.Summarize(status.Document{}, result(full())).Encode())
	for name, text := range map[string]string{
		"a newer reader":   strings.Replace(good, "minReader: 2\n", "minReader: 99\n", 1),
		"duplicate field":  good + "phase: Active\n",
		"... and another":  good + "extra: 1\nphase: Active\n",
		"unknown, twice":   good + "extra: 1\nextra: 1\n",
		"another kind":     strings.Replace(good, "kind: HostStatus", "kind: FleetStatus", 1),
		"another version":  strings.Replace(good, schemas.APIVersion, "ingot.dev/v9", 1),
		"too large":        good + strings.Repeat("#", status.MaxDocument),
		"nothing":          "",
		"no such stage":    strings.Replace(good, "stage: Working", "stage: Loaded", 1),
		"ended, under way": strings.Replace(good, "stage: Working", "stage: Ended", 1),
		"under way, ended": strings.Replace(good, "stage: Ended", "stage: Working", 1),
		"no such kind":     strings.Replace(good, "kind: Install", "kind: Run", 1),
		"no such state":    strings.Replace(good, "state: Done", "state: Paused", 1),
		"no such cursor":   strings.Replace(good, "  cursor: 1", "  cursor: 4", 1),
		"no such boot":     strings.Replace(good, "stage: Running", "stage: Walking", 1),
		"no such content":  strings.ReplaceAll(good, "content: install:o1", "content: volume:o1"),
		"no such outcome":  strings.Replace(good, "outcome: Quarantined", "outcome: Withdrawn", 1),
		"no such phase":    strings.Replace(good, "phase: Held", "phase: Walking", 1),
		"no such target":   strings.Replace(good, "target: ramdisk", "target: usb", 1),
	} {
		if _, err := status.Parse([]byte(text)); err == nil || text == good {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestAPageSpeaksOfItsHost(t *testing.T) {
	t.Parallel()
	page := status.Summarize(status.Document{}, result(full())).Encode()
	if _, err := status.Page(status.Path("web-03"), page); err != nil {
		t.Error(err)
	}
	for _, file := range []string{status.Path("web-04"), "README.md", "x/" + status.Path("web-03")} {
		if _, err := status.Page(file, page); err == nil {
			t.Errorf("the page of web-03 is read from %s", file)
		}
	}
}

func TestIsHost(t *testing.T) {
	t.Parallel()
	path := status.Path("web-03")
	for file, want := range map[string]bool{path: true, "README.md": false, "hosts/zz/web-03.yaml": false,
		"x/" + path: false, strings.Replace(path, "web-03", "web-04", 1): false} {
		if got := status.IsHost(file); got != want {
			t.Errorf("IsHost(%s) = %t", file, got)
		}
	}
}

func TestActs(t *testing.T) {
	t.Parallel()
	act := func(minute int, by string) status.Act {
		return status.Act{At: time.Date(2026, 11, 1, 12, minute, 0, 0, time.UTC), By: by}
	}
	elsewhere := act(3, "a")
	elsewhere.At = elsewhere.At.In(time.FixedZone("there", 3600))
	var many []status.Act
	for minute := range 20 {
		many = append([]status.Act{act(minute, "a")}, many...)
	}
	for name, test := range map[string]struct{ known, page, want []status.Act }{
		"the page alone": {nil, []status.Act{act(2, "a"), act(1, "b")},
			[]status.Act{act(2, "a"), act(1, "b")}},
		"what was done meanwhile": {[]status.Act{act(3, "a")}, []status.Act{act(2, "a")},
			[]status.Act{act(3, "a"), act(2, "a")}},
		"both know some": {[]status.Act{act(4, "a"), act(3, "a")}, []status.Act{elsewhere, act(2, "a")},
			[]status.Act{act(4, "a"), act(3, "a"), act(2, "a")}},
		"two at once": {[]status.Act{act(3, "a")}, []status.Act{act(3, "b")},
			[]status.Act{act(3, "a"), act(3, "b")}},
		"the newest are kept": {many[10:], many[:10], many[:10]},
	} {
		if diff := cmp.Diff(test.want, status.Acts(test.known, test.page)); diff != "" {
			t.Errorf("%s: Acts (-want +got):\n%s", name, diff)
		}
	}
}
