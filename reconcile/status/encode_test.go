package status_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/status"
)

// A machine's firmware can put any character into a serial number; none may keep a document from being written or read back.
func TestEveryCharacterSurvives(t *testing.T) {
	t.Parallel()
	const block = 0x1000
	for from := rune(0); from <= utf8.MaxRune; from += block {
		var b strings.Builder
		for r := from; r < from+block && r <= utf8.MaxRune; r++ {
			if utf8.ValidRune(r) {
				b.WriteRune(r)
			}
		}
		page := status.Summarize(status.Document{}, look(inventory.Record{ID: "web-03", Adopted: b.String()})).Encode()
		document, err := status.Parse(page)
		if err != nil {
			t.Fatalf("Parse with the characters from %U: %v", from, err)
		}
		if document.Adopted != b.String() {
			t.Errorf("the characters from %U are not read back as they were written", from)
		}
	}
}
