package format

import "testing"

// TestCutMinReader cuts the member of the whole object only, wherever that member stands.
func TestCutMinReader(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ data, rest, needed string }{
		"none":               {`{"a":1}`, `{"a":1}`, ""},
		"first":              {`{"minReader":2,"a":1}`, `{"a":1}`, "2"},
		"in the middle":      {`{"a":{"b":[1]},"minReader":12,"z":1}`, `{"a":{"b":[1]},"z":1}`, "12"},
		"last":               {`{"a":1,"minReader":2}`, `{"a":1}`, "2"},
		"alone":              {`{"minReader":2}`, `{}`, "2"},
		"of a part":          {`{"a":{"minReader":2}}`, `{"a":{"minReader":2}}`, ""},
		"of an item":         {`[{"minReader":2}]`, `[{"minReader":2}]`, ""},
		"as a text":          {`{"a":"\"minReader\":2"}`, `{"a":"\"minReader\":2"}`, ""},
		"as a value":         {`{"a":"minReader","b":2}`, `{"a":"minReader","b":2}`, ""},
		"behind such a text": {`{"a":"{\"minReader\":1","minReader":9}`, `{"a":"{\"minReader\":1"}`, "9"},
		"no number":          {`{"minReader":"2"}`, `{"minReader":"2"}`, ""},
		"a fraction":         {`{"minReader":2.5}`, `{"minReader":2.5}`, ""},
		"cut short":          {`{"minReader":2`, `{"minReader":2`, ""},
		"with a space":       {`{ "minReader": 2}`, `{ "minReader": 2}`, ""},
	} {
		rest, needed := cutMinReader([]byte(test.data))
		if string(rest) != test.rest || string(needed) != test.needed {
			t.Errorf("%s: cutMinReader(%s) = %s, %q, want %s, %q", name, test.data, rest, needed, test.rest, test.needed)
		}
	}
}
