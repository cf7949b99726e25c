package review

import (
	"fmt"
	"strings"
)

// renderRuns renders the changes of Workloads with runs for a terminal.
func (r Review) renderRuns() string {
	var b strings.Builder
	for _, c := range r.Runs {
		fmt.Fprintf(&b, "Runs of %s:\n", c.Workload)
		for _, line := range c.Lines {
			b.WriteString("    " + makePrintable(line) + "\n")
		}
		b.WriteString("\n")
	}
	return b.String()
}

// writeRuns renders the changes of Workloads with runs for a comment on a pull request.
func (r Review) writeRuns(b *strings.Builder) {
	for i, c := range r.Runs {
		if i == maxNotes {
			fmt.Fprintf(b, "- …and %d more Workloads with runs: `ingot plan` in a clone shows them.\n", len(r.Runs)-maxNotes)
			break
		}
		b.WriteString("- Runs of " + escapeMarkdown(c.Workload) + ": " + escapeMarkdown(shortenLine(strings.Join(c.Lines, "; "))) + "\n")
	}
	if len(r.Runs) > 0 {
		b.WriteString("\n")
	}
}
