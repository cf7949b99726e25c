package review

import (
	"fmt"
	"slices"
	"strings"

	"github.com/gitmetal/ingot/reconcile/plan/change"
)

// minGroup is the number of hosts from which on hosts with the same change share their lines in a terminal.
const minGroup = 5

// group is hosts of which a review says the same, but for their names, files, disks and consents.
type group struct {
	lines []string // the first line and the details, with words in place of what differs
	hosts []Host
}

// groupHosts groups hosts in their order: a group stands where its first host stood. A group of few hosts is taken
// apart.
func groupHosts(hosts []Host) (groups []group) {
	index := map[string]int{}
	for _, h := range hosts {
		lines := h.listShared()
		key := strings.Join(lines, "\n")
		at, known := index[key]
		if !known {
			at = len(groups)
			index[key] = at
			groups = append(groups, group{lines: lines})
		}
		groups[at].hosts = append(groups[at].hosts, h)
	}
	var apart []group
	for _, g := range groups {
		if len(g.hosts) >= minGroup {
			apart = append(apart, g)
			continue
		}
		for _, h := range g.hosts {
			apart = append(apart, group{hosts: []Host{h}})
		}
	}
	return apart
}

// renderText renders a group for a terminal: a single host as it is, several with a line each for what differs.
func (g group) renderText() string {
	var b strings.Builder
	if len(g.hosts) == 1 {
		h := g.hosts[0]
		fmt.Fprintf(&b, "%s %s: %s\n", h.textMark(), h.displayName(), makePrintable(h.describeVerdict()))
		for _, line := range h.listDetails() {
			fmt.Fprintf(&b, "    %s\n", makePrintable(line))
		}
		return b.String() + "\n"
	}
	fmt.Fprintf(&b, "%s %d hosts: %s\n", g.hosts[0].textMark(), len(g.hosts), makePrintable(g.lines[0]))
	for _, line := range g.lines[1:] {
		fmt.Fprintf(&b, "    %s\n", makePrintable(line))
	}
	for _, h := range g.hosts {
		fmt.Fprintf(&b, "    - %s\n", makePrintable(h.describeOwn()))
	}
	return b.String() + "\n"
}

// listShared gives the lines of a host with words in place of its name, file, disks and consents.
func (h Host) listShared() []string {
	lines := append([]string{h.textMark() + h.describeVerdict()}, h.listDetails()...)
	own := []string{}
	add := func(text, word string) {
		if text != "" {
			own = append(own, text, word)
		}
	}
	add(fmt.Sprintf("consent: {erase: %s}", h.Consent), "consent: {erase: …}, for each host below")
	for _, given := range h.Given {
		add(given, "…")
	}
	add(h.File, "each file")
	for _, disk := range h.Others {
		add(disk.Disk, "DISK")
	}
	add(h.Disk, "DISK")
	add("consent"+h.Tags+" "+h.Name+"`", "consent"+h.Tags+" HOST…`")
	add("--takeover "+h.Name+"`", "--takeover HOST…`")
	replacer := strings.NewReplacer(own...)
	for i, line := range lines {
		lines[i] = replacer.Replace(line)
	}
	lines[0] = strings.TrimPrefix(lines[0], h.textMark())
	return lines
}

// describeOwn says what is a host's own in a group: every disk that is written to is named.
func (h Host) describeOwn() string {
	parts := []string{}
	if writes := h.Verdict == change.Install || h.Verdict == change.Reinstall; h.Disk != "" && writes {
		disks := []string{h.Disk}
		for _, other := range h.Others {
			disks = append(disks, other.Disk)
		}
		what := "disk "
		if h.Erases { // as in the line of a single host
			what = "ERASES disk "
		}
		parts = append(parts, what+strings.Join(disks, ", "))
	}
	if len(h.Consent) > 0 {
		parts = append(parts, fmt.Sprintf("%s: consent: {erase: %s}", h.File, h.Consent))
	} else if len(h.Given) > 0 && h.Erases {
		parts = append(parts, "consent "+strings.Join(h.Given, ", "))
	}
	return strings.Join(slices.Insert(parts, 0, h.displayName()), ": ")
}
