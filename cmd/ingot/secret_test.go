package main

import (
	"io"
	"os"
	"strings"
	"testing"
)

// TestTheDocumentedSecretCommandsExist finds the verb and the flags of every command in docs/secrets.md.
func TestTheDocumentedSecretCommandsExist(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/secrets.md")
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for line := range strings.Lines(string(text)) {
		if _, piped, ok := strings.Cut(line, " | "); ok {
			line = piped
		}
		line, _, _ = strings.Cut(line, " # ")
		words := strings.Fields(line)
		if len(words) < 3 || words[0] != "ingot" || words[1] != "secret" {
			continue
		}
		seen++
		command, arguments, err := newSecret(streams{In: strings.NewReader(""), Out: io.Discard, Err: io.Discard}).Find(words[2:])
		if err != nil || command.Name() != words[2] {
			t.Errorf("%v: there is no such command: %v", words, err)
			continue
		}
		if err := command.ParseFlags(arguments); err != nil {
			t.Errorf("%v: %v", words, err)
		} else if err := command.ValidateArgs(command.Flags().Args()); err != nil {
			t.Errorf("%v: %v", words, err)
		}
	}
	if seen < 5 {
		t.Errorf("docs/secrets.md has %d commands: the test proves nothing", seen)
	}
}
