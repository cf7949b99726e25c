package main

import (
	"fmt"
	"io"

	"github.com/gitmetal/ingot/schemas"
)

// printFindings prints a finding per line and counts the errors.
func printFindings(out io.Writer, findings []schemas.Finding) (failures int) {
	for _, finding := range findings {
		fmt.Fprintln(out, finding)
		if finding.Severity == schemas.Error {
			failures++
		}
	}
	return failures
}

// noStatusNote is printed when a plan cannot know the contents of disks.
const noStatusNote = "note: this clone has no status branch %s, so every machine counts as never seen: git fetch " +
	"origin %[1]s:refs/remotes/origin/%[1]s\n"
