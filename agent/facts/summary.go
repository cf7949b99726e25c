package facts

import (
	"cmp"
	"strings"
	"unicode"

	"github.com/gitmetal/ingot/agent/wire"
)

// unknownContent is shown for content without a known name.
const unknownContent = "data that names nothing known"

// maxSummary is the length of a summary in bytes.
const maxSummary = 200

// summarize names the content of a disk: "gpt: EFI-SYSTEM vfat, boot ext4". The summary is for people only: no decision
// uses it.
func summarize(table wire.Table, whole []wire.Superblock) string {
	var names []string
	if table.Kind != wire.TableNone {
		names = append(names, describeTable(table))
	}
	for _, s := range whole {
		names = append(names, s.Type)
	}
	return clipText(cmp.Or(strings.Join(names, ", "), unknownContent), maxSummary)
}

func describeTable(table wire.Table) string {
	name := table.Kind
	if !table.Valid {
		name += " (damaged)"
	}
	var parts []string
	for _, part := range table.Partitions {
		if text := strings.TrimSpace(part.Label + " " + part.FSType); text != "" {
			parts = append(parts, replaceUnprintable(text))
		}
	}
	if len(parts) == 0 {
		return name
	}
	return name + ": " + strings.Join(parts, ", ")
}

// replaceUnprintable keeps text from a disk from steering a terminal.
func replaceUnprintable(text string) string {
	return strings.Map(func(c rune) rune {
		if !unicode.IsPrint(c) {
			return '?'
		}
		return c
	}, text)
}

func clipText(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "…"
}
