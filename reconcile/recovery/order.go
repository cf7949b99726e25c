package recovery

import (
	"fmt"

	"github.com/gitmetal/ingot/inventory"
)

// WhyNewer says why a page is newer than a record of the same machine, as a clause for people; "" when the record is
// at least as new. The order is the order of writes: each start of a daemon has a life with a number above all lives it
// knew, and each write of a record raises the revision. Content decides only where the order says nothing.
//
//	the page                                   the record                      newer
//	has no life: a version before lives        any                             by content, see KnowsMore
//	any                                        has no life                     by content, see KnowsMore
//	is of a higher life                        of a lower life                 the page
//	is of a lower life                         of a higher life                the record
//	has a higher revision                      of a life of that number        the page
//	has a lower revision                       of a life of that number        the record
//	has the same revision                      of a life of that number        by content, see KnowsMore
//
// In the last row a newer page is of another daemon, or of another copy of this one.
func WhyNewer(page, record inventory.Record) string {
	p, r := page.Life.Number, record.Life.Number
	switch {
	case p == 0, r == 0:
		return KnowsMore(page, record)
	case p > r: // guard: lives
		return fmt.Sprintf("a later start of a daemon, life %d, wrote of it", p)
	case p < r, page.Revision < record.Revision:
		return ""
	case page.Revision > record.Revision: // guard: lives
		return fmt.Sprintf("life %d wrote revision %d of it", p, page.Revision)
	default:
		return KnowsMore(page, record)
	}
}
