package journal_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/journal"
)

// spoilMember writes what a first start that was killed may leave: files that etcd cannot start from.
func spoilMember(t *testing.T, dir string) string {
	t.Helper()
	wal := filepath.Join(dir, "member", "wal")
	if err := os.MkdirAll(wal, 0o700); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(wal, "0000000000000000-0000000000000000.wal")
	if err := os.WriteFile(file, []byte("cut off"), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// A first start that was killed before etcd was ready is begun anew; from then on the records stay.
func TestAFirstStartThatWasKilled(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	spoilMember(t, dir)
	mark := filepath.Join(dir, "founding")
	if err := os.WriteFile(mark, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		j, err := journal.Open(t.Context(), journal.Config{Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(mark); !os.IsNotExist(err) {
			t.Errorf("the mark after the start: %v, want it gone", err)
		}
		if err := j.Own(t.Context()); err != nil {
			t.Fatal(err)
		}
		entries, err := j.List(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if len(entries) == 0 {
			if _, err := j.Put(t.Context(), inventory.Record{ID: "web-1"}, 0); err != nil {
				t.Fatal(err)
			}
		} else if entries[0].Record.ID != "web-1" {
			t.Errorf("the records are %v", entries)
		}
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// A directory whose start once got ready, or whose mark cannot be read, is never emptied, whatever is in it.
func TestOnlyAnUnfinishedStartIsEmptied(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		mark func(string) error
		kept bool
	}{
		"without the mark":    {func(string) error { return nil }, true},
		"with the mark":       {func(mark string) error { return os.WriteFile(mark, nil, 0o600) }, false},
		"a mark in a circle":  {func(mark string) error { return os.Symlink(mark, mark) }, true},
		"a mark to somewhere": {func(mark string) error { return os.Symlink("nowhere", mark) }, true},
	} {
		dir := t.TempDir()
		wal := spoilMember(t, dir)
		if err := test.mark(filepath.Join(dir, "founding")); err != nil {
			t.Fatal(err)
		}
		if err := journal.BeginFounding(dir); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := os.Stat(wal); (err == nil) != test.kept {
			t.Errorf("%s: %v afterwards, want it kept %t", name, err, test.kept)
		}
	}
}
