package journaltest

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/format"
	"github.com/gitmetal/ingot/reconcile/journal"
)

// testAbsent: a missing record is no error, and has revision 0.
func testAbsent(t *testing.T, s Subject) {
	s.wantNone(t, "a")
	if entries, err := s.Journal.List(t.Context()); err != nil || len(entries) > 0 {
		t.Errorf("List = %v, %v, want none", entries, err)
	}
	if got, err := s.Journal.Accepted(t.Context()); err != nil || !reflect.DeepEqual(got, journal.Accepted{}) {
		t.Errorf("Accepted = %+v, %v, want the zero value", got, err)
	}
}

// testSwap: a write with a wrong revision is a conflict, and changes nothing.
func testSwap(t *testing.T, s Subject) {
	s.wantRefused(t, newRecord("a", 9), 7, journal.ErrConflict)
	s.wantNone(t, "a")
	first := s.putRecord(t, newRecord("a", 1), 0)
	s.putRecord(t, newRecord("b", 1), 0)
	if got := s.wantRecord(t, newRecord("a", 1)); got != first {
		t.Errorf("a is at revision %d since b was written, want %d", got, first)
	}
	s.wantRefused(t, newRecord("a", 9), 0, journal.ErrConflict)
	s.wantRefused(t, newRecord("a", 9), first+1, journal.ErrConflict)
	second := s.putRecord(t, newRecord("a", 2), first)
	s.wantRefused(t, newRecord("a", 9), first, journal.ErrConflict)
	if got := s.wantRecord(t, newRecord("a", 2)); got != second {
		t.Errorf("a is at revision %d, want %d", got, second)
	}
	third := s.putRecord(t, newRecord("a", 2), second) // the same again is a write
	s.wantRefused(t, newRecord("a", 9), second, journal.ErrConflict)
	if got := s.wantRecord(t, newRecord("a", 2)); got != third {
		t.Errorf("a is at revision %d, want %d", got, third)
	}
}

// testList: List gives every record once, by id, with the revision of Get.
func testList(t *testing.T, s Subject) {
	ids := []inventory.MachineID{"m", "b", "m-2", "a", "m2", "z", "10", "9"}
	revisions := map[inventory.MachineID]int64{}
	for i, id := range ids {
		revisions[id] = s.putRecord(t, newRecord(id, inventory.Epoch(i)), 0)
	}
	revisions["b"] = s.putRecord(t, newRecord("b", 1), revisions["b"])
	if err := s.Journal.Accept(t.Context(), journal.Accepted{Commit: "1"}); err != nil {
		t.Fatal(err)
	}
	entries, err := s.Journal.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var got []inventory.MachineID
	for _, e := range entries {
		got = append(got, e.Record.ID)
		want := newRecord(e.Record.ID, inventory.Epoch(slices.Index(ids, e.Record.ID)))
		if e.Record.Unreadable != "" || e.Revision != revisions[e.Record.ID] || !journal.Same(e.Record, want) {
			t.Errorf("List has %+v, want %+v at %d", e, want, revisions[e.Record.ID])
		}
	}
	slices.Sort(ids)
	if !slices.Equal(got, ids) {
		t.Errorf("List = %v, want %v", got, ids)
	}
}

