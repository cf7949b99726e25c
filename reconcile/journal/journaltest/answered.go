package journaltest

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/format"
	"github.com/gitmetal/ingot/reconcile/journal"
)

// absent: what is not there is no error, and its revision is 0.
func absent(t *testing.T, s Subject) {
	s.wantNone(t, "a")
	if entries, err := s.Journal.List(t.Context()); err != nil || len(entries) > 0 {
		t.Errorf("List = %v, %v, want none", entries, err)
	}
	if got, err := s.Journal.Accepted(t.Context()); err != nil || got != (journal.Accepted{}) {
		t.Errorf("Accepted = %+v, %v, want the zero value", got, err)
	}
}

// swap: a write with another revision than the record's is a conflict, and changes nothing.
func swap(t *testing.T, s Subject) {
	s.refused(t, at("a", 9), 7, journal.ErrConflict)
	s.wantNone(t, "a")
	first := s.put(t, at("a", 1), 0)
	s.put(t, at("b", 1), 0)
	if got := s.want(t, at("a", 1)); got != first {
		t.Errorf("a is at revision %d since b was written, want %d", got, first)
	}
	s.refused(t, at("a", 9), 0, journal.ErrConflict)
	s.refused(t, at("a", 9), first+1, journal.ErrConflict)
	second := s.put(t, at("a", 2), first)
	s.refused(t, at("a", 9), first, journal.ErrConflict)
	if got := s.want(t, at("a", 2)); got != second {
		t.Errorf("a is at revision %d, want %d", got, second)
	}
	third := s.put(t, at("a", 2), second) // the same again is a write
	s.refused(t, at("a", 9), second, journal.ErrConflict)
	if got := s.want(t, at("a", 2)); got != third {
		t.Errorf("a is at revision %d, want %d", got, third)
	}
}

// list: every record once, by id, with the revision that Get gives.
func list(t *testing.T, s Subject) {
	ids := []inventory.MachineID{"m", "b", "m-2", "a", "m2", "z", "10", "9"}
	revisions := map[inventory.MachineID]int64{}
	for i, id := range ids {
		revisions[id] = s.put(t, at(id, inventory.Epoch(i)), 0)
	}
	revisions["b"] = s.put(t, at("b", 1), revisions["b"])
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
		want := at(e.Record.ID, inventory.Epoch(slices.Index(ids, e.Record.ID)))
		if e.Record.Unreadable != "" || e.Revision != revisions[e.Record.ID] || !journal.Same(e.Record, want) {
			t.Errorf("List has %+v, want %+v at %d", e, want, revisions[e.Record.ID])
		}
	}
	slices.Sort(ids)
	if !slices.Equal(got, ids) {
		t.Errorf("List = %v, want %v", got, ids)
	}
}

// value: what was given and what was read can be changed without changing what is there. A time is an instant.
func value(t *testing.T, s Subject) {
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
				Disks: []inventory.OperationDisk{{Content: inventory.ContentBlank, Disk: inventory.DiskID{WWN: "5000"}}},
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
	s.put(t, given, 0)
	change(given)
	s.want(t, full())
	got, _, err := s.Journal.Get(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	if !got.Boot.Opened.Equal(full().Boot.Opened) {
		t.Errorf("a time is %v, was %v", got.Boot.Opened, full().Boot.Opened)
	}
	change(got)
	s.want(t, full())
	entries, err := s.Journal.List(t.Context())
	if err != nil || len(entries) != 1 {
		t.Fatalf("List = %v, %v", entries, err)
	}
	change(entries[0].Record)
	s.want(t, full())
}

// paths: an id is nothing but a name.
func paths(t *testing.T, s Subject) {
	ids := []inventory.MachineID{"a", "a/", "a/b", "/a", "a//b", "../a", ".", "records/a", "accepted",
		"a\x00", "ü %2f"}
	for i, id := range ids {
		s.wantNone(t, id)
		s.put(t, at(id, inventory.Epoch(i)), 0)
	}
	for i, id := range ids {
		s.want(t, at(id, inventory.Epoch(i)))
	}
	if entries, err := s.Journal.List(t.Context()); err != nil || len(entries) != len(ids) {
		t.Errorf("List = %d records, %v, want %d", len(entries), err, len(ids))
	}
	if got, err := s.Journal.Accepted(t.Context()); err != nil || got.Commit != "" {
		t.Errorf("Accepted = %+v, %v, want none", got, err)
	}
}

// largest: a record of journal.MaxValue bytes is written and listed beside others of that size; one more is refused.
func largest(t *testing.T, s Subject) {
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
		revision := s.put(t, record, 0)
		s.want(t, record)
		if _, err := s.Journal.Put(t.Context(), sized(id, journal.MaxValue+1), revision); err == nil {
			t.Errorf("a record grew over the largest size")
		}
		s.want(t, record)
	}
	if entries, err := s.Journal.List(t.Context()); err != nil || len(entries) != 3 {
		t.Errorf("List = %d records, %v, want 3", len(entries), err)
	}
}

