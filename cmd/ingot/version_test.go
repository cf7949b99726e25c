package main

import (
	"bytes"
	"strconv"
	"strings"
	"testing"

	"github.com/gitmetal/ingot/inventory/format"
)

// TestVersion prints the version, and with --reader the number alone: the Debian package compares it.
func TestVersion(t *testing.T) {
	t.Parallel()
	for args, wanted := range map[string]func(out string) bool{
		"version":          func(out string) bool { return strings.HasPrefix(out, "ingot "+version+" (go") },
		"version --reader": func(out string) bool { return out == strconv.Itoa(format.Reader)+"\n" },
	} {
		var out, trouble bytes.Buffer
		code := runCommand(strings.Fields(args), streams{In: strings.NewReader(""), Out: &out, Err: &trouble})
		if code != exitOK || !wanted(out.String()) || trouble.Len() > 0 {
			t.Errorf("ingot %s = %d, %q, %q", args, code, &out, &trouble)
		}
	}
}
