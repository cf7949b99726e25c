package recovery_test

import (
	"testing"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/recovery"
)

// TestTheOrderOfWrites has a row for each row of WhyNewer's table. The record and the page know different things: the
// page's content alone is the newer one in every row where the page has "more".
func TestTheOrderOfWrites(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		page, record inventory.Record
		want         string
	}{
		"no life, more":            {at(epoch(4)), at(written(5, 9)), "a later boot of it is known"},
		"no life, less":            {at(), at(written(5, 9), epoch(4)), ""},
		"to a record of no life":   {at(written(5, 9)), at(epoch(4)), ""},
		"a higher life, less":      {at(written(6, 1)), at(written(5, 9), epoch(4)), "a later start of a daemon, life 6, wrote of it"},
		"a lower life, more":       {at(written(4, 90), epoch(4)), at(written(5, 9)), ""},
		"a higher revision, less":  {at(written(5, 10)), at(written(5, 9), epoch(4)), "life 5 wrote revision 10 of it"},
		"a lower revision, more":   {at(written(5, 8), epoch(4)), at(written(5, 9)), ""},
		"the same revision, more":  {at(written(5, 9), epoch(4)), at(written(5, 9)), "a later boot of it is known"},
		"the same revision, equal": {at(written(5, 9)), at(written(5, 9)), ""},
	} {
		if got := recovery.WhyNewer(test.page, test.record); got != test.want {
			t.Errorf("%s: WhyNewer = %q, want %q", name, got, test.want)
		}
	}
}
