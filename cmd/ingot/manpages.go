//go:build manpages

package main

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	"github.com/spf13/cobra/doc"
)

// The man pages are made of the same commands as the help, by `go run -tags manpages ./cmd/ingot man-pages DIRECTORY`.
// The packages for that are in no other build.
func init() {
	if len(os.Args) != 3 || os.Args[1] != "man-pages" {
		return
	}
	if err := writeManPages(os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "ingot: write the man pages:", err)
		os.Exit(exitFailed)
	}
	os.Exit(exitOK)
}

// writeManPages writes a page for each command. SOURCE_DATE_EPOCH is the date in the pages.
func writeManPages(dir string) error {
	header := doc.GenManHeader{Section: "1", Source: "ingot " + version, Manual: "ingot"}
	if text := os.Getenv("SOURCE_DATE_EPOCH"); text != "" {
		seconds, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return fmt.Errorf("SOURCE_DATE_EPOCH: %w", err)
		}
		date := time.Unix(seconds, 0).UTC()
		header.Date = &date
	}
	root := newRoot(streams{In: os.Stdin, Out: io.Discard, Err: io.Discard})
	root.DisableAutoGenTag = true
	return doc.GenManTree(root, &header, dir)
}
