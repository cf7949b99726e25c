package yamltext

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSet(t *testing.T) {
	t.Parallel()
	path := []string{"spec", "consent", "erase"}
	tests := map[string]struct{ before, after string }{
		"added above the last key": {
			"kind: Host\nspec:\n  bmc: {a: b} # c\n  workload: web # last\n",
			"kind: Host\nspec:\n  bmc: {a: b} # c\n  consent: {erase: \"X/1\"}\n  workload: web # last\n",
		},
		"above the last key's comment": {
			"spec:\n  a: 1\n  # about vars\n  vars: {b: c}\n",
			"spec:\n  a: 1\n  consent: {erase: \"X/1\"}\n  # about vars\n  vars: {b: c}\n",
		},
		"after a block scalar": {
			"spec:\n  ca: |\n    # not a comment\n    text\n  z: 1\n",
			"spec:\n  ca: |\n    # not a comment\n    text\n  consent: {erase: \"X/1\"}\n  z: 1\n",
		},
		"replaced, quoted":   {"spec:\n  consent: {erase: \"old\", takeover: T} # why\n", "spec:\n  consent: {erase: \"X/1\", takeover: T} # why\n"},
		"replaced, plain":    {"spec:\n  consent:\n    erase: old/2 # why\n", "spec:\n  consent:\n    erase: \"X/1\" # why\n"},
		"beside takeover":    {"spec:\n  consent: {takeover: T}\n", "spec:\n  consent: {erase: \"X/1\", takeover: T}\n"},
		"in a block consent": {"spec:\n  consent:\n    takeover: T\n", "spec:\n  consent:\n    erase: \"X/1\"\n    takeover: T\n"},
		"in a flow document": {"{spec: {a: 1}}\n", "{spec: {consent: {erase: \"X/1\"}, a: 1}}\n"},
		"empty consent":      {"spec:\n  consent: {}\n", "spec:\n  consent: {erase: \"X/1\"}\n"},
		"dos line ends":      {"spec:\r\n  a: 1\r\n", "spec:\r\n  consent: {erase: \"X/1\"}\r\n  a: 1\r\n"},
		"wide characters":    {"spec: {é: ü, consent: {erase: \"ö\"}}\n", "spec: {é: ü, consent: {erase: \"X/1\"}}\n"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			nodes, problem := ParseDocuments([]byte(test.before), 1000)
			if problem != nil {
				t.Fatal(problem)
			}
			got, err := SetValue([]byte(test.before), nodes[0], path, "X/1")
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.after, string(got)); diff != "" {
				t.Errorf("Set (-want +got):\n%s", diff)
			}
		})
	}
}

func TestSetChangesTheDocumentItIsAskedTo(t *testing.T) {
	t.Parallel()
	text := "spec:\n  a: 1\n---\nspec:\n  a: 2\n"
	nodes, _ := ParseDocuments([]byte(text), 1000)
	got, err := SetValue([]byte(text), nodes[1], []string{"spec", "b"}, "c")
	if want := "spec:\n  a: 1\n---\nspec:\n  b: \"c\"\n  a: 2\n"; err != nil || string(got) != want {
		t.Errorf("SetValue = %q, %v; want %q", got, err, want)
	}
}

func TestSetRefusesWhatItWouldHaveToRewrite(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"block scalar": "spec:\n  consent:\n    erase: |\n      old\n", "no mapping": "spec:\n  consent: [a]\n", "nothing in spec": "spec: null\n",
		"escaped quote": "spec: {consent: {erase: \"a\\\"b\"}}\n",
	} {
		nodes, problem := ParseDocuments([]byte(text), 1000)
		if problem != nil {
			t.Fatal(name, problem)
		}
		if got, err := SetValue([]byte(text), nodes[0], []string{"spec", "consent", "erase"}, "X"); !errors.Is(err, ErrNotEdited) {
			t.Errorf("%s: SetValue = %q, %v; want ErrNotEdited", name, got, err)
		}
	}
}

// A list takes one line, whatever was there.
func TestSetList(t *testing.T) {
	t.Parallel()
	const want = "[\"X/1\", \"Y/2\"]"
	for name, test := range map[string]struct{ before, after string }{
		"added":                {"spec:\n  a: 1\n", "spec:\n  consent: {erase: " + want + "}\n  a: 1\n"},
		"over a text":          {"spec:\n  consent: {erase: \"old\", takeover: T} # why\n", "spec:\n  consent: {erase: " + want + ", takeover: T} # why\n"},
		"over a list":          {"spec:\n  consent: {erase: [old/1, \"old/2\"], takeover: T} # why\n", "spec:\n  consent: {erase: " + want + ", takeover: T} # why\n"},
		"over an empty list":   {"spec:\n  consent: {erase: []}\n", "spec:\n  consent: {erase: " + want + "}\n"},
		"over a list in lines": {"spec:\n  consent:\n    erase:\n      - old/1\n      - 'old/2'\n    takeover: T\n", "spec:\n  consent:\n    erase: " + want + "\n    takeover: T\n"},
	} {
		nodes, problem := ParseDocuments([]byte(test.before), 1000)
		if problem != nil {
			t.Fatal(name, problem)
		}
		got, err := SetValue([]byte(test.before), nodes[0], []string{"spec", "consent", "erase"}, "X/1", "Y/2")
		if err != nil || string(got) != test.after {
			t.Errorf("%s: SetValue = %v\n%s\nwant\n%s", name, err, got, test.after)
		}
	}
	for name, text := range map[string]string{
		"comments between": "spec:\n  consent:\n    erase:\n      - a # mine\n      - b\n",
		"over lines":       "spec:\n  consent: {erase: [a,\n    b]}\n",
		"lists":            "spec:\n  consent: {erase: [[a]]}\n",
	} {
		nodes, problem := ParseDocuments([]byte(text), 1000)
		if problem != nil {
			t.Fatal(name, problem)
		}
		if got, err := SetValue([]byte(text), nodes[0], []string{"spec", "consent", "erase"}, "X/1"); !errors.Is(err, ErrNotEdited) {
			t.Errorf("%s: SetValue = %q, %v; want ErrNotEdited", name, got, err)
		}
	}
}

func FuzzSet(f *testing.F) {
	f.Add("spec:\n  a: 1\n")
	f.Add("spec: {consent: {erase: 'x'}}\n")
	f.Add("spec:\n  consent:\n    erase:\n    - a\n    - b\n")
	f.Add("spec: {consent: {erase: [a, ']', b]}}\n")
	f.Fuzz(func(t *testing.T, text string) {
		nodes, problem := ParseDocuments([]byte(text), 1<<16)
		if problem != nil || len(nodes) == 0 {
			return
		}
		edited, err := SetValue([]byte(text), nodes[0], []string{"spec", "consent", "erase"}, "X/1")
		if err == nil && !strings.Contains(string(edited), `"X/1"`) {
			t.Errorf("the value is not in %q", edited)
		}
	})
}