func nameless(t *testing.T, s Subject) {
	if _, err := s.Journal.Put(t.Context(), inventory.Record{Epoch: 1}, 0); err == nil {
		t.Error("Put of a record that names no machine succeeds")
	}
	if entries, err := s.Journal.List(t.Context()); err != nil || len(entries) > 0 {
		t.Errorf("List = %v, %v, want none", entries, err)
	}
}

// accepted: the last accepted commit is kept.
func accepted(t *testing.T, s Subject) {
	when := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	for _, commit := range []string{"1", "2", "2", "1"} {
		want := journal.Accepted{Commit: commit, At: when}
		if err := s.Journal.Accept(t.Context(), want); err != nil {
			t.Fatal(err)
		}
		if got, err := s.Journal.Accepted(t.Context()); err != nil || got != want {
			t.Errorf("Accepted = %+v, %v, want %+v", got, err, want)
		}
		when = when.Add(time.Hour)
	}
	s.wantNone(t, "accepted")
}

// another: whoever is not the owner any more writes nothing, and learns that rather than that there is a conflict.
func another(t *testing.T, s Subject) {
	revision := s.put(t, at("a", 1), 0)
	if err := s.Journal.Accept(t.Context(), journal.Accepted{Commit: "1"}); err != nil {
		t.Fatal(err)
	}
	s.TakeOver(t)
	s.refused(t, at("a", 9), revision, journal.ErrNotOwner)
	s.refused(t, at("a", 9), revision+1, journal.ErrNotOwner)
	s.refused(t, at("b", 9), 0, journal.ErrNotOwner)
	if err := s.Journal.Accept(t.Context(), journal.Accepted{Commit: "2"}); !errors.Is(err, journal.ErrNotOwner) {
		t.Errorf("Accept = %v, want ErrNotOwner", err)
	}
	if got := s.want(t, at("a", 1)); got != revision {
		t.Errorf("a is at revision %d, want %d", got, revision)
	}
	s.wantNone(t, "b")
	if got, err := s.Journal.Accepted(t.Context()); err != nil || got.Commit != "1" {
		t.Errorf("Accepted = %+v, %v, want 1", got, err)
	}
}

// over: a call whose context has ended does nothing.
func over(t *testing.T, s Subject) {
	revision := s.put(t, at("a", 1), 0)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, list := s.Journal.List(ctx)
	_, _, get := s.Journal.Get(ctx, "a")
	_, put := s.Journal.Put(ctx, at("a", 9), revision)
	_, read := s.Journal.Accepted(ctx)
	accept := s.Journal.Accept(ctx, journal.Accepted{Commit: "9"})
	for what, err := range map[string]error{"List": list, "Get": get, "Put": put, "Accepted": read, "Accept": accept} {
		if err == nil || errors.Is(err, format.ErrNewer) {
			t.Errorf("%s = %v, want the context's error", what, err)
		}
	}
	if got := s.want(t, at("a", 1)); got != revision {
		t.Errorf("a is at revision %d, want %d", got, revision)
	}
	if got, err := s.Journal.Accepted(t.Context()); err != nil || got.Commit != "" {
		t.Errorf("Accepted = %+v, %v, want none", got, err)
	}
}
