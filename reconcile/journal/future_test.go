package journal_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/format"
	"github.com/gitmetal/ingot/reconcile/journal"
)

// What a newer ingot wrote of a record is written back, and records differ by it.
func TestARecordFromTheFuture(t *testing.T) {
	t.Parallel()
	j := owned(t, journal.Config{Dir: t.TempDir()})
	const future = `{"version":1,"record":{"host":"a","epoch":1,"revision":7,"shard":3,"operation":{"id":"o","stage":"Armed","content":"blank","bypass":3,"disk":{"serial":"S","eui":"e"}},"life":{"number":7,"id":"x"}}}`
	journal.WriteRaw(t, j, "records/a", future)
	record, revision, err := j.Get(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	plain := record
	if plain.Unknown = ""; journal.Same(record, plain) {
		t.Error("a record is the same without what a newer ingot wrote")
	}
	record.Epoch = 2
	if _, err := j.Put(t.Context(), record, revision); err != nil {
		t.Fatal(err)
	}
	again, _, err := j.Get(t.Context(), "a")
	if err != nil || !journal.Same(record, again) {
		t.Errorf("Get = %+v, %v, want %+v", again, err, record)
	}
	data, err := journal.Encode(again)
	if err != nil {
		t.Fatal(err)
	}
	for _, member := range []string{`"revision":7`, `"shard":3`, `"bypass":3`, `"eui":"e"`,
		`"life":{"number":7,"id":"x"}`, `"epoch":2`} {
		if !strings.Contains(string(data), member) {
			t.Errorf("%s is lost: %s", member, data)
		}
	}
}

// A record that this ingot must not read, or cannot decide about, is its host's trouble alone, with what to do.
func TestARecordThatIsNotKnown(t *testing.T) {
	t.Parallel()
	j := owned(t, journal.Config{Dir: t.TempDir()})
	if _, err := j.Put(t.Context(), inventory.Record{ID: "c"}, 0); err != nil {
		t.Fatal(err)
	}
	journal.WriteRaw(t, j, "records/a",
		`{"version":1,"minReader":99,"record":{"host":"a","epoch":7,"spent":["c"],"operation":{"steps":[],"disks":[{"consent":"d"}]}}}`)
	journal.WriteRaw(t, j, "records/b", `{"version":1,"record":{"host":"b","operation":{"id":"o","stage":"Erasing","content":"blank"}}}`)
	entries, err := j.List(t.Context())
	if err != nil || len(entries) != 3 {
		t.Fatalf("List = %+v, %v, want three", entries, err)
	}
	for i, want := range []bool{true, true, false} {
		e := entries[i]
		if said := e.Record.Unreadable; (said != "") != want || want && !strings.Contains(said,
			"install the ingot that wrote it, or a newer one") {
			t.Errorf("%s: %v", e.Record.ID, said)
		}
	}
	if remains := entries[0].Record; remains.ID != "a" || remains.Epoch != 7 || !slices.Equal(remains.Spent,
		[]string{"c", "d"}) {
		t.Errorf("of the first record remains %+v, want its epoch and its consents", remains)
	}
}

// What a newer ingot wrote beside the accepted commit and beside the tags is written back with the next ones.
func TestWhatIsBesideIsKept(t *testing.T) {
	t.Parallel()
	j := owned(t, journal.Config{Dir: t.TempDir()})
	journal.WriteRaw(t, j, "accepted", `{"commit":"1","at":"2026-11-23T12:00:00Z","life":7}`)
	journal.WriteRaw(t, j, "tags", `{"v1":"1",":life":{"number":7}}`)
	if err := j.Accept(t.Context(), journal.Accepted{Commit: "2", At: time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)}); err != nil {
		t.Fatal(err)
	}
	if accepted, err := j.Accepted(t.Context()); err != nil || accepted.Commit != "2" || accepted.Unknown != `{"life":7}` {
		t.Errorf("Accepted = %+v, %v", accepted, err)
	}
	if tags, err := j.Tags(t.Context()); err != nil || len(tags) != 1 || tags["v1"] != "1" {
		t.Errorf("Tags = %v, %v", tags, err)
	}
	if err := j.KeepTags(t.Context(), map[string]string{"v2": "2", "minReader": "3"}); err != nil {
		t.Fatal(err)
	}
	if got := journal.ReadRaw(t, j, "tags"); got != `{":life":{"number":7},"minReader":"3","v2":"2"}` {
		t.Errorf("the tags are stored as %s", got)
	}

	journal.WriteRaw(t, j, "accepted", `{"commit":"1","at":"2026-11-23T12:00:00Z","minReader":99}`)
	journal.WriteRaw(t, j, "tags", `{"v1":{"object":"1"},":minReader":99}`)
	_, accepted := j.Accepted(t.Context())
	_, tags := j.Tags(t.Context())
	for what, err := range map[string]error{
		"Accepted": accepted, "Tags": tags, "Accept": j.Accept(t.Context(), journal.Accepted{Commit: "3"}), "KeepTags": j.KeepTags(t.Context(), nil),
	} {
		if !errors.Is(err, format.ErrNewer) {
			t.Errorf("%s = %v, want ErrNewer", what, err)
		}
	}
}
