package inventory_test

import (
	"strings"
	"testing"

	"github.com/gitmetal/ingot/inventory"
)

// A value from the future is an error of that one record.
func TestCheckValues(t *testing.T) {
	t.Parallel()
	good := inventory.Record{
		Operation: &inventory.Operation{Stage: inventory.Armed, Content: "content:0123456789abcdef"},
		Last:      &inventory.Operation{Stage: inventory.Ended, Outcome: inventory.Quarantined},
		Boot:      &inventory.Boot{Target: inventory.FromRamdisk, Stage: inventory.Running},
	}
	for name, test := range map[string]struct {
		change func(*inventory.Record)
		want   string
	}{
		"":                     {func(*inventory.Record) {}, ""},
		"nothing was begun":    {func(r *inventory.Record) { *r = inventory.Record{} }, ""},
		"a stage":              {func(r *inventory.Record) { r.Operation.Stage = "Working" }, `operation.stage "Working"`},
		"an ended operation":   {func(r *inventory.Record) { r.Operation.Stage = inventory.Ended }, `operation.stage "Ended"`},
		"a content":            {func(r *inventory.Record) { r.Operation.Content = "volume:abc" }, `operation.content "volume:abc"`},
		"no content":           {func(r *inventory.Record) { r.Operation.Content = "" }, `operation.content ""`},
		"an install":           {func(r *inventory.Record) { r.Operation.Content = "install:o1" }, ""},
		"the end's stage":      {func(r *inventory.Record) { r.Last.Stage = "Confirmed" }, `stage "Confirmed"`},
		"an outcome":           {func(r *inventory.Record) { r.Last.Outcome = "Withdrawn" }, `outcome "Withdrawn"`},
		"a target":             {func(r *inventory.Record) { r.Boot.Target = "network" }, `boot.target "network"`},
		"the stage of a boot":  {func(r *inventory.Record) { r.Boot.Stage = "Chained" }, `boot.stage "Chained"`},
		"without its boot too": {func(r *inventory.Record) { r.Boot, r.Last.Outcome = nil, "" }, `outcome ""`},
	} {
		operation, last, boot := *good.Operation, *good.Last, *good.Boot
		record := inventory.Record{Operation: &operation, Last: &last, Boot: &boot}
		test.change(&record)
		err := record.CheckValues()
		if (err == nil) != (test.want == "") || err != nil && !strings.HasPrefix(err.Error(), test.want) {
			t.Errorf("%s: CheckValues = %v, want %q", name, err, test.want)
		}
	}
}
