package review

import (
	"fmt"
	"regexp"
	"strings"
)

// Marker is the first line of the Markdown: it shows nothing, and whoever posts the plan finds the comment again by it. It never changes.
const Marker = "<!-- ingot-plan -->"

// MaxMarkdown is the most a Markdown review has, in bytes: forges refuse comments over 64 KiB.
const MaxMarkdown = 60_000

// What each part of a long comment may fill: hosts with all their details, then hosts in a line each, then the count of the rest.
const (
	maxDetails = 40_000
	maxLines   = MaxMarkdown - 600
)

// Markdown is the review for a comment on a pull request, at most MaxMarkdown bytes. What needs the most care comes first. Hosts beyond some length are
// told in a line each, and beyond that counted.
func (r Review) Markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n### ingot plan\n\n**%s**\n\n", Marker, r.Summary())
	if r.Status == "" {
		b.WriteString("There is no status branch: every machine counts as never seen.\n\n")
	}
	for i, note := range r.Notes {
		if i == maxNotes {
			fmt.Fprintf(&b, "…and %d more notes: `ingot plan` in a clone shows them.\n\n", len(r.Notes)-maxNotes)
			break
		}
		b.WriteString("Note: " + plain(short(note)) + "\n\n")
	}
	for i, line := range r.notes() {
		if i == maxNotes {
			fmt.Fprintf(&b, "…and %d more pages that cannot be read.\n\n", len(r.notes())-maxNotes)
			break
		}
		b.WriteString(plain(short(line)) + "\n\n")
	}
	if len(r.Hosts) == 0 {
		b.WriteString("No machine is touched.\n")
		return b.String()
	}
	for _, u := range r.Unsigned() {
		fmt.Fprintf(&b, "%s\n\n", inert(short(u.sentence())))
		if len(u.Commands) > 0 {
			fmt.Fprintf(&b, "```sh\n%s\n```\n\n", strings.Join(u.Commands, "\n"))
		}
	}
	rest := r.Hosts
	for ; len(rest) > 0; rest = rest[1:] {
		entry := rest[0].markdown()
		if b.Len()+len(entry) > maxDetails {
			break
		}
		b.WriteString(entry)
	}
	if len(rest) > 0 {
		lines(&b, rest)
	}
	return b.String()
}

// lines tells hosts in a line each as far as they fit, and counts the others.
func lines(b *strings.Builder, hosts []Host) {
	fmt.Fprintf(b, "<details><summary>%d more hosts, a line each</summary>\n\n", len(hosts))
	rest := hosts
	for ; len(rest) > 0; rest = rest[1:] {
		line := fmt.Sprintf("- %s **%s**: %s\n", rest[0].icon(), inert(rest[0].label()), inert(short(rest[0].headline())))
		if b.Len()+len(line) > maxLines {
			break
		}
		b.WriteString(line)
	}
	b.WriteString("\n</details>\n\n")
	if len(rest) > 0 {
		cut := Review{Hosts: rest}.Counts()
		fmt.Fprintf(b, "…and %d more hosts that do not fit here: %s. `ingot plan` in a clone shows them all.\n", len(rest), strings.Join(cut.some(), ", "))
	}
}

func (h Host) icon() string {
	switch {
	case h.Unknown != "":
		return "🔴"
	case h.Held:
		return "🟡"
	case h.idle():
		return "⚪"
	case h.Erases:
		return "🔴"
	default:
		return "🔵"
	}
}

// markdown is one host, collapsed; of one whose details fill too much, the headline.
func (h Host) markdown() string {
	details := h.collapsed()
	if len(details) > maxHost {
		details = "- the details do not fit here: `ingot plan` in a clone shows them\n"
	}
	return fmt.Sprintf("<details><summary>%s <b>%s</b>: %s</summary>\n\n%s\n</details>\n\n", h.icon(), inert(h.label()), inert(short(h.headline())), details)
}

func (h Host) collapsed() string {
	var b strings.Builder
	for _, line := range h.details() {
		if strings.HasPrefix(line, "  ") {
			fmt.Fprintf(&b, "  ```yaml\n%s\n  ```\n", line)
			continue
		}
		fmt.Fprintf(&b, "- %s\n", plain(short(line)))
	}
	return b.String()
}

// How much is shown of one host, and of one of its reasons, in bytes: no machine and no host fills the comment alone.
const (
	maxHost  = 8_000
	maxNotes = 10
	maxLine  = 600
)

func short(line string) string {
	if len(line) <= maxLine {
		return line
	}
	return strings.ToValidUTF8(line[:maxLine], "") + "…"
}

// What text from a machine or a fleet may not do on a forge's page: HTML, mentions, further lines; in Markdown also markup.
var (
	inHTML     = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", "@", "@\u200b", "\n", " ", "\r", " ")
	inMarkdown = strings.NewReplacer("\\", "&#92;", "*", "&#42;", "_", "&#95;", "[", "&#91;", "]", "&#93;", "|", "&#124;", "~", "&#126;", "`", "&#96;",
		"://", ":\u200b//", "www.", "www.\u200b")
	// aNumber is what forges take for an issue, a merge request and the like; like bare addresses it becomes a link unless a space without width breaks it.
	aNumber = regexp.MustCompile(`([#!$%])([\pL\pN])`)
)

// plain makes text safe in Markdown. What stands in backquotes that pair, as the commands in our own words do, is code: no markup is read there.
func plain(text string) string {
	spans := strings.Split(text, "`")
	if len(spans)%2 == 0 {
		return inert(text)
	}
	for i := range spans {
		if i%2 == 0 {
			spans[i] = inert(spans[i])
		} else {
			spans[i] = inHTML.Replace(spans[i])
		}
	}
	return strings.Join(spans, "`")
}

// inert makes text safe in HTML and in Markdown: a character reference begins no markup (CommonMark 0.31, 2.5).
func inert(text string) string {
	return inMarkdown.Replace(inHTML.Replace(aNumber.ReplaceAllString(text, "$1\u200b$2")))
}
