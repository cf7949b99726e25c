package butane_test

import (
	"strings"
	"testing"

	"github.com/gitmetal/ingot/inventory/butane"
	"github.com/gitmetal/ingot/inventory/refs"
)

func TestCheckDocument(t *testing.T) {
	t.Parallel()
	const head = "variant: fcos\nversion: 1.6.0\n"
	const begin = " (begin with variant: fcos and a version, such as version: 1.6.0)"
	for text, want := range map[string]string{
		head:                      "",
		head + "storage: {}\n":    "",
		"":                        "x.bu:1:1: error: the Butane file is empty" + begin,
		"# later\n---\n":          "x.bu:1:1: error: the Butane file is empty" + begin,
		"- a\n":                   "x.bu:1:1: error: a Butane document is a mapping" + begin,
		"# a\nversion: 1.6.0\n":   "x.bu:2:1: error: variant: the field is missing" + begin,
		"variant: fcos\n":         "x.bu:1:1: error: version: the field is missing" + begin,
		"variant: ''\nversion: 1": "x.bu:1:10: error: variant: the field is empty" + begin,
		"variant:\nversion: 1\n":  "x.bu:1:9: error: variant: the field is empty" + begin,
		"variant: [fcos]\nversion: {a: b}\n": "x.bu:1:10: error: variant: want a text" + begin + "\n" +
			"x.bu:2:10: error: version: want a text" + begin,
		head + "storage: {}\npasswd: {}\n\"storage\": {}\n": "x.bu:5:1: error: storage: the field is written twice (the first is in line 3)",
		head + "storage:\n  files:\n    - {path: /a, mode: 1, path: /b, mode: 2}\n    - path: /c\n": "x.bu:5:27: error: path: the field is written twice (the first is in line 5)\n" +
			"x.bu:5:37: error: mode: the field is written twice (the first is in line 5)",
	} {
		root, findings := refs.ParseFile("x.bu", []byte(text))
		if len(findings) > 0 {
			t.Fatalf("%q: %v", text, findings)
		}
		var got []string
		for _, f := range butane.CheckDocument("x.bu", root) {
			got = append(got, f.String())
		}
		if strings.Join(got, "\n") != want {
			t.Errorf("CheckDocument(%q) =\n%s\nwant\n%s", text, strings.Join(got, "\n"), want)
		}
	}
}
