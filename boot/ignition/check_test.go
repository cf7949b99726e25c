package ignition_test

import (
	"os"
	"strings"
	"testing"

	"github.com/gitmetal/ingot/boot/ignition"
	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/refs"
)

func TestAGoodConfigHasNoFindings(t *testing.T) {
	t.Parallel()
	if checked := (ignition.Checker{}).Check(*web().Butane); len(checked.Findings) > 0 || len(checked.OtherDisks) > 0 {
		t.Errorf("Check = %v", checked)
	}
}

func TestWhatCheckFinds(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		source string
		want   string // the beginning of the finding
	}{
		"unknown key is an error": {"variant: fcos\nversion: 1.6.0\nstorage:\n  fils: []\n", "w/x.bu:4:3: error: storage.fils: "},
		"relative path":           {"variant: fcos\nversion: 1.6.0\nstorage:\n  files:\n    - path: relative\n", "w/x.bu:5:13: error: storage.files.0.path: "},
		"unknown version":         {"variant: fcos\nversion: 9.9.0\n", "w/x.bu:2:10: error: "},
		"Ignition is too new":     {"variant: fcos\nversion: 1.7.0\n", "w/x.bu:2:10: error: version: "},
		"no YAML":                 {"variant: [\n", "w/x.bu:"},
		"missing local file":      {"variant: fcos\nversion: 1.6.0\nstorage:\n  files:\n    - {path: /a, contents: {local: no.conf}}\n", "w/x.bu:5:"},
		"file outside":            {"variant: fcos\nversion: 1.6.0\nstorage:\n  files:\n    - {path: /a, contents: {local: ../../etc/passwd}}\n", "w/x.bu:5:"},
		"absolute file":           {"variant: fcos\nversion: 1.6.0\nstorage:\n  files:\n    - {path: /a, contents: {local: /etc/passwd}}\n", "w/x.bu:5:"},
		"clash with what is ours": {"variant: fcos\nversion: 1.6.0\nstorage:\n  links:\n    - {path: /etc/ingot, target: /etc/motd}\n", "w/x.bu:5:14: error: the workload's config clashes"},
		"reference that is none":  {"variant: fcos\nversion: 1.6.0\npasswd:\n  users:\n    - name: ${secrets.a}\n", "w/x.bu:5:13: error: "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			findings := (ignition.Checker{}).Check(inventory.Butane{Path: "w/x.bu", Source: []byte(test.source)}).Findings
			if len(findings) == 0 || !strings.HasPrefix(findings[0].String(), test.want) {
				t.Fatalf("Check = %v, want %q…", findings, test.want)
			}
			if strings.Contains(findings[0].String(), os.TempDir()) {
				t.Errorf("the finding names our directory: %v", findings[0])
			}
		})
	}
}

// A config of some kilobytes that names a long value often has gigabytes: nothing may be put together to find that out.
func TestLongValuesThatAreNamedOften(t *testing.T) {
	t.Parallel()
	b := butane("storage:\n  files:\n    - path: /a\n      contents:\n        inline: \"" + strings.Repeat("${vars.x}", 20_000) + "\"\n    - {path: /b, contents: {inline: \"${secret.app.key}\"}}\n")
	for name, test := range map[string]struct {
		value  int
		sealed int
		want   string
	}{
		"short":                 {10, 10, ""},
		"a long var":            {100_000, 10, "w/x.bu:7:17: error: with the vars and secrets up to here"},
		"a secret on top of it": {3000, 8 << 20, "w/x.bu:8:37: error: with the vars and secrets up to here"},
	} {
		b := *b
		b.Vars, b.Sealed = map[string]string{"x": strings.Repeat("x", test.value)}, map[refs.Secret]int{{Name: "app", Key: "key"}: test.sealed}
		findings := (ignition.Checker{}).Check(b).Findings
		switch {
		case test.want == "" && len(findings) == 0:
		case test.want == "" || len(findings) != 1 || !strings.HasPrefix(findings[0].String(), test.want):
			t.Errorf("%s: Check = %v, want %q…", name, findings, test.want)
		}
	}
}

func TestFilesThatLeaveTheirDirectoryAreNotWritten(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	for _, name := range []string{"/x", "..", "", "../..", "a/../..", ".git/../../x/.."} {
		b := butane("storage:\n  files:\n    - {path: /a, contents: {inline: x}}\n")
		b.Files = map[string][]byte{name: []byte("x"), "fine": []byte("x")}
		if findings := (ignition.Checker{}).Check(*b).Findings; len(findings) == 0 {
			t.Errorf("%q was taken", name)
		}
	}
	shared := butane("storage:\n  files:\n    - {path: /a, contents: {local: ../../x}}\n    - {path: /b, contents: {local: a/../../x}}\n")
	shared.Files = map[string][]byte{"../../x": []byte("x"), "../x": []byte("y")} // copied to names inside
	if findings := (ignition.Checker{}).Check(*shared).Findings; len(findings) != 0 {
		t.Errorf("shared files: %v", findings)
	}
	missing := butane("storage:\n  files:\n    - {path: /a, contents: {local: ../../y}}\n")
	missing.Files = shared.Files
	if findings := (ignition.Checker{}).Check(*missing).Findings; len(findings) != 1 || !strings.Contains(findings[0].Message, "../../y") {
		t.Errorf("a missing shared file: %v, want the name as it is written", findings)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}
