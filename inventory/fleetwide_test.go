package inventory_test

import (
	"testing"
	"time"

	"github.com/gitmetal/ingot/inventory"
)

// TestNoteErase counts an operation that erases once, when its first disk has begun.
func TestNoteErase(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 29, 12, 0, 0, 5, time.UTC)
	op := func(id string, erases bool, begun int) *inventory.Operation {
		return &inventory.Operation{ID: id, Disks: []inventory.OperationDisk{{Erases: erases, Begun: begun}}}
	}
	for name, test := range map[string]struct {
		before, after inventory.Record
		want          int
	}{
		"nothing":                {want: 0},
		"it is opened":           {after: inventory.Record{Operation: op("o", true, 0)}},
		"it begins":              {before: inventory.Record{Operation: op("o", true, 0)}, after: inventory.Record{Operation: op("o", true, 1)}, want: 1},
		"it goes on":             {before: inventory.Record{Operation: op("o", true, 1)}, after: inventory.Record{Operation: op("o", true, 1)}},
		"it ends":                {before: inventory.Record{Operation: op("o", true, 1)}, after: inventory.Record{Last: op("o", true, 1)}},
		"it begins and ends":     {before: inventory.Record{Operation: op("o", true, 0)}, after: inventory.Record{Last: op("o", true, 1)}, want: 1},
		"a blank disk":           {before: inventory.Record{Operation: op("o", false, 0)}, after: inventory.Record{Operation: op("o", false, 1)}},
		"another one":            {before: inventory.Record{Last: op("o", true, 1)}, after: inventory.Record{Last: op("o", true, 1), Operation: op("p", true, 1)}, want: 1},
		"recovered from a page":  {after: inventory.Record{Operation: op("o", true, inventory.BegunUnknown)}, want: 1},
		"one more than are kept": {before: inventory.Record{Operation: op("o", true, 0)}, after: inventory.Record{Operation: op("o", true, 1), Erased: make([]time.Time, inventory.MaxErased)}, want: inventory.MaxErased},
	} {
		kept := len(test.after.Erased)
		got := inventory.NoteErase(test.before, test.after, now)
		if len(got.Erased) != test.want || len(test.after.Erased) != kept {
			t.Errorf("%s: %v, want %d", name, got.Erased, test.want)
		}
		if test.want > 0 && !got.Erased[len(got.Erased)-1].Equal(now.Truncate(time.Second)) {
			t.Errorf("%s: %v, want the last at %s", name, got.Erased, now)
		}
	}
}
