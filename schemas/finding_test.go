package schemas

import "testing"

// TestAFindingIsOneLine: whatever a finding quotes, a terminal and a reader of logs see one line.
func TestAFindingIsOneLine(t *testing.T) {
	t.Parallel()
	f := Finding{Position: Position{File: "a.bu", Line: 1}, Severity: Error, Message: "${vars.a\r\nb\u2028c is no reference", Hint: "write\n\x1b[31mx"}
	if got, want := f.String(), "a.bu:1: error: ${vars.a b c is no reference (write [31mx)"; got != want {
		t.Errorf("String() = %q, want %q", got, want)
	}
	if got := f.OneLine().Message; got != "${vars.a b c is no reference" {
		t.Errorf("OneLine() has the message %q", got)
	}
}
