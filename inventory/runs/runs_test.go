package runs

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gitmetal/ingot/inventory/format"
)

func TestCheckName(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"pi.txt": "", "out/a_1-b.csv": "", ".hidden": "", "a/.../b": "", strings.Repeat("a", 255): "",
		"": "0 bytes", strings.Repeat("a", 256): "256 bytes", "/etc/passwd": `the part ""`, "a//b": `the part ""`,
		"a/": `the part ""`, "..": `the part ".."`, "a/../b": `the part ".."`, "./a": `the part "."`,
		"a b": "the character ' '", "a\x00": "the character", "ä": "the character", `a\b`: "the character", "a:b": "the character",
		"%2e%2e": "the character '%'",
	} {
		err := CheckName(name)
		if (want == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("CheckName(%q) = %v, want %q", name, err, want)
		}
		if err != nil && len(err.Error()) > 180 {
			t.Errorf("CheckName(%q) says %d bytes, want at most 180", name, len(err.Error()))
		}
	}
}

func TestCheckID(t *testing.T) {
	t.Parallel()
	for id, good := range map[string]bool{"r-5f0c": true, "monte-carlo-1": true, "": false, "-r": false, "A": false, "a.b": false,
		"../x": false, strings.Repeat("a", 129): false} {
		if err := CheckID(id); (err == nil) != good {
			t.Errorf("CheckID(%q) = %v, want good %v", id, err, good)
		}
	}
}

func TestMissing(t *testing.T) {
	t.Parallel()
	files := []File{{Name: "out/a.csv"}, {Name: "log.txt"}}
	limits := Limits{Files: []string{"out/**", "*.txt", "plots/*.png"}, Required: true}
	if diff := cmp.Diff([]string{"plots/*.png"}, limits.Missing(files)); diff != "" {
		t.Errorf("Missing, -want +got:\n%s", diff)
	}
	limits.Required = false
	if got := limits.Missing(nil); got != nil {
		t.Errorf("Missing without Required = %v, want none", got)
	}
	if limits.Keeps("secret.key") || !limits.Keeps("out/x/y") || !(Limits{}).Keeps("anything") {
		t.Error("Keeps does not follow the patterns")
	}
}

func TestManifestKeepsANewerMember(t *testing.T) {
	t.Parallel()
	var m Manifest
	if err := format.Unmarshal([]byte(`{"id":"r-1","exit":0,"bytes":3,"ended":"2026-11-29T04:12:00Z","newer":{"a":1}}`), &m); err != nil {
		t.Fatal(err)
	}
	body, err := format.Marshal(m)
	if err != nil || !strings.Contains(string(body), `"newer":{"a":1}`) || !m.OK() {
		t.Errorf("Marshal = %s, %v, OK %v", body, err, m.OK())
	}
	if m.Ended.Ended = (time.Time{}); m.OK() {
		t.Error("a run that has not ended succeeded")
	}
}
