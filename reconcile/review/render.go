package review

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/gitmetal/ingot/reconcile/plan/change"
)

// RenderText renders the review for a terminal.
func (r Review) RenderText() string {
	var b strings.Builder
	for _, g := range groupHosts(r.Hosts) {
		b.WriteString(g.renderText())
	}
	b.WriteString(r.renderRuns())
	switch {
	case len(r.Runs) > 0:
	case len(r.Hosts) == 0 && len(r.Rules) == 0:
		b.WriteString("No changes. No machine is touched.\n\n")
	case len(r.Hosts) == 0:
		b.WriteString("No machine is touched.\n\n")
	}
	if len(r.Rules) > 0 {
		b.WriteString("Rules:\n")
		for _, rule := range r.Rules {
			b.WriteString("    " + makePrintable(rule.describe()) + "\n")
		}
		b.WriteString("\n")
	}
	for _, change := range r.Configs {
		b.WriteString(change.renderText())
	}
	for _, note := range r.Notes {
		b.WriteString("Note: " + makePrintable(note) + "\n\n")
	}
	for _, line := range r.unreadableNotes() {
		b.WriteString(makePrintable(line) + "\n\n")
	}
	for _, u := range r.UnsignedTags() {
		fmt.Fprintf(&b, "%s\n", makePrintable(u.describeMissing()))
		for _, command := range u.Commands {
			fmt.Fprintf(&b, "    %s\n", command)
		}
		b.WriteString("\n")
	}
	b.WriteString(r.SummaryLine() + "\n")
	return b.String()
}

// unreadableNotes warns of unreadable pages of hosts outside the review: a machine of the review may be known under
// such a page.
func (r Review) unreadableNotes() []string {
	told := map[string]bool{}
	for _, h := range r.Hosts {
		told[h.Unknown] = true
	}
	var all []string
	for _, host := range slices.Sorted(maps.Keys(r.Unreadable)) {
		if why := r.Unreadable[host]; !told[why] {
			all = append(all, "Note: "+string(host)+": "+why+". This change asks nothing of that name; a host that "+
				"is new here may be its machine.")
		}
	}
	return all
}

// mendAdvice says what to do about an unreadable page.
const mendAdvice = "nothing can be said of what this does to the machine, it may be ERASED: a running daemon writes " +
	"its pages again, then fetch the status branch; without one, restore the page from the branch's history"

// EncodeJSON encodes the review for programs, indented, with a final newline.
func (r Review) EncodeJSON() ([]byte, error) {
	body, err := json.MarshalIndent(Document{r, r.CountHosts(), r.UnsignedTags()}, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encode review: %w", err)
	}
	return append(body, '\n'), nil
}

// makePrintable replaces control characters, so that text from a machine cannot command a terminal.
func makePrintable(text string) string {
	return strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, text)
}

func (h Host) textMark() string {
	switch {
	case h.Unknown != "":
		return "???"
	case h.Erases:
		return "-/+"
	case h.Verdict == change.Install:
		return "  +"
	case h.Verdict == change.HandsOff:
		return "  ."
	default:
		return "  ~"
	}
}

// describeVerdict says in one clause what happens to the host.
func (h Host) describeVerdict() string {
	what := ""
	if h.isPending() {
		return "pending in ring " + h.Ring
	}
	if h.isLater() {
		return "other steps from the next operation on"
	}
	if h.Orphaned {
		return "orphaned, hands off"
	}
	if h.Unknown != "" {
		return "UNKNOWN, perhaps erased"
	}
	switch h.Verdict {
	case change.Reinstall:
		what = h.nameWork("reinstall with ") + ", ERASES " + h.nameErased()
	case change.Install:
		what = h.nameWork("install ")
		if h.Disk != "" {
			what += " on disk " + h.Disk
		}
		switch {
		case h.erasesRoot():
			what += ", ERASES whatever is on it"
		case h.Erases:
			what += ", ERASES " + h.nameErased()
		}
	case change.TurnOn:
		what = "power on, if it is off"
	case change.TurnOff:
		what = "power off, gracefully first"
	case change.HandsOff:
		what = "hands off"
	case change.Nothing:
		if what = strings.Join(h.Requests, "; "); what == "" {
			what = "nothing to do any more"
		}
	default:
		what = string(h.Verdict)
	}
	if h.Held {
		return "HELD: " + what
	}
	return what
}

// nameWork names the work on the machine, in a workload's case behind a verb.
func (h Host) nameWork(verb string) string {
	if h.Retires {
		return "retire the machine"
	}
	return verb + h.Workload
}

// erasesRoot reports whether the root disk is erased: of a disk that nobody looked at no other disk is known.
func (h Host) erasesRoot() bool {
	others := slices.ContainsFunc(h.Others, func(d Disk) bool { return d.Erases })
	return h.Verdict == change.Reinstall || h.Erases && !others
}

// nameErased names the disks that are erased.
func (h Host) nameErased() string {
	var labels []string
	if h.erasesRoot() {
		labels = append(labels, h.Disk)
	}
	for _, other := range h.Others {
		if other.Erases {
			labels = append(labels, other.Disk)
		}
	}
	if len(labels) == 1 {
		return "disk " + labels[0]
	}
	last := len(labels) - 1
	return "disks " + strings.Join(labels[:last], ", ") + " and " + labels[last]
}

// describeStart says how an installation without a hold begins.
func (h Host) describeStart() []string {
	lines := []string{"the machine is powered off and started from the ramdisk"}
	if h.Unowned {
		lines = []string{"the machine is started from the ramdisk if it is off; one that is found running is held " +
			"until `ingot consent --takeover " + h.Name + "`"}
	}
	if h.Ring != "" {
		lines = append(lines, "in its turn in ring "+h.Ring)
	}
	if h.Stopped != "" {
		lines = append(lines, h.Stopped)
	}
	return lines
}

func (h Host) listDetails() []string {
	var lines []string
	if h.Unknown != "" {
		lines = append(lines, h.Unknown, mendAdvice)
	}
	if h.Verdict != change.Nothing {
		lines = append(lines, h.Requests...)
	}
	for _, why := range h.Why {
		lines = append(lines, "because "+why)
	}
	if h.Content != "" {
		lines = append(lines, "on the disk now: "+h.Content)
	}
	for _, disk := range h.OtherDisks {
		lines = append(lines, "also writes "+disk.String())
	}
	for _, other := range h.Others {
		lines = append(lines, fmt.Sprintf("on disk %s (%s) now: %s", other.Disk, strings.Join(other.Devices, ", "),
			other.Content))
	}
	for _, what := range h.Lifted {
		lines = append(lines, "it was due before; out of its way now: "+what)
	}
	lines = append(lines, h.describeSettings()...)
	lines = append(lines, h.describeSteps()...)
	for _, what := range h.Later {
		lines = append(lines, what+": from the next operation on, nothing is reinstalled")
	}
	if h.Reboots && !h.Held {
		lines = append(lines, h.describeStart()...)
	}
	if h.Pending != "" {
		lines = append(lines, h.Pending)
	}
	if h.Hold != "" {
		lines = append(lines, "held: "+h.Hold)
	}
	if len(h.Consent) > 0 {
		lines = append(lines, fmt.Sprintf("to allow it, run `ingot consent%s %s` or write in %s:", h.Tags, h.Name, h.File),
			fmt.Sprintf("  consent: {erase: %s}", h.Consent))
	} else if len(h.Given) > 0 && h.Erases {
		lines = append(lines, "consent given: "+strings.Join(h.Given, ", "))
	}
	return lines
}
