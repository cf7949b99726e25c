package schemas_test

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/gitmetal/ingot/schemas"
)

// A consent is a text or a list, and is written back in the form that people write.
func TestEraseConsents(t *testing.T) {
	t.Parallel()
	for text, test := range map[string]struct {
		want  []string
		again string
	}{
		`""`:         {nil, `null`},
		`"a"`:        {[]string{"a"}, `"a"`},
		`["a"]`:      {[]string{"a"}, `"a"`},
		`["a", "b"]`: {[]string{"a", "b"}, `["a","b"]`},
	} {
		var got schemas.EraseConsents
		if err := json.Unmarshal([]byte(text), &got); err != nil || !slices.Equal(got, test.want) {
			t.Errorf("read %s: %q, %v; want %q", text, got, err, test.want)
		}
		if again, err := json.Marshal(got); err != nil || string(again) != test.again {
			t.Errorf("%s is written as %s, %v; want %s", text, again, err, test.again)
		}
	}
	for _, text := range []string{`1`, `{"a": "b"}`, `[1]`, `[["a"]]`} {
		var got schemas.EraseConsents
		if err := json.Unmarshal([]byte(text), &got); err == nil {
			t.Errorf("%s is read as %q, want an error", text, got)
		}
	}
	if got := (schemas.EraseConsents{"a", "b"}).String(); got != `["a", "b"]` {
		t.Errorf("String = %s", got)
	}
}
