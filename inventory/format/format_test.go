package format_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/gitmetal/ingot/inventory/format"
)

// stage is a value that says which reader it needs.
type stage string

func (s stage) MinReader() int {
	if s == "Paused" {
		return 3
	}
	return 0
}

type leaf struct {
	Serial  string         `json:"serial,omitempty"`
	Unknown format.Unknown `json:"-"`
}

type plain struct {
	Size int `json:"size,omitempty"`
}

type embedded struct {
	plain
	OK bool `json:"ok"`
}

type root struct {
	Name    string            `json:"name"`
	At      time.Time         `json:"at,omitzero"`
	Stage   stage             `json:"stage,omitempty"`
	Guard   bool              `json:"guard,omitempty" minReader:"2"`
	One     *leaf             `json:"one,omitempty"`
	Two     leaf              `json:"two,omitzero"`
	List    []leaf            `json:"list,omitempty"`
	Bytes   []byte            `json:"bytes,omitempty"`
	Parts   map[string]string `json:"parts,omitempty"`
	Plain   *plain            `json:"plain,omitempty"`
	In      embedded          `json:"in,omitzero"`
	Ignored string            `json:"-"`
	Unknown format.Unknown    `json:"-"`
}

func marshal(t *testing.T, v any) string {
	t.Helper()
	data, err := format.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// What is not known is kept where there is a place for it, through a change of what is known.
func TestUnknownMembersAreKept(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		read   string
		change func(*root)
		write  string
	}{
		"nothing is unknown": {
			`{"name":"a","one":{"serial":"<&>"},"bytes":"AAE="}`, nil, `{"name":"a","one":{"serial":"\u003c\u0026\u003e"},"bytes":"AAE="}`,
		},
		"at the top": {
			`{"name":"a","zeta":{"b":1,"a":[1.50,"<"]},"alpha":12345678901234567890}`, func(r *root) { r.Name = "b" }, `{"alpha":12345678901234567890,"name":"b","zeta":{"a":[1.50,"\u003c"],"b":1}}`,
		},
		"below": {
			`{"name":"a","one":{"serial":"1","x":true},"two":{"y":null}}`, func(r *root) { r.One.Serial = "2" }, `{"name":"a","one":{"serial":"2","x":true},"two":{"y":null}}`,
		},
		"in a list, with its entry": {
			`{"name":"a","list":[{"x":1},{"serial":"2","x":2}]}`, func(r *root) { r.List = r.List[1:] }, `{"list":[{"serial":"2","x":2}],"name":"a"}`,
		},
		"with its struct it ends": {
			`{"name":"a","one":{"x":1},"z":1}`, func(r *root) { r.One = nil }, `{"name":"a","z":1}`,
		},
		"with its struct it moves": {
			`{"name":"a","one":{"x":1}}`, func(r *root) { r.Two, r.One = *r.One, nil }, `{"name":"a","two":{"x":1}}`,
		},
		"where there is no place it is lost": {
			`{"name":"a","plain":{"size":1,"x":1},"in":{"size":2,"ok":true,"x":1},"z":1}`, nil, `{"in":{"size":2,"ok":true},"name":"a","plain":{"size":1},"z":1}`,
		},
		"another case is known":       {`{"Name":"a","z":1}`, nil, `{"name":"a","z":1}`},
		"nothing is put over a field": {`{"name":"a","z":1}`, func(r *root) { r.Unknown = `{"guard":true,"NAME":"b"}` }, `{"name":"a"}`},
		"a reader that is old enough": {`{"name":"a","minReader":1}`, nil, `{"name":"a"}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var value root
			if err := format.Unmarshal([]byte(test.read), &value); err != nil {
				t.Fatal(err)
			}
			copied := value // by value, as the planner copies
			if test.change != nil {
				test.change(&copied)
			}
			got := marshal(t, copied)
			if got != test.write {
				t.Errorf("written %s, want %s", got, test.write)
			}
			var again root
			if err := format.Unmarshal([]byte(got), &again); err != nil {
				t.Fatal(err)
			}
			if written := marshal(t, &again); written != got {
				t.Errorf("written again %s, want %s", written, got)
			}
		})
	}
}

// A value says which reader it needs, and no older one reads it.
func TestMinReader(t *testing.T) {
	t.Parallel()
	for want, value := range map[string]root{
		`{"name":"a"}`: {Name: "a"},
		`{"guard":true,"minReader":2,"name":"a"}`:                   {Name: "a", Guard: true},
		`{"guard":true,"minReader":3,"name":"a","stage":"Paused"}`:  {Name: "a", Guard: true, Stage: "Paused"},
		`{"guard":true,"minReader":2,"name":"a","one":{},"zeta":1}`: {Name: "a", Guard: true, One: &leaf{}, Unknown: `{"zeta":1}`},
	} {
		if got := marshal(t, value); got != want {
			t.Errorf("Marshal(%+v) = %s, want %s", value, got, want)
		}
	}
	for _, refused := range []string{`{"name":"a","minReader":99}`, `{"name":["another","form"],"minReader":99}`,
		`{"name":"a","minReader":"soon"}`, `{"minReader":99,"new":{}}`} {
		var value root
		err := format.Unmarshal([]byte(refused), &value)
		if !errors.Is(err, format.ErrNewer) || !strings.Contains(err.Error(), "or a newer one") {
			t.Errorf("Unmarshal(%s) = %v, want ErrNewer with what to do", refused, err)
		}
	}
	for _, broken := range []string{``, `{`, `{"name":1}`, `{"name":"a"} {}`, `{"name":"a","x":1} {}`, `{"name":"a"},`} {
		var value root
		if err := format.Unmarshal([]byte(broken), &value); err == nil || errors.Is(err, format.ErrNewer) {
			t.Errorf("Unmarshal(%s) = %v, want an error, and not ErrNewer", broken, err)
		}
	}
}

// Without anything that is unknown the bytes are those of encoding/json; with it they do not depend on the order in which it was read.
func TestBytesAreTheSame(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		typed := []string{"at", "in", "one", "two"} // members of root with a type that not every drawn value fits
		names := rapid.MapOf(rapid.StringMatching(`[a-z<é]{1,3}`).Filter(func(name string) bool { return !slices.Contains(typed, name) }), rapid.SampledFrom([]string{`1`, `1.0`, `"x"`, `null`, `{"b":[],"a":{"c":1e400}}`, `[{"z":1,"y":2}]`})).Draw(t, "members")
		var forth, back []string
		for name, value := range names {
			quoted, _ := json.Marshal(name)
			member := string(quoted) + ":" + value
			forth, back = append(forth, member), append([]string{member}, back...)
		}
		var a, b root
		for _, read := range []struct {
			members []string
			into    *root
		}{{forth, &a}, {back, &b}} {
			if err := format.Unmarshal([]byte("{"+strings.Join(read.members, ",")+"}"), read.into); err != nil {
				t.Fatal(err)
			}
		}
		if diff := cmp.Diff(a, b, cmp.AllowUnexported(embedded{})); diff != "" {
			t.Fatalf("the order counts:\n%s", diff)
		}
		if a.Unknown != "" {
			return
		}
		plain, _ := json.Marshal(a)
		if got, _ := format.Marshal(a); string(got) != string(plain) {
			t.Fatalf("Marshal = %s, want %s", got, plain)
		}
	})
}

func TestWith(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ a, b, want format.Unknown }{
		{"", "", ""},
		{`{"a":1}`, "", `{"a":1}`},
		{"", `{"a":1}`, `{"a":1}`},
		{`{"a":1,"b":1}`, `{"b":2,"c":2}`, `{"a":1,"b":2,"c":2}`},
	} {
		if got := test.a.With(test.b); got != test.want {
			t.Errorf("%q.With(%q) = %q, want %q", test.a, test.b, got, test.want)
		}
	}
}
