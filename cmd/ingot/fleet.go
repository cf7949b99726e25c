package main

import (
	"fmt"
	"io"

	"github.com/gitmetal/ingot/schemas"
)

// printFindings prints one finding per line and counts the errors.
func printFindings(out io.Writer, findings []schemas.Finding) (failures int) {
	for _, finding := range findings {
		fmt.Fprintln(out, finding)
		if finding.Severity == schemas.Error {
			failures++
		}
	}
	return failures
}

// noStatus is said when a plan cannot know what is on the disks.
const noStatus = "note: this clone has no status branch %s, so every machine counts as never seen: git fetch origin %[1]s:refs/remotes/origin/%[1]s\n"
