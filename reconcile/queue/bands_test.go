package queue_test

import (
	"fmt"
	"math"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/gitmetal/ingot/reconcile/queue"
)

// TestBackoffBands compares the pauses after failures with the table in docs/metal3.md.
func TestBackoffBands(t *testing.T) {
	t.Parallel()
	var limits queue.Limits
	limits.SetDefaults()
	most := math.Nextafter(1, 0)
	var table strings.Builder
	for failures := 1; ; failures++ {
		least := limits.BackoffAfter(failures, 0)
		longest := limits.BackoffAfter(failures, most).Round(time.Millisecond)
		fmt.Fprintf(&table, "| %d | %s to %s |\n", failures, least, longest)
		if least == limits.Resync {
			break
		}
	}
	page, err := os.ReadFile("../../docs/metal3.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(page), table.String()) {
		t.Errorf("docs/metal3.md does not have the pauses of today:\n%s", &table)
	}
}
