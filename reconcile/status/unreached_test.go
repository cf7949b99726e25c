package status

import (
	"strings"
	"testing"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/plan"
	"github.com/gitmetal/ingot/reconcile/plan/change"
	"github.com/gitmetal/ingot/schemas"
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

// TestASecretIsNamedBesideAnotherHold: a host that waits for a person, or for nothing, and whose Secret cannot be opened, has
// the Secret on its page, and all that shows the page says so.
func TestASecretIsNamedBesideAnotherHold(t *testing.T) {
	t.Parallel()
	const words = "the Secret bmc (secrets/bmc.yaml) cannot be opened: none of the age keys opens it"
	for name, test := range map[string]struct {
		plan plan.Plan
		want string // "" where the hold says it
	}{
		"no consent": {plan.Plan{Phase: plan.Held, Hold: &change.Hold{Reason: change.NeedsConsent, Message: "web-1 has no consent",
			Consents: schemas.EraseConsents{"x"}}}, words},
		"in service": {plan.Plan{Phase: plan.Active}, words},
		"the Secret": {plan.Plan{Phase: plan.Waiting, Hold: &change.Hold{Reason: change.SecretUnusable, Message: words}}, ""},
	} {
		d := Summarize(Document{}, Result{Desired: &inventory.Desired{ID: "web-1", Name: "web-1"}, Plan: &test.plan,
			Observed: &inventory.Observed{BMC: inventory.BMCState{Reach: inventory.SecretUnusable, Error: words}}})
		d, err := Parse(d.Encode())
		if err != nil || d.SecretTrouble() != test.want {
			t.Errorf("%s: the page says %q, %v", name, d.SecretTrouble(), err)
		}
		if answer, _ := d.Explain(); strings.Count(answer.Why, words) != 1 {
			t.Errorf("%s: ingot why says %q", name, answer.Why)
		}
		if board := string(Board(Fleet{}, []Document{d})); !strings.Contains(board, words) {
			t.Errorf("%s: the board says\n%s", name, board)
		}
		if why := (Group{Hosts: []Document{d}}).Why(); strings.Count(why, words) != 1 {
			t.Errorf("%s: a group says %q", name, why)
		}
	}
}
