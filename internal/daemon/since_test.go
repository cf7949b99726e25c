package daemon

import (
	"strings"
	"testing"
)

// What was printed of a console, and what is printed then, is what it said.
func TestSince(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a line that comes again\n", 500)
	for _, test := range []struct{ name, before, now, want string }{
		{"nothing", "", "", ""},
		{"the first", "", "a\nb", "a\nb"},
		{"nothing new", "a\nb", "a\nb", ""},
		{"more of a line", "a\nlog", "a\nlogin:", "in:"},
		{"another line", "a\n", "a\nb\n", "b\n"},
		{"the beginning is gone", "a\nb\nc\n", "b\nc\nd\n", "d\n"},
		{"and the end had not come", "a\nb\nc\nlog", "b\nc\nlogin: root\n", "\nlogin: root\n"},
		{"a line that reads otherwise", "a\n-", "a\n/", "\n/"},
		{"all is gone", "a\nb\n", "x\ny\n", "x\ny\n"},
		{"most is gone", long + "end\n", "end\nmore\n", "more\n"},
	} {
		if got := newText(test.before, test.now); got != test.want {
			t.Errorf("%s: since(…%q, %q) = %q, want %q", test.name, test.before[max(0, len(test.before)-40):], test.now, got, test.want)
		}
	}
}
