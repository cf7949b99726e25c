package reconcile_test

import (
	"strings"
	"testing"
	"time"

	"github.com/gitmetal/ingot/reconcile"
	"github.com/gitmetal/ingot/reconcile/status"
)

// The board tells what the last commits did, also those that another process accepted.
func TestTheBoardRemembersCommits(t *testing.T) {
	run(t, func(t *testing.T) {
		w := newWorld(2)
		first := w.daemon(t, reconcile.Limits{})
		after(20 * time.Minute)
		first.end(t)
		w.sources.Trunk.Commit, w.sources.Trunk.Title = "2222222222222222222222222222222222222222", "second"
		second := w.daemon(t, reconcile.Limits{})
		after(20 * time.Minute)
		second.end(t)
		board := string(w.branch[status.BoardPath])
		rows := "| `2222222222` | second |  |  |  |  |\n| `1111111111` | first | host-0000, host-0001 |  |  |  |\n"
		if !strings.Contains(board, rows) {
			t.Errorf("the board does not have the rows\n%s\n%s", rows, board)
		}
	})
}
