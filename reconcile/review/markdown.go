package review

import (
	"fmt"
	"regexp"
	"strings"
)

// Marker is the first line of the Markdown. The line is invisible, and a poster finds the comment again by the line.
// The text never changes.
const Marker = "<!-- ingot-plan -->"

// MaxMarkdown is the largest size of a Markdown review, in bytes: forges refuse comments over 64 KiB.
const MaxMarkdown = 60_000

// Sizes of the parts of a long comment: hosts with all details, then hosts of one line each, then the count of the
// rest.
const (
	maxDetails = 40_000
	maxLines   = MaxMarkdown - 600
)

// RenderMarkdown renders the review for a comment on a pull request, at most MaxMarkdown bytes. Hosts that need the
// most care come first. Further hosts get a line each, and the last hosts are counted.
func (r Review) RenderMarkdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n### ingot plan\n\n**%s**\n\n", Marker, r.SummaryLine())
	if r.Status == "" {
		b.WriteString("There is no status branch: every machine counts as never seen.\n\n")
	}
	for i, rule := range r.Rules {
		if i == maxNotes {
			fmt.Fprintf(&b, "- …and %d more rules: `ingot plan` in a clone shows them.\n", len(r.Rules)-maxNotes)
			break
		}
		b.WriteString("- Rule: " + escapeMarkdown(shortenLine(rule.describe())) + "\n")
	}
	if len(r.Rules) > 0 {
		b.WriteString("\n")
	}
	r.writeRuns(&b)
	r.writeNotes(&b)
	for i, line := range r.unreadableNotes() {
		if i == maxNotes {
			fmt.Fprintf(&b, "…and %d more pages that cannot be read.\n\n", len(r.unreadableNotes())-maxNotes)
			break
		}
		b.WriteString(escapeMarkdown(shortenLine(line)) + "\n\n")
	}
	if len(r.Hosts) == 0 {
		if len(r.Runs) == 0 {
			b.WriteString("No machine is touched.\n")
		}
		return b.String()
	}
	for _, u := range r.UnsignedTags() {
		fmt.Fprintf(&b, "%s\n\n", escapeText(shortenLine(u.describeMissing())))
		if len(u.Commands) > 0 {
			fmt.Fprintf(&b, "```sh\n%s\n```\n\n", strings.Join(u.Commands, "\n"))
		}
	}
	rest := r.Hosts
	for ; len(rest) > 0; rest = rest[1:] {
		entry := rest[0].renderHost()
		if b.Len()+len(entry) > maxDetails {
			break
		}
		b.WriteString(entry)
	}
	if len(rest) > 0 {
		writeLines(&b, rest)
	}
	writeConfigs(&b, r.Configs)
	return b.String()
}

func (r Review) writeNotes(b *strings.Builder) {
	for i, note := range r.Notes {
		if i == maxNotes {
			fmt.Fprintf(b, "…and %d more notes: `ingot plan` in a clone shows them.\n\n", len(r.Notes)-maxNotes)
			break
		}
		b.WriteString("Note: " + escapeMarkdown(shortenLine(note)) + "\n\n")
	}
}

// writeLines writes one line per host as far as the lines fit, and counts the rest.
func writeLines(b *strings.Builder, hosts []Host) {
	fmt.Fprintf(b, "<details><summary>%d more hosts, a line each</summary>\n\n", len(hosts))
	rest := hosts
	for ; len(rest) > 0; rest = rest[1:] {
		line := fmt.Sprintf("- %s **%s**: %s\n", rest[0].markdownIcon(), escapeText(rest[0].displayName()),
			escapeText(shortenLine(rest[0].describeVerdict())))
		if b.Len()+len(line) > maxLines {
			break
		}
		b.WriteString(line)
	}
	b.WriteString("\n</details>\n\n")
	if len(rest) > 0 {
		cut := Review{Hosts: rest}.CountHosts()
		fmt.Fprintf(b, "…and %d more hosts that do not fit here: %s. `ingot plan` in a clone shows them all.\n",
			len(rest), strings.Join(cut.nonZeroCounts(), ", "))
	}
}

func (h Host) markdownIcon() string {
	switch {
	case h.Unknown != "":
		return "🔴"
	case h.Held:
		return "🟡"
	case h.isPending(), h.isLater():
		return "⚪"
	case h.Erases:
		return "🔴"
	default:
		return "🔵"
	}
}

// renderHost renders one host, collapsed. Details over maxHost bytes are dropped.
func (h Host) renderHost() string {
	details := h.renderDetails()
	if len(details) > maxHost {
		details = "- the details do not fit here: `ingot plan` in a clone shows them\n"
	}
	return fmt.Sprintf("<details><summary>%s <b>%s</b>: %s</summary>\n\n%s\n</details>\n\n", h.markdownIcon(),
		escapeText(h.displayName()), escapeText(shortenLine(h.describeVerdict())), details)
}

func (h Host) renderDetails() string {
	var b strings.Builder
	for _, line := range h.listDetails() {
		if strings.HasPrefix(line, "  ") {
			fmt.Fprintf(&b, "  ```yaml\n%s\n  ```\n", line)
			continue
		}
		fmt.Fprintf(&b, "- %s\n", escapeMarkdown(shortenLine(line)))
	}
	return b.String()
}

// Limits of one host and of one reason, in bytes: no machine and no host fills the comment alone.
const (
	maxHost  = 8_000
	maxNotes = 10
	maxLine  = 600
)

func shortenLine(line string) string {
	if len(line) <= maxLine {
		return line
	}
	return strings.ToValidUTF8(line[:maxLine], "") + "…"
}

// Text from a machine or a fleet must not become HTML, a mention, a further line or, in Markdown, markup.
var (
	inHTML     = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", "@", "@\u200b", "\n", " ", "\r", " ")
	inMarkdown = strings.NewReplacer("\\", "&#92;", "*", "&#42;", "_", "&#95;", "[", "&#91;", "]", "&#93;", "|",
		"&#124;", "~", "&#126;", "`", "&#96;",
		"://", ":\u200b//", "www.", "www.\u200b")
	// issueNumber matches references to issues and merge requests, which forges turn into links unless a space without
	// width breaks the reference.
	issueNumber = regexp.MustCompile(`([#!$%])([\pL\pN])`)
)

// escapeMarkdown makes text safe in Markdown. Paired backquotes, as around the commands in ingot's own words, stay
// code without markup.
func escapeMarkdown(text string) string {
	spans := strings.Split(text, "`")
	if len(spans)%2 == 0 {
		return escapeText(text)
	}
	for i := range spans {
		if i%2 == 0 {
			spans[i] = escapeText(spans[i])
		} else {
			spans[i] = inHTML.Replace(spans[i])
		}
	}
	return strings.Join(spans, "`")
}

// escapeText makes text safe in HTML and in Markdown: a character reference begins no markup (CommonMark 0.31, 2.5).
func escapeText(text string) string {
	return inMarkdown.Replace(inHTML.Replace(issueNumber.ReplaceAllString(text, "$1\u200b$2")))
}
