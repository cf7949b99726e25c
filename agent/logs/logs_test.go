package logs

import (
	"fmt"
	"strings"
	"testing"
)

func TestTheEndOfATextIsKept(t *testing.T) {
	t.Parallel()
	kept := Tail{Most: 1000}
	for i := range 1000 {
		fmt.Fprintf(&kept, "line %d\n", i)
	}
	text := string(kept.Text())
	first, rest, _ := strings.Cut(text, "\n")
	if !strings.HasSuffix(text, "line 998\nline 999\n") || !strings.HasPrefix(rest, "line 8") || len(rest) > 1000 || len(rest) < 900 {
		t.Errorf("%d bytes are kept: %.40q…", len(rest), rest)
	}
	if want := fmt.Sprintf("(%d bytes before this are not kept)", 8890-len(rest)); first != want {
		t.Errorf("the first line is %q, want %q", first, want)
	}
	short := Tail{Most: 1000}
	fmt.Fprint(&short, "one line")
	if string(short.Text()) != "one line" {
		t.Errorf("of a short text: %q", short.Text())
	}
	endless := Tail{Most: 10}
	fmt.Fprint(&endless, strings.Repeat("x", 100))
	if got := len(endless.Text()); got > 60 {
		t.Errorf("%d bytes of a text without lines are kept", got)
	}
}

// TestAProgramThatFailsHidesNoOther has a program that is missing, one that fails, and one that works.
func TestAProgramThatFailsHidesNoOther(t *testing.T) {
	t.Parallel()
	files := collectFrom(t.Context(), []source{{"journal.log", 100, []string{"no-such-program"}},
		{"state.txt", 1000, []string{"no-such-program -x", "false", "echo here"}}})
	if len(files) != 2 || !strings.HasPrefix(string(files[0].Body), "no-such-program: ") {
		t.Fatalf("collected %q", files)
	}
	for _, want := range []string{"$ no-such-program -x\nno-such-program -x: ", "$ false\nfalse: exit status 1\n", "$ echo here\nhere\n"} {
		if !strings.Contains(string(files[1].Body), want) {
			t.Errorf("%q is not in\n%s", want, files[1].Body)
		}
	}
}
