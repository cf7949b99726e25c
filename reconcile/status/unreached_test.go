package status

import (
	"strings"
	"testing"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/plan"
)

func TestActiveHostsDoNotHideLostBMCs(t *testing.T) {
	t.Parallel()
	document := func(name string, phase plan.Phase, status, reason string) Document {
		d := Document{Phase: phase, Conditions: []Condition{{Type: Reachable, Status: status, Reason: reason}}}
		d.Metadata.Name, d.Metadata.ID = name, inventory.MachineID(name)
		return d
	}
	hosts := []Document{
		document("a", plan.Active, "True", ""), document("b", plan.Active, "False", "Unauthorized"),
		document("c", plan.Active, "False", "Unauthorized"), document("d", plan.Waiting, "False", "Unreachable"),
		document("e", plan.Held, "False", "SecretUnusable"),
		document("gone", plan.Orphaned, "False", "Unauthorized"), document("new", plan.Waiting, "Unknown", ""), {},
	}
	const want = "The BMCs of 4 of 8 hosts are not reached (2 BMCUnauthorized, 1 BMCUnreachable, 1 SecretUnusable): b, c, d, e; " +
		"to list them: ingot status --cause BMCUnauthorized, ingot status --cause BMCUnreachable, ingot status --cause SecretUnusable"
	if got := DescribeUnreached(hosts); got != want {
		t.Errorf("DescribeUnreached = %q, want %q", got, want)
	}
	if board := string(Board(Fleet{}, hosts)); !strings.Contains(board, "The BMCs of 4 of 8 hosts are not reached") {
		t.Errorf("the board does not say it:\n%s", board)
	}
	if got := DescribeUnreached(hosts[:1]); got != "" {
		t.Errorf("DescribeUnreached of a reached BMC = %q", got)
	}
}
