package status

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"
	"sigs.k8s.io/yaml"
)

// The bytes of a page are those of sigs.k8s.io/yaml, which wrote the pages of earlier versions.
func TestPagesHaveTheBytesOfBefore(t *testing.T) {
	t.Parallel()
	text := rapid.OneOf(rapid.StringOf(rapid.SampledFrom([]rune("az09 \t\n:#-?{}[],&*!|>'\"%@`~.=_\u0085\u00a0\ufeffÄ😀\u2028"))),
		rapid.SampledFrom([]string{"", "y", "No", "null", "~", "0x1f", "1_000", "12:30:45", "1e3", ".5", "2026-01-02", "<", "=", "- a", "a: b",
			strings.Repeat("long words ", 30), "4c:00:01:02:03:04", "0123", "true"}), rapid.String())
	var value func(depth int) *rapid.Generator[any]
	value = func(depth int) *rapid.Generator[any] {
		kinds := []*rapid.Generator[any]{rapid.Map(text, func(s string) any { return s }), rapid.Map(rapid.Int64(), func(n int64) any { return n }),
			rapid.Map(rapid.Uint64(), func(n uint64) any { return n }), rapid.Map(rapid.Float64(), func(n float64) any { return n }),
			rapid.Map(rapid.Bool(), func(b bool) any { return b }), rapid.Just[any](nil)}
		if depth > 0 {
			below := value(depth - 1)
			kinds = append(kinds, rapid.Map(rapid.SliceOfN(below, 0, 4), func(list []any) any { return list }),
				rapid.Map(rapid.MapOfN(rapid.StringMatching(`[a-zA-Z][a-zA-Z./_-]{0,8}`), below, 0, 4), func(m map[string]any) any { return m }),
				// the library sorts several names with digits by an order that is none
				rapid.Map(rapid.MapOfN(text.Filter(func(s string) bool { return s != "<<" }), below, 1, 1), func(m map[string]any) any { return m }))
		}
		return rapid.OneOf(kinds...)
	}
	rapid.Check(t, func(t *rapid.T) {
		body, err := json.Marshal(map[string]any{"value": value(3).Draw(t, "value")})
		if err != nil {
			t.Fatal(err)
		}
		want, err := yaml.JSONToYAML([]byte(escape(string(body))))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := encodeYAML(body); err != nil || string(got) != string(want) {
			t.Fatalf("%s:\n%s\nwant\n%s (%v)", body, got, want, err)
		}
	})
}

// escape escapes the characters that JSON allows in texts and YAML 1.1 (section 5.1) does not allow in a file.
func escape(text string) string {
	var b strings.Builder
	for _, r := range text {
		switch {
		case r >= 0x7f && r < 0xa0, r == 0xfeff, r == 0xfffe, r == 0xffff:
			fmt.Fprintf(&b, "\\u%04x", r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}
