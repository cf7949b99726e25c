package decode_test

import (
	"strings"
	"testing"

	"github.com/gitmetal/ingot/schemas/decode"
)

// TestAWindowThatNeverOpens is said, and a window of a leap day is not.
func TestAWindowThatNeverOpens(t *testing.T) {
	t.Parallel()
	for start, want := range map[string]bool{"0 2 30 2 *": true, "0 2 31 4,6 *": true, "0 2 29 2 *": false, "0 2 * * 0": false} {
		text := "apiVersion: ingot.dev/v1alpha1\nkind: Ring\nmetadata: {name: a}\nspec: {hosts: {allHosts: true}, windows: [{start: \"" +
			start + "\", duration: 4h}]}\n"
		_, findings := decode.DecodeFile("rings/a.yaml", []byte(text))
		said := strings.Contains(lines(findings), "warning: spec.windows[0].start: no such day ever comes")
		if said != want {
			t.Errorf("%q: %s", start, lines(findings))
		}
	}
}
