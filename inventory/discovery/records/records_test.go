package records_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gitmetal/ingot/inventory/discovery"
	"github.com/gitmetal/ingot/inventory/discovery/records"
)

var noon = time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)

func open(t *testing.T, dir string) *records.Store {
	t.Helper()
	s, err := records.Open(records.Config{Dir: filepath.Join(dir, "records"), Inventories: filepath.Join(dir, "inventory")})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func register(t *testing.T, s *records.Store, serial string, at time.Time) discovery.ID {
	t.Helper()
	g := records.Registered{Report: []byte(`{"serial":"` + serial + `"}`)}
	g.At, g.Key, g.Agent, g.Inventory = at, "k", "agent-"+serial, "digest-"+serial
	g.Facts.System.Serial, g.Facts.System.UUID = serial, "4c4c4544-0058-4b10-804a-b5c04f4d3201"
	id, err := s.Register(g, discovery.NewKnown())
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// TestUpdate: a change is on disk, an error changes nothing, and what a newer ingot wrote stays.
func TestUpdate(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	id := register(t, s, "SN1", noon)
	path := filepath.Join(dir, "records", string(id)+".json")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	newer := strings.Replace(string(data), "{", `{"fromTheFuture":7,`, 1)
	if err := os.WriteFile(path, []byte(newer), 0o600); err != nil {
		t.Fatal(err)
	}
	refused := errors.New("no")
	if err := s.Update(id, func(r *discovery.Record) error { r.Delivery = "x"; return refused }); !errors.Is(err, refused) {
		t.Errorf("Update() = %v", err)
	}
	if err := s.Update(id, func(r *discovery.Record) error {
		r.Proposal = &discovery.Proposal{Tip: "abc", State: discovery.Open}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	r, err := open(t, dir).Get(id)
	if err != nil || r.Proposal == nil || r.Proposal.Tip != "abc" || r.Delivery != "" {
		t.Errorf("after a restart: %+v, %v", r, err)
	}
	if data, err = os.ReadFile(path); err != nil || !strings.Contains(string(data), `"fromTheFuture":7`) {
		t.Errorf("the record is %s, %v", data, err)
	}
	if err := s.Update("000000000000", func(*discovery.Record) error { return nil }); !errors.Is(err, records.ErrUnknown) {
		t.Errorf("Update of no record = %v", err)
	}
}

// TestSweep: a record ends a week after the last word, and its inventory with it; a word keeps it.
func TestSweep(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	silent, speaks := register(t, s, "SN1", noon), register(t, s, "SN2", noon)
	later := noon.Add(discovery.KeptFor)
	if _, answer, err := s.Hear(speaks, discovery.Word{Agent: "agent-SN2", At: later}); err != nil || answer != discovery.Wait {
		t.Fatalf("Hear() = %v, %v", answer, err)
	}
	if err := s.Sweep(later.Add(time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Get(silent); !errors.Is(err, records.ErrUnknown) {
		t.Errorf("the silent record: %v", err)
	}
	if report, err := s.ReadInventory(speaks); err != nil || string(report) != `{"serial":"SN2"}` {
		t.Errorf("the inventory of the other is %s, %v", report, err)
	}
	if files, err := os.ReadDir(filepath.Join(dir, "inventory")); err != nil || len(files) != 1 {
		t.Errorf("%d inventories, %v", len(files), err)
	}
	if r, err := open(t, dir).Get(speaks); err != nil || !r.LastWord.Equal(later) {
		t.Errorf("after a restart the last word was at %s, %v", r.LastWord, err)
	}
}

// TestAnUnreadableRecordHidesNoOther: it is left on disk, and the others are read.
func TestAnUnreadableRecordHidesNoOther(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	id := register(t, open(t, dir), "SN1", noon)
	broken := filepath.Join(dir, "records", "aaaaaaaaaaaa.json")
	if err := os.WriteFile(broken, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := open(t, dir)
	if list := s.List(); len(list) != 1 || list[0].ID != id {
		t.Errorf("the records are %+v", list)
	}
	if _, err := os.Stat(broken); err != nil {
		t.Error(err)
	}
}

// TestFind: a service is one record however often it is found, and keeps the certificate of the first contact.
func TestFind(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	id, isNew, err := s.Find(records.Found{Address: "10.0.0.13", Fingerprint: "sha256:1", At: noon})
	again, stillNew, failed := s.Find(records.Found{Address: "10.0.0.13", Fingerprint: "sha256:2", At: noon.Add(time.Hour)})
	if err != nil || failed != nil || id != again || !isNew || stillNew {
		t.Fatalf("Find() = %s %v %v, then %s %v %v", id, isNew, err, again, stillNew, failed)
	}
	r, err := s.Get(id)
	want := []any{"sha256:1", []string{"10.0.0.13"}, noon.Add(time.Hour)}
	if diff := cmp.Diff(want, []any{r.Fingerprint, r.Addresses, r.LastWord}); diff != "" || err != nil {
		t.Errorf("the record (-want +got): %s, %v", diff, err)
	}
}

func TestBeginScan(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, step := range []struct {
		cidr  string
		after time.Duration
		ok    bool
	}{
		{"10.0.0.0/24", 0, true}, {"10.0.0.0/24", time.Minute, false}, {"10.0.0.128/25", 2 * time.Minute, false},
		{"10.0.1.0/24", 3 * time.Minute, true}, {"10.0.0.0/16", 61 * time.Minute, false}, {"10.0.0.0/24", 61 * time.Minute, true},
	} {
		if err := open(t, dir).BeginScan(netip.MustParsePrefix(step.cidr), noon.Add(step.after)); (err == nil) != step.ok {
			t.Errorf("BeginScan(%s) after %s = %v, want it allowed: %v", step.cidr, step.after, err, step.ok)
		}
	}
}

// TestVainRegistrationsDoNotFillTheLog: the log tells of them at each doubling.
func TestVainRegistrationsDoNotFillTheLog(t *testing.T) {
	t.Parallel()
	var lines bytes.Buffer
	s, err := records.Open(records.Config{Dir: filepath.Join(t.TempDir(), "records"), Inventories: filepath.Join(t.TempDir(), "inventory"),
		Log: slog.New(slog.NewTextHandler(&lines, nil))})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 101 {
		g := records.Registered{Report: []byte(`{}`), Max: 1}
		g.At, g.Key, g.Agent = noon, "k", fmt.Sprint("agent-", i)
		g.Facts.System.Serial, g.Facts.System.UUID = fmt.Sprint("SN", i), "4c4c4544-0058-4b10-804a-b5c04f4d3201"
		if _, err := s.Register(g, discovery.NewKnown()); err != nil {
			t.Fatal(err)
		}
	}
	if n := strings.Count(lines.String(), "in vain"); n != 7 || !strings.Contains(lines.String(), "machines=64") {
		t.Errorf("%d lines of 100 vain registrations:\n%s", n, &lines)
	}
}
