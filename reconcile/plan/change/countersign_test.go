package change_test

import (
	"slices"
	"testing"

	"github.com/gitmetal/ingot/reconcile/plan/change"
)

// Commands are to be copied into a shell: there are none for a name that would be more than a name there.
func TestCountersign(t *testing.T) {
	t.Parallel()
	for _, tag := range []string{"v1.4.0", "prod-7", "web/2026-11", "a_b+c=d@e"} {
		want := []string{"git tag -s -m ok countersign/" + tag + "/$USER " + tag, "git push origin countersign/" + tag + "/$USER"}
		if got := change.Countersign(tag); !slices.Equal(got, want) {
			t.Errorf("Countersign(%q) = %q, want %q", tag, got, want)
		}
	}
	for _, tag := range []string{"", "-d", "v1;reboot", "v1$(reboot)", "v1`reboot`", "v1|sh", "v1&", "v1>x", "v1'", `v1"`, "v1 v2", "v1\nv2", "v1!", "v{1,2}", "ä"} {
		if got := change.Countersign(tag); got != nil {
			t.Errorf("Countersign(%q) = %q, want nothing", tag, got)
		}
	}
}
