package tags_test

import (
	"cmp"
	"slices"
	"testing"

	"github.com/gitmetal/ingot/inventory/gitrepo/tags"
)

// ordered are parts of names, oldest first.
var ordered = []string{
	"", "-", "10.x", "2026-09-30", "2026-9-30b", "2026-10-01", "2026-10-01a", "2026-10-1b", "2026-010-1c", "hotfix", "hotfix2", "hotfix10", "v", "v1.2.3.4", "ä",
	"0", "v0.9", "1.0.0-alpha", "1.0.0-alpha.1", "v1.0.0-rc.1", "v1.0.0-rc.2", "v1.0.0-rc.10", "1", "1.0.0", "1.0.0+build.1", "v1.0.0", "1.2", "v1.10.0", "v9", "v10",
	"2026.09.30", "2026.10.1", "2026.12.31", "2027.01.01", "20261124", "99999999999999999999", "100000000000000000000",
}

func TestCompare(t *testing.T) {
	t.Parallel()
	for i, a := range ordered {
		for j, b := range ordered {
			if got := tags.CompareParts(a, b); got != cmp.Compare(i, j) {
				t.Errorf("CompareParts(%q, %q) = %d, want %d", a, b, got, cmp.Compare(i, j))
			}
		}
	}
}

func TestPart(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		pattern, name, part string
		ok                  bool
	}{
		{"prod-*", "prod-7", "7", true},
		{"prod-*", "prod-", "", true},
		{"prod-*", "prod", "", false},
		{"prod-*", "preprod-7", "", false},
		{"*", "any/thing", "any/thing", true},
		{"web/*-ok", "web/3-ok", "3", true},
		{"web/*-ok", "web/-ok", "", true},
		{"aba*aba", "aba", "", false},
		{"stable", "stable", "", true},
		{"stable", "stable2", "", false},
		{"*", "countersign/v1/jo", "", false},
		{"countersign/v1/jo", "countersign/v1/jo", "", false},
		{"*", "countersigned", "countersigned", true},
	} {
		if part, ok := tags.MatchPattern(test.pattern, test.name); part != test.part || ok != test.ok {
			t.Errorf("MatchPattern(%q, %q) = %q, %v, want %q, %v", test.pattern, test.name, part, ok, test.part, test.ok)
		}
	}
}

// Compare is a total order: of any three names, however they are shuffled.
func FuzzCompare(f *testing.F) {
	for i := range len(ordered) - 2 {
		f.Add(ordered[i], ordered[i+1], ordered[i+2])
	}
	f.Add("1", "01", "001")
	f.Add("1a", "v1", "/0")
	f.Fuzz(func(t *testing.T, a, b, c string) {
		names := []string{a, b, c}
		for _, x := range names {
			for _, y := range names {
				if order := tags.CompareParts(x, y); order != -tags.CompareParts(y, x) || (order == 0) != (x == y) {
					t.Errorf("CompareParts(%q, %q) = %d, and the other way round %d", x, y, order, tags.CompareParts(y, x))
				}
			}
		}
		slices.SortFunc(names, tags.CompareParts)
		if tags.CompareParts(names[0], names[1]) > 0 || tags.CompareParts(names[1], names[2]) > 0 || tags.CompareParts(names[0], names[2]) > 0 {
			t.Errorf("%q cannot be sorted", names)
		}
	})
}
