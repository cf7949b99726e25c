package glob

import (
	"strings"
	"testing"
	"time"
)

func TestMatch(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		pattern, name string
		want          bool
	}{
		{"**", "a", true}, {"**", "a/b/c", true},
		{"out/**", "out/a", true}, {"out/**", "out/a/b", true}, {"out/**", "outer/a", false}, {"out/**", "a/out/b", false},
		{"**/x.csv", "x.csv", true}, {"**/x.csv", "a/b/x.csv", true}, {"**/x.csv", "a/x.csv.gz", false},
		{"a/**/b", "a/b", true}, {"a/**/b", "a/x/y/b", true}, {"a/**/b", "a/x/y", false},
		{"*.txt", "pi.txt", true}, {"*.txt", "a/pi.txt", false}, {"*", ".hidden", true}, {"*", "", true},
		{"run-?.log", "run-1.log", true}, {"run-?.log", "run-12.log", false},
		{"a*b*c", "axxbyyc", true}, {"a*b*c", "axxbyy", false}, {"pi.txt", "pi.txt", true}, {"pi.txt", "pi-txt", false},
	} {
		if got := Match(c.pattern, c.name); got != c.want {
			t.Errorf("Match(%q, %q) = %v, want %v", c.pattern, c.name, got, c.want)
		}
	}
}

func TestMatchIsNeverSlow(t *testing.T) {
	t.Parallel()
	begin := time.Now()
	for range 100 {
		Match(strings.Repeat("*a", 100)+"b", strings.Repeat("a", 255))
		Match(strings.Repeat("**/", 80)+"b", strings.Repeat("a/", 127)+"a")
	}
	if took := time.Since(begin); took > 5*time.Second {
		t.Errorf("200 matches took %s", took)
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	for pattern, want := range map[string]string{
		"out/**": "", "*.csv": "", "a/b?.txt": "", "**": "",
		"": "empty", "/out": `the part ""`, "out/": `the part ""`, "../x": `the part ".."`, "./x": `the part "."`,
		"a**": "** inside", "a b": "the character ' '", "ä": "the character", "[ab]": "the character '['",
		strings.Repeat("a", 256): "at most 255",
	} {
		err := Check(pattern)
		if (want == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("Check(%q) = %v, want %q", pattern, err, want)
		}
	}
}
