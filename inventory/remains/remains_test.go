package remains_test

import (
	"fmt"
	"testing"

	"github.com/gitmetal/ingot/inventory/remains"
)

// TestRemainsCountOn: whatever somebody wrote into bytes that cannot be read as a whole, the daemon counts on from what
// is taken of them.
func TestRemainsCountOn(t *testing.T) {
	t.Parallel()
	for number, want := range map[string]uint64{
		"7": 7, "18446744073709551615": 0, "1e30": 0, "-1": 0, `"7"`: 0,
	} {
		r := remains.Read(fmt.Appendf(nil, `{"life":{"number":%[1]s,"id":"x"},"revision":%[1]s,"epoch":%[1]s}`, number))
		if r.Life.Number != want || r.Revision != want || r.Epoch != want {
			t.Errorf("%s: life %d, revision %d, epoch %d, want %d", number, r.Life.Number, r.Revision, r.Epoch, want)
		}
	}
}