// testValue: a record is a value; changes of a written or read record change no stored record. A time is an instant.
func testValue(t *testing.T, s Subject) {
	full := func() inventory.Record {
		now := time.Date(2026, 11, 23, 12, 0, 0, 5, time.FixedZone("", 3600))
		return inventory.Record{
			ID: "a", Epoch: 7, Spent: []string{"a/b"}, Adopted: "S", Recovered: &inventory.Recovered{Epoch: 7},
			Pinned: inventory.Pinned{
				BMC:  &inventory.BMCIdentity{Address: "https://10.0.0.1/redfish/v1/Systems/1", Serial: "S"},
				MACs: []string{"m"},
			},
			Operation: &inventory.Operation{
				ID: "op", Kind: inventory.Install, Stage: inventory.Working,
				Steps: []inventory.StepState{
					{Name: "install", State: inventory.StepWorking, Needs: inventory.NeedsAgent, Attempt: 1},
				},
				Disks: []inventory.OperationDisk{{Content: inventory.ContentBlank,
					Disk: inventory.DiskID{WWN: "5000"}}},
				Parts: map[string]string{"image": "ab"}, Started: now,
			},
			Boot: &inventory.Boot{
				ID: "boot", Target: inventory.FromRamdisk, Epoch: 7, Stage: inventory.Running, Opened: now,
			},
			Facts: &inventory.Facts{At: now, NICs: []inventory.NIC{{Name: "eth0", MAC: "04:32:01:00:00:01"}}},
		}
	}
	change := func(r inventory.Record) {
		r.Spent[0], r.BMC.Serial, r.Operation.Stage, r.Operation.Parts["image"] = "x", "x", inventory.Confirming, "x"
		r.Recovered.Epoch, r.MACs[0] = 1, "x"
		r.Operation.Steps[0].Name, r.Operation.Disks[0].Begun = "x", 7
		r.Boot.Stage, r.Facts.NICs[0].MAC = inventory.Preparing, "x"
	}
	given := full()
	s.putRecord(t, given, 0)
	change(given)
	s.wantRecord(t, full())
	got, _, err := s.Journal.Get(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	if !got.Boot.Opened.Equal(full().Boot.Opened) {
		t.Errorf("a time is %v, was %v", got.Boot.Opened, full().Boot.Opened)
	}
	change(got)
	s.wantRecord(t, full())
	entries, err := s.Journal.List(t.Context())
	if err != nil || len(entries) != 1 {
		t.Fatalf("List = %v, %v", entries, err)
	}
	change(entries[0].Record)
	s.wantRecord(t, full())
}

// testPaths: an id is only a name, whatever its characters.
func testPaths(t *testing.T, s Subject) {
	ids := []inventory.MachineID{"a", "a/", "a/b", "/a", "a//b", "../a", ".", "records/a", "accepted",
		"a\x00", "ü %2f"}
	for i, id := range ids {
		s.wantNone(t, id)
		s.putRecord(t, newRecord(id, inventory.Epoch(i)), 0)
	}
	for i, id := range ids {
		s.wantRecord(t, newRecord(id, inventory.Epoch(i)))
	}
	if entries, err := s.Journal.List(t.Context()); err != nil || len(entries) != len(ids) {
		t.Errorf("List = %d records, %v, want %d", len(entries), err, len(ids))
	}
	if got, err := s.Journal.Accepted(t.Context()); err != nil || got.Commit != "" {
		t.Errorf("Accepted = %+v, %v, want none", got, err)
	}
}

// testLargest: a record of journal.MaxValue bytes is written and listed; one byte more is refused.
func testLargest(t *testing.T, s Subject) {
	sized := func(id inventory.MachineID, size int) inventory.Record {
		empty, err := journal.Encode(inventory.Record{ID: id, Facts: &inventory.Facts{Errors: []string{""}}})
		if err != nil {
			t.Fatal(err)
		}
		text := strings.Repeat("x", size-len(empty))
		return inventory.Record{ID: id, Facts: &inventory.Facts{Errors: []string{text}}}
	}
	over := sized("a", journal.MaxValue+1)
	if _, err := s.Journal.Put(t.Context(), over, 0); err == nil || !strings.Contains(err.Error(), "bytes") {
		t.Errorf("Put of %d bytes = %v, want an error that says so", journal.MaxValue+1, err)
	}
	s.wantNone(t, "a")
	for _, id := range []inventory.MachineID{"a", "b", "c"} {
		record := sized(id, journal.MaxValue)
		revision := s.putRecord(t, record, 0)
		s.wantRecord(t, record)
		if _, err := s.Journal.Put(t.Context(), sized(id, journal.MaxValue+1), revision); err == nil {
			t.Errorf("a record grew over the largest size")
		}
		s.wantRecord(t, record)
	}
	if entries, err := s.Journal.List(t.Context()); err != nil || len(entries) != 3 {
		t.Errorf("List = %d records, %v, want 3", len(entries), err)
	}
}

func testNameless(t *testing.T, s Subject) {
	if _, err := s.Journal.Put(t.Context(), inventory.Record{Epoch: 1}, 0); err == nil {
		t.Error("Put of a record that names no machine succeeds")
	}
	if entries, err := s.Journal.List(t.Context()); err != nil || len(entries) > 0 {
		t.Errorf("List = %v, %v, want none", entries, err)
	}
}

// testAccepted: the journal keeps the last accepted commit.
func testAccepted(t *testing.T, s Subject) {
	when := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	for _, commit := range []string{"1", "2", "2", "1"} {
		want := journal.Accepted{Commit: commit, At: when}
		if err := s.Journal.Accept(t.Context(), want); err != nil {
			t.Fatal(err)
		}
		if got, err := s.Journal.Accepted(t.Context()); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("Accepted = %+v, %v, want %+v", got, err, want)
		}
		when = when.Add(time.Hour)
	}
	s.wantNone(t, "accepted")
}

// testAnotherOwner: a daemon without ownership writes nothing and gets ErrNotOwner before ErrConflict.
func testAnotherOwner(t *testing.T, s Subject) {
	revision := s.putRecord(t, newRecord("a", 1), 0)
	if err := s.Journal.Accept(t.Context(), journal.Accepted{Commit: "1"}); err != nil {
		t.Fatal(err)
	}
	s.TakeOver(t)
	s.wantRefused(t, newRecord("a", 9), revision, journal.ErrNotOwner)
	s.wantRefused(t, newRecord("a", 9), revision+1, journal.ErrNotOwner)
	s.wantRefused(t, newRecord("b", 9), 0, journal.ErrNotOwner)
	if err := s.Journal.Accept(t.Context(), journal.Accepted{Commit: "2"}); !errors.Is(err, journal.ErrNotOwner) {
		t.Errorf("Accept = %v, want ErrNotOwner", err)
	}
	if got := s.wantRecord(t, newRecord("a", 1)); got != revision {
		t.Errorf("a is at revision %d, want %d", got, revision)
	}
	s.wantNone(t, "b")
	if got, err := s.Journal.Accepted(t.Context()); err != nil || got.Commit != "1" {
		t.Errorf("Accepted = %+v, %v, want 1", got, err)
	}
}

// testEndedCall: a call with an ended context does nothing.
func testEndedCall(t *testing.T, s Subject) {
	revision := s.putRecord(t, newRecord("a", 1), 0)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, list := s.Journal.List(ctx)
	_, _, get := s.Journal.Get(ctx, "a")
	_, put := s.Journal.Put(ctx, newRecord("a", 9), revision)
	_, read := s.Journal.Accepted(ctx)
	accept := s.Journal.Accept(ctx, journal.Accepted{Commit: "9"})
	for what, err := range map[string]error{"List": list, "Get": get, "Put": put, "Accepted": read, "Accept": accept} {
		if err == nil || errors.Is(err, format.ErrNewer) {
			t.Errorf("%s = %v, want the context's error", what, err)
		}
	}
	if got := s.wantRecord(t, newRecord("a", 1)); got != revision {
		t.Errorf("a is at revision %d, want %d", got, revision)
	}
	if got, err := s.Journal.Accepted(t.Context()); err != nil || got.Commit != "" {
		t.Errorf("Accepted = %+v, %v, want none", got, err)
	}
}
