package journaltest

import (
	"errors"
	"strings"
	"testing"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/format"
	"github.com/gitmetal/ingot/reconcile/journal"
)

// testUnreadable: an unreadable record concerns only its machine, and never looks like a new machine.
func testUnreadable(t *testing.T, s Subject) {
	values := map[inventory.MachineID]string{
		"a1": "x",
		"a2": "",
		"a3": `{"version":2,"record":{"host":"a3","epoch":1}}`,
		"a4": `{"version":1,"record":{"host":"a4","epoch":1},"later":true}`,
		"a5": `{"version":1,"record":{"host":"b","epoch":1}}`,
		"a6": `{"version":1,"record":{"host":"a6","epoch":1}}{}`,
		"a7": `{"version":1,"record":{"host":"a7","epoch":-1}}`,
	}
	s.putRecord(t, newRecord("b", 1), 0)
	for id, value := range values {
		s.WriteRaw(t, "records/"+string(id), value)
		s.wantUnreadable(t, id, "restore the state directory")
	}
	if entries, err := s.Journal.List(t.Context()); err != nil || len(entries) != len(values)+1 {
		t.Errorf("List = %+v, %v, want %d", entries, err, len(values)+1)
	}
	s.wantRecord(t, newRecord("b", 1))
}

// testNewer: a record for a newer ingot says so.
func testNewer(t *testing.T, s Subject) {
	const advice = "install the ingot that wrote it, or a newer one"
	s.WriteRaw(t, "records/a", `{"version":1,"minReader":99,"record":{"host":"a","epoch":1}}`)
	if said := s.wantUnreadable(t, "a", advice); !strings.Contains(said, format.ErrNewer.Error()) {
		t.Errorf("Get says %q, want %v", said, format.ErrNewer)
	}
	s.WriteRaw(t, "records/b", `{"version":1,"record":{"host":"b","operation":`+
		`{"id":"o","stage":"Erasing","content":"blank"}}}`)
	s.wantUnreadable(t, "b", advice)
}

// wantUnreadable asserts that Get and List give the same error with advice, and that the record is not written over as
// a new machine's record.
func (s Subject) wantUnreadable(t *testing.T, id inventory.MachineID, advice string) string {
	t.Helper()
	record, revision, err := s.Journal.Get(t.Context(), id)
	said := record.Unreadable
	if err != nil || record.ID != id || !strings.Contains(said, advice) || record.Operation != nil {
		t.Errorf("Get(%q) = %+v, %v, want a record that cannot be read, with %q", id, record, err, advice)
	}
	entries, listed := s.Journal.List(t.Context())
	if listed != nil {
		t.Fatal(listed)
	}
	found := false
	for _, e := range entries {
		if e.Record.ID != id {
			continue
		}
		found = true
		if e.Record.Unreadable != said || e.Revision != revision || revision == 0 || !journal.Same(e.Record, record) {
			t.Errorf("List has %+v, Get = %d, %q", e, revision, said)
		}
	}
	if !found {
		t.Errorf("List = %+v, want an entry of %s", entries, id)
	}
	s.wantRefused(t, newRecord(id, 9), 0, journal.ErrConflict)
	return said
}

// testUnknown: a newer ingot's members are read and written back.
func testUnknown(t *testing.T, s Subject) {
	s.WriteRaw(t, "records/a", `{"version":1,"record":{"host":"a","epoch":1,"shard":7,"boot":`+
		`{"id":"b","target":"disk","epoch":1,"stage":"Running","attempt":1,`+
		`"opened":"2026-11-23T12:00:00Z","cursor":3}}}`)
	record, revision, err := s.Journal.Get(t.Context(), "a")
	if err != nil || record.Unknown != `{"shard":7}` || record.Boot == nil || record.Boot.Unknown != `{"cursor":3}` {
		t.Fatalf("Get = %+v, %v", record, err)
	}
	record.Epoch = 2
	s.putRecord(t, record, revision)
	s.wantRecord(t, record)

	s.WriteRaw(t, "accepted", `{"commit":"1","at":"2026-11-23T12:00:00Z","life":7}`)
	if err := s.Journal.Accept(t.Context(), journal.Accepted{Commit: "2"}); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Journal.Accepted(t.Context()); err != nil || got.Commit != "2" || got.Unknown != `{"life":7}` {
		t.Errorf("Accepted = %+v, %v", got, err)
	}
}

// testUnreadableCommits: an unreadable accepted commit is an error, and is not written over.
func testUnreadableCommits(t *testing.T, s Subject) {
	for value, isNewer := range map[string]bool{
		"x": false, "": false, `{}`: false, `{"commit":"1","minReader":99}`: true,
	} {
		s.WriteRaw(t, "accepted", value)
		_, read := s.Journal.Accepted(t.Context())
		accept := s.Journal.Accept(t.Context(), journal.Accepted{Commit: "2"})
		_, again := s.Journal.Accepted(t.Context())
		for what, err := range map[string]error{"Accepted": read, "Accept": accept, "Accepted after it": again} {
			if err == nil || errors.Is(err, format.ErrNewer) != isNewer {
				t.Errorf("%s of %q = %v, want an error; that a newer ingot wrote it: %t", what, value, err, isNewer)
			}
		}
	}
}
