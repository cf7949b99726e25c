package review

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/gitmetal/ingot/reconcile/plan"
)

// MaxMarkdown is the most a Markdown review has, in bytes: forges refuse comments over 64 KiB.
const MaxMarkdown = 60_000

// Summary is one line: how many hosts are erased, installed, held, left alone.
func (r Review) Summary() string {
	var erases, installs, held, other, pending int
	for _, h := range r.Hosts {
		switch {
		case h.idle():
			pending++
		case h.Erases && !h.Held:
			erases++
		case h.Held:
			held++
		case h.Verdict == plan.Install:
			installs++
		default:
			other++
		}
	}
	waits := ""
	if pending > 0 {
		waits = fmt.Sprintf("%d pending in their rings, ", pending)
	}
	return fmt.Sprintf("Plan: %d to erase and reinstall, %d to install, %d held, %d other, %s%d unchanged.", erases, installs, held, other, waits, r.Unchanged)
}

// Text is the review for a terminal.
func (r Review) Text() string {
	var b strings.Builder
	for _, h := range r.Hosts {
		fmt.Fprintf(&b, "%s %s: %s\n", h.mark(), h.Name, h.headline())
		for _, line := range h.details() {
			fmt.Fprintf(&b, "    %s\n", line)
		}
		b.WriteString("\n")
	}
	if len(r.Hosts) == 0 {
		b.WriteString("No changes. No machine is touched.\n\n")
	}
	b.WriteString(r.Summary() + "\n")
	return b.String()
}

// Markdown is the review for a comment on a pull request, at most MaxMarkdown bytes; what was cut is counted.
func (r Review) Markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "### ingot plan\n\n**%s**\n\n", r.Summary())
	if len(r.Hosts) == 0 {
		b.WriteString("No machine is touched.\n")
		return b.String()
	}
	for i, h := range r.Hosts {
		entry := h.markdown()
		if b.Len()+len(entry) > MaxMarkdown-200 {
			fmt.Fprintf(&b, "\n…and %d more hosts; `ingot plan` in a clone shows them all.\n", len(r.Hosts)-i)
			break
		}
		b.WriteString(entry)
	}
	return b.String()
}

// JSON is the review for programs, indented, with a newline at its end.
func (r Review) JSON() ([]byte, error) {
	body, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encode review: %w", err)
	}
	return append(body, '\n'), nil
}

func (h Host) mark() string {
	switch {
	case h.Erases:
		return "-/+"
	case h.Verdict == plan.Install:
		return "  +"
	case h.Verdict == plan.HandsOff:
		return "  ."
	default:
		return "  ~"
	}
}

// headline says what happens in one clause.
func (h Host) headline() string {
	what := ""
	if h.idle() {
		return "pending in ring " + h.Ring
	}
	switch h.Verdict {
	case plan.Reinstall:
		what = fmt.Sprintf("reinstall with %s, ERASES disk %s", h.Workload, h.Disk)
	case plan.Install:
		what = fmt.Sprintf("install %s", h.Workload)
		if h.Disk != "" {
			what += " on disk " + h.Disk
		}
		if h.Erases {
			what += ", ERASES whatever is on it"
		}
	case plan.TurnOn:
		what = "power on"
	case plan.TurnOff:
		what = "power off"
	case plan.HandsOff:
		what = "hands off"
	case plan.Nothing:
		what = "nothing to do any more"
	default:
		what = string(h.Verdict)
	}
	if h.Held {
		return "HELD: " + what
	}
	return what
}

func (h Host) details() []string {
	var lines []string
	for _, why := range h.Why {
		lines = append(lines, "because "+why)
	}
	if h.Content != "" {
		lines = append(lines, "on the disk now: "+h.Content)
	}
	if h.Reboots && !h.Held {
		lines = append(lines, "the machine is powered off and started from the ramdisk")
	}
	if h.Ring != "" && h.Reboots && !h.Held {
		lines = append(lines, "in its turn in ring "+h.Ring)
	}
	if h.Pending != "" {
		lines = append(lines, h.Pending)
	}
	if h.Hold != "" {
		lines = append(lines, "held: "+h.Hold)
	}
	if h.Consent != "" {
		lines = append(lines, fmt.Sprintf("to allow it, run `ingot consent %s` or write in %s:", h.Name, h.File), fmt.Sprintf("  consent: {erase: %q}", h.Consent))
	} else if h.Given != "" && h.Erases {
		lines = append(lines, "consent given: "+h.Given)
	}
	return lines
}

func (h Host) markdown() string {
	icon := map[bool]string{true: "🔴", false: "🔵"}[h.Erases]
	if h.Held {
		icon = "🟡"
	}
	if h.idle() {
		icon = "⚪"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "<details><summary>%s <b>%s</b>: %s</summary>\n\n", icon, inert(h.Name), inert(h.headline()))
	for _, line := range h.details() {
		if strings.HasPrefix(line, "  ") {
			fmt.Fprintf(&b, "  ```yaml\n%s\n  ```\n", line)
			continue
		}
		fmt.Fprintf(&b, "- %s\n", plain(line))
	}
	b.WriteString("\n</details>\n\n")
	return b.String()
}

// What text from a machine or a fleet may not do on a forge's page: HTML, mentions, further lines; in Markdown also markup.
var (
	inHTML     = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", "@", "@\u200b", "\n", " ", "\r", " ")
	inMarkdown = strings.NewReplacer("\\", "&#92;", "*", "&#42;", "_", "&#95;", "[", "&#91;", "]", "&#93;", "|", "&#124;", "~", "&#126;", "`", "&#96;")
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
func inert(text string) string { return inMarkdown.Replace(inHTML.Replace(text)) }
