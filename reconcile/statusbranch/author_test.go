package statusbranch_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/status"
	"github.com/gitmetal/ingot/reconcile/statusbranch"
)

// TestTheWriterOfATip has a row for each row of FindOther's table, for a daemon in its third push, of which the second
// certainly did not arrive.
func TestTheWriterOfATip(t *testing.T) {
	t.Parallel()
	var a statusbranch.Author
	mine := inventory.Life{Number: 5, ID: "mine"}
	a.BeginLife("ctl-1", mine, time.Now())
	a.SignPush("one")
	a.SignPush("two")
	a.DropPush()
	a.SignPush("three")
	a.BeginLife("ctl-1", mine, time.Now()) // changes nothing
	if got := a.Daemon(); got.Push != 3 || got.PushID != "three" || got.Life != mine {
		t.Errorf("Daemon = %+v, want the third push", got)
	}
	by := func(number uint64, id string, push uint64, pushID string) *status.Daemon {
		return &status.Daemon{Host: "ctl-2", Life: inventory.Life{Number: number, ID: id}, Push: push, PushID: pushID}
	}
	for name, test := range map[string]struct {
		there *status.Daemon
		want  string // "" for no other daemon
		mine  bool
	}{
		"no daemon":                      {nil, "", false},
		"a lower life":                   {by(4, "x", 9, "x"), "", false},
		"a higher life":                  {by(6, "x", 9, "x"), "(life 6); this is life 5", false},
		"the same number, another life":  {by(5, "x", 1, "one"), "(life 5); this is life 5", false},
		"a push of this life":            {by(5, "mine", 3, "three"), "", true},
		"an older push of this life":     {by(5, "mine", 1, "one"), "", true},
		"a push that did not arrive":     {by(5, "mine", 2, "two"), "a copy of it, on ctl-2 too, made push 2", false},
		"a push that nobody here made":   {by(5, "mine", 4, "x"), "a copy of it, on ctl-2 too, made push 4", false},
		"a push's number with other ids": {by(5, "mine", 3, "x"), "a copy of it, on ctl-2 too, made push 3", false},
	} {
		got := a.FindOther(test.there)
		if (got == "") != (test.want == "") || !strings.Contains(got, test.want) || a.Recognizes(test.there) != test.mine {
			t.Errorf("%s: FindOther = %q, Recognizes = %t, want %q, %t", name, got, a.Recognizes(test.there), test.want,
				test.mine)
		}
	}
	for n := range 5000 {
		a.SignPush(fmt.Sprint(n))
	}
	if why := a.FindOther(by(5, "mine", 1, "one")); why != "" {
		t.Errorf("a push of long ago: %q", why)
	}
}
