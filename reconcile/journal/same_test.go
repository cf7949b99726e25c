package journal_test

import (
	"testing"
	"time"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/journal"
)

// Records are the same where the journal would have the same bytes for them, whoever wrote them.
func TestSame(t *testing.T) {
	t.Parallel()
	noon := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	for name, test := range map[string]struct {
		edit func(*inventory.Record)
		want bool
	}{
		"nothing":            {func(*inventory.Record) {}, true},
		"life and revision":  {func(r *inventory.Record) { r.Life, r.Revision = inventory.Life{Number: 9}, 9 }, true},
		"an empty list":      {func(r *inventory.Record) { r.Spent = []string{} }, true},
		"another time zone":  {func(r *inventory.Record) { r.Installed.At = noon.In(time.FixedZone("UTC", 0)) }, true},
		"equal facts":        {func(r *inventory.Record) { facts := *r.Facts; r.Facts = &facts }, true},
		"an epoch":           {func(r *inventory.Record) { r.Epoch++ }, false},
		"another serial":     {func(r *inventory.Record) { r.Facts.System.Serial = "B" }, false},
		"no facts":           {func(r *inventory.Record) { r.Facts = nil }, false},
		"a pin":              {func(r *inventory.Record) { r.BMC = &inventory.BMCIdentity{Serial: "A"} }, false},
		"a consent":          {func(r *inventory.Record) { r.Spent = []string{"c"} }, false},
		"a newer ingot's":    {func(r *inventory.Record) { r.Unknown = `{"x":1}` }, false},
		"an install's newer": {func(r *inventory.Record) { r.Installed.Unknown = `{"x":1}` }, false},
	} {
		record := func() inventory.Record {
			return inventory.Record{ID: "web-1", Epoch: 3, Facts: &inventory.Facts{System: inventory.System{Serial: "A"}},
				Installed: &inventory.Installed{ID: "i", At: noon, Mark: "m"}}
		}
		before, after := record(), record()
		test.edit(&after)
		if got := journal.Same(before, after); got != test.want {
			t.Errorf("%s: Same = %t, want %t", name, got, test.want)
		}
		left, errLeft := journal.Encode(before)
		after.Life, after.Revision = before.Life, before.Revision
		right, errRight := journal.Encode(after)
		if errLeft != nil || errRight != nil || (string(left) == string(right)) != test.want {
			t.Errorf("%s: equal bytes: %t, want %t (%v, %v)", name, string(left) == string(right), test.want, errLeft, errRight)
		}
	}
}
