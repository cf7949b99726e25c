package console_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/gitmetal/ingot/boot/console"
	"github.com/gitmetal/ingot/internal/secret"
)

// TestCopiedTextIsMaskedAndPlain copies a journal with secrets, in pieces of any size.
func TestCopiedTextIsMaskedAndPlain(t *testing.T) {
	t.Parallel()
	var known console.Secrets
	known.Add(secret.New("hunter2-hunter2"), secret.New("-----BEGIN KEY-----\nMHcCAQEEIFJ1bm5pbmc\n-----END KEY-----"))
	journal := "a\x1b[31m red\nwith hunter2-hunter2 in it\n-----BEGIN KEY-----\nMHcCAQEEIFJ1bm5pbmc\n-----END KEY-----\n" +
		strings.Repeat("long ", 500) + "\nthe end hunter2-hun"
	for name, in := range map[string]io.Reader{"whole": strings.NewReader(journal),
		"byte by byte": iotest.OneByteReader(strings.NewReader(journal))} {
		var out bytes.Buffer
		if err := console.CopyText(&out, in, &known); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		got := out.String()
		for _, leak := range []string{"\x1b", "hunter2", "MHcCAQ"} {
			if strings.Contains(got, leak) {
				t.Errorf("%s: %q is in\n%s", name, leak, got)
			}
		}
		if !strings.HasPrefix(got, "a red\nwith *** in it\n***\n***\n***\nlong long") || !strings.HasSuffix(got, "the end ***\n") {
			t.Errorf("%s:\n%s", name, got)
		}
	}
	var out bytes.Buffer
	broken := io.MultiReader(strings.NewReader("before\nhunter2-"), iotest.ErrReader(errors.New("the link broke")))
	if err := console.CopyText(&out, broken, &known); err == nil || out.String() != "before\n***\n" {
		t.Errorf("of a broken text: %v, %q", err, out.String())
	}
}
