package fleets_test

import (
	"testing"

	"github.com/gitmetal/ingot/cmd/ingot/fleets"
	"github.com/gitmetal/ingot/inventory/gitrepo/tags"
)

// A tag that a command is printed with is one that the ring follows, and newer than the ring's tag.
func TestNameNextTag(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ pattern, last, want string }{
		{"v*", "v1", "v2"}, {"v*", "v1.9", "v1.10"}, {"v*", "v1.2.0-rc.1", "v1.2.0-rc.2"}, {"prod-*", "prod-2026-11-09", "prod-2026-11-10"},
		{"prod-*", "prod-009", "prod-010"}, {"prod-*", "prod-spring", "prod-spring.1"}, {"*-prod", "7b-prod", "8b-prod"}, {"v*", "", "v1"},
		{"v*", "v99999999999999999999999", "v99999999999999999999999.1"},
	} {
		got := fleets.NameNextTag(test.pattern, test.last)
		part, ok := tags.MatchPattern(test.pattern, got)
		last, had := tags.MatchPattern(test.pattern, test.last)
		if got != test.want || !ok || had && tags.CompareParts(part, last) <= 0 {
			t.Errorf("NameNextTag(%s, %s) = %s, want %s", test.pattern, test.last, got, test.want)
		}
	}
}
