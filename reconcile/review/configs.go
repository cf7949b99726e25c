package review

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/gitmetal/ingot/inventory"
)

// ConfigChange is what changes in the rendered Ignition configs of hosts, as `ingot render` shows them.
type ConfigChange struct {
	Hosts []string `json:"hosts"` // names of the hosts with this change
	// Diff is a unified diff without the names of its texts: at most 200 lines, each with its line end.
	Diff string `json:"diff"`
	Cut  int    `json:"cut,omitempty"` // further lines of the diff
}

// MachineID is the id of the host's machine.
func (h Host) MachineID() inventory.MachineID { return cmp.Or(h.ID, inventory.MachineID(h.Name)) }

// maxNamed is how many hosts of a change are named.
const maxNamed = 8

// describe names the hosts of a change.
func (c ConfigChange) describe() string {
	named := c.Hosts[:min(maxNamed, len(c.Hosts))]
	text := "Config of " + strings.Join(named, ", ")
	if rest := len(c.Hosts) - len(named); rest > 0 {
		text += fmt.Sprintf(" and %d more hosts", rest)
	}
	return text
}

// describeCut says how much of the change is not shown; "" for a whole change.
func (c ConfigChange) describeCut() string {
	if c.Cut == 0 {
		return ""
	}
	return fmt.Sprintf("…and %d more lines: `ingot render %s` shows the whole config", c.Cut, c.Hosts[0])
}

// lines are the printable lines of the change.
func (c ConfigChange) lines() []string {
	lines := strings.Split(strings.TrimSuffix(c.Diff, "\n"), "\n")
	for i := range lines {
		lines[i] = makePrintable(lines[i])
	}
	return lines
}

// renderText renders the change for a terminal.
func (c ConfigChange) renderText() string {
	lines := append([]string{makePrintable(c.describe()) + ":"}, c.lines()...)
	if cut := c.describeCut(); cut != "" {
		lines = append(lines, makePrintable(cut))
	}
	return strings.Join(lines, "\n    ") + "\n\n"
}

// writeConfigs writes the changes as far as they fit, and counts the rest.
func writeConfigs(b *strings.Builder, changes []ConfigChange) {
	for i, change := range changes {
		entry := change.renderMarkdown()
		if b.Len()+len(entry) > maxLines {
			fmt.Fprintf(b, "…and %d more changes of configs: `ingot plan` in a clone shows them.\n", len(changes)-i)
			return
		}
		b.WriteString(entry)
	}
}

// renderMarkdown renders the change, collapsed. The fence is longer than every run of backticks in the change.
func (c ConfigChange) renderMarkdown() string {
	body := strings.Join(c.lines(), "\n")
	fence := "```"
	for strings.Contains(body, fence) {
		fence += "`"
	}
	cut := c.describeCut()
	if cut != "" {
		cut = escapeText(cut) + "\n\n"
	}
	return fmt.Sprintf("<details><summary>%s</summary>\n\n%sdiff\n%s\n%s\n\n%s</details>\n\n", escapeText(c.describe()),
		fence, body, fence, cut)
}
