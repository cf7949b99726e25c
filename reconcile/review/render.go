package review

import (
	"encoding/json"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/gitmetal/ingot/reconcile/plan"
)

// Text is the review for a terminal.
func (r Review) Text() string {
	var b strings.Builder
	for _, h := range r.Hosts {
		fmt.Fprintf(&b, "%s %s: %s\n", h.mark(), h.Name, printable(h.headline()))
		for _, line := range h.details() {
			fmt.Fprintf(&b, "    %s\n", printable(line))
		}
		b.WriteString("\n")
	}
	if len(r.Hosts) == 0 {
		b.WriteString("No changes. No machine is touched.\n\n")
	}
	for _, u := range r.Unsigned() {
		fmt.Fprintf(&b, "%s\n", printable(u.sentence()))
		for _, command := range u.Commands {
			fmt.Fprintf(&b, "    %s\n", command)
		}
		b.WriteString("\n")
	}
	b.WriteString(r.Summary() + "\n")
	return b.String()
}

// JSON is the review for programs, indented, with a newline at its end.
func (r Review) JSON() ([]byte, error) {
	body, err := json.MarshalIndent(Document{r, r.Counts(), r.Unsigned()}, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encode review: %w", err)
	}
	return append(body, '\n'), nil
}

// printable keeps what machines say of themselves from being commands to a terminal.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, text)
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
	if h.Orphaned {
		return "orphaned, hands off"
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
		what = "power on, if it is off"
	case plan.TurnOff:
		what = "power off, gracefully first"
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
