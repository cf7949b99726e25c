package status

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/gitmetal/ingot/reconcile/plan"
)

// Files of the whole fleet on the status branch.
const (
	FleetPath = "fleet.yaml"
	BoardPath = "README.md"
)

// PhaseOrder is the order of phases in every list: the phases that need a person first.
func PhaseOrder() []plan.Phase { return slices.Clone(phaseOrder) }

var phaseOrder = []plan.Phase{plan.Failed, plan.Held, plan.Waiting, plan.Pending, plan.Installing, plan.Retiring, plan.Inspecting,
	plan.Running, plan.Starting, plan.Maintaining, plan.Orphaned, plan.Protected, plan.Retired, plan.Unmanaged, plan.Active}

// How many hosts the board lists; forges cut longer pages.
const (
	maxRows   = 500
	maxPeople = 100
)

// Board is the page that a forge shows for the status branch: counts, the hosts that wait for a person, the results
// of the last commits, then every host.
func Board(f Fleet, hosts []Document) []byte {
	hosts = slices.Clone(hosts)
	sort.Slice(hosts, func(i, j int) bool {
		a, b := rankPhase(hosts[i].Phase), rankPhase(hosts[j].Phase)
		return a < b || a == b && hosts[i].Metadata.Name < hosts[j].Metadata.Name
	})
	var b bytes.Buffer
	b.WriteString("# Fleet\n\n")
	if f.Commit == "" {
		b.WriteString("No commit is accepted yet.\n\n")
	} else {
		fmt.Fprintf(&b, "Accepted commit %s %s\n\n", codeSpan(shortCommit(f.Commit)), escapeCell(f.Title))
	}
	if f.Daemon != nil {
		fmt.Fprintf(&b, "Run by the daemon on %s\n\n", escapeCell(f.Daemon.Label()))
	}
	writeRefusal(&b, f)
	writeCounts(&b, hosts)
	if unreached := DescribeUnreached(hosts); unreached != "" {
		fmt.Fprintf(&b, "> **%s**\n\n", escapeCell(unreached))
	}
	switch f.Proposals {
	case 0:
	case 1:
		b.WriteString("> **1 machine waits to be merged**\n\n")
	default:
		fmt.Fprintf(&b, "> **%d machines wait to be merged**\n\n", f.Proposals)
	}
	writeRings(&b, f)
	writeRuns(&b, f)
	writePeople(&b, hosts)
	writeCommits(&b, f, hosts)
	writeActs(&b, f)
	writeHosts(&b, hosts)
	return b.Bytes()
}

// writeRings writes a row for each ring: the release, and how far the ring is.
func writeRings(b *bytes.Buffer, f Fleet) {
	if len(f.Rings) == 0 {
		return
	}
	b.WriteString("## Rings\n\n| Ring | Release | Done | Changing | Held | Failed | " +
		"|\n|---|---|---:|---|---|---|---|\n")
	for _, r := range f.Rings {
		release := "trunk"
		if r.Tag != "" {
			release = escapeCell(r.Tag)
		}
		note := r.Trouble
		if r.Paused != "" {
			note = "paused: " + r.Paused
		}
		fmt.Fprintf(b, "| %s | %s %s | %d of %d | %s | %s | %s | %s |\n", escapeCell(r.Name), release,
			codeSpan(shortCommit(r.Commit)), r.Done, r.Hosts, nameSome(r.Changing, escapeCell), nameSome(r.Held, escapeCell),
			nameSome(r.Failed, escapeCell), escapeCell(note))
	}
	b.WriteString("\n")
}

// nameSome names the first hosts of a list, and counts the rest.
func nameSome(hosts []string, escape func(string) string) string {
	const most = 8
	if len(hosts) > most {
		return fmt.Sprintf("%s and %d more", escape(strings.Join(hosts[:most], ", ")), len(hosts)-most)
	}
	return escape(strings.Join(hosts, ", "))
}

// writeRefusal writes why the fleet is frozen, paused, or at an older commit than the newest.
func writeRefusal(b *bytes.Buffer, f Fleet) {
	if f.Frozen != "" {
		fmt.Fprintf(b, "> **Nothing is erased until an operator has looked:** %s\n\n", escapeCell(f.Frozen))
	}
	if f.Paused != "" {
		fmt.Fprintf(b, "> **Nothing begins:** %s\n\n", escapeCell(f.Paused))
	}
	if f.Refused == "" {
		return
	}
	fmt.Fprintf(b, "> **Commit %s is refused** and changes nothing:\n>\n", codeSpan(shortCommit(f.Refused)))
	for _, finding := range f.Findings {
		fmt.Fprintf(b, "> - %s\n", escapeCell(finding))
	}
	b.WriteString("\n")
}

// writeCounts writes a row for each phase, and a column for each ring.
func writeCounts(b *bytes.Buffer, hosts []Document) {
	tally := CountHosts(hosts)
	columns := tally.ListRings()
	b.WriteString("| Phase | Hosts |")
	for _, ring := range columns {
		fmt.Fprintf(b, " %s |", escapeCell(cmp.Or(ring, "no ring")))
	}
	b.WriteString("\n|---|---:|" + strings.Repeat("---:|", len(columns)) + "\n")
	for _, phase := range phaseOrder {
		if n := tally.CountPhase(phase); n > 0 {
			fmt.Fprintf(b, "| %s | %d |", phase, n)
			for _, ring := range columns {
				fmt.Fprintf(b, " %s |", strings.TrimPrefix(strconv.Itoa(tally.CountInRing(phase, ring)), "0"))
			}
			b.WriteString("\n")
		}
	}
	b.WriteString("\n")
}

// writeLargeGroups writes a line for each large group, and gives the hosts of the others.
func writeLargeGroups(b *bytes.Buffer, hosts []Document) (others []Document) {
	large, grouped := SplitLarge(hosts)
	for _, g := range large {
		fmt.Fprintf(b, "- **%d hosts** %s (%s): %s. The first: %s. All: %s", len(g.Hosts), escapeCell(string(g.Phase)),
			escapeCell(string(g.Cause)), escapeCell(g.NameSome()), escapeCell(g.Why()), codeSpan(g.ListCommand()))
		if allow := g.AllowCommand(); allow != "" {
			fmt.Fprintf(b, "\n  To allow it for all: %s", codeSpan(allow))
		}
		b.WriteString("\n")
	}
	return slices.DeleteFunc(slices.Clone(hosts), func(d Document) bool { return grouped[d.Metadata.Host()] })
}

// writePeople writes the hosts that wait for a person, with the message of the hold.
func writePeople(b *bytes.Buffer, hosts []Document) {
	hosts = slices.DeleteFunc(slices.Clone(hosts), func(d Document) bool { return d.Hold == nil && d.Error == "" })
	if len(hosts) == 0 {
		return
	}
	b.WriteString("## Needs a look\n\n")
	hosts = writeLargeGroups(b, hosts)
	for i, d := range hosts {
		if i == maxPeople {
			fmt.Fprintf(b, "- …and %d more\n", len(hosts)-maxPeople)
			break
		}
		fmt.Fprintf(b, "- **[%s](%s)** %s: ", escapeCell(d.Metadata.Label()), Path(d.Metadata.Host()),
			escapeCell(string(d.Phase)))
		switch {
		case d.Hold != nil:
			b.WriteString(escapeCell(d.Hold.Message))
			if len(d.Hold.Consent) > 0 {
				fmt.Fprintf(b, "\n  To allow it: %s, or in %s:\n\n  ```yaml\n  consent: {erase: %s}\n  ```",
					codeSpan("ingot consent "+d.Metadata.Name), codeSpan(d.File), d.Hold.Consent)
			}
			if len(d.Hold.Countersign) > 0 {
				b.WriteString("\n  To sign the tag too, somebody else who may sign tags runs:\n\n  ```sh\n")
				for _, command := range d.Hold.Countersign {
					fmt.Fprintf(b, "  %s\n", oneLine(command))
				}
				b.WriteString("  ```")
			}
		default:
			b.WriteString(escapeCell(d.Error))
		}
		if trouble := d.SecretTrouble(); trouble != "" {
			b.WriteString("\n  Besides, the BMC is not asked: " + escapeCell(trouble))
		}
		b.WriteString("\n")
	}
	b.WriteString("\n")
}

// writeCommits writes a row for each of the last accepted commits: the hosts that were installed from the commit, and
// the hosts that wait for consent.
func writeCommits(b *bytes.Buffer, f Fleet, hosts []Document) {
	if len(f.Commits) == 0 {
		return
	}
	b.WriteString("## Last commits\n\n| Commit | | Installed on | Installing | Failed on | Wait for consent " +
		"|\n|---|---|---|---|---|---|\n")
	for _, did := range CollectDeeds(f.Commits, hosts) {
		fmt.Fprintf(b, "| %s | %s | %s | %s | %s | %s |\n", codeSpan(shortCommit(did.Commit.Commit)),
			escapeCell(did.Title), nameSome(did.Installed, escapeCell), nameSome(did.Installing, escapeCell),
			nameSome(did.Failed, escapeCell), nameSome(did.Held, escapeCell))
	}
	b.WriteString("\n")
}

// writeActs writes a line for each of the last acts of operators.
func writeActs(b *bytes.Buffer, f Fleet) {
	if len(f.Acts) == 0 {
		return
	}
	b.WriteString("## Operators\n\n")
	for _, act := range f.Acts {
		fmt.Fprintf(b, "- %s %s: %s\n", act.At.UTC().Format(time.RFC3339), escapeCell(act.By), escapeCell(act.What))
	}
	b.WriteString("\n")
}

// writeHosts writes a row for each host.
func writeHosts(b *bytes.Buffer, hosts []Document) {
	b.WriteString("## Hosts\n\n| Host | Phase | Workload | Installed from | Disk | Waits for " +
		"|\n|---|---|---|---|---|---|\n")
	for i, d := range hosts {
		if i == maxRows {
			fmt.Fprintf(b, "\n…and %d more.\n", len(hosts)-maxRows)
			return
		}
		from, disk := "", ""
		if d.Installed != nil {
			from, disk = codeSpan(shortCommit(d.Installed.Commit)), d.Installed.Disk.Label()
		}
		fmt.Fprintf(b, "| [%s](%s) | %s | %s | %s | %s | %s |\n", escapeCell(d.Metadata.Label()),
			Path(d.Metadata.Host()), escapeCell(string(d.Phase)), escapeCell(d.Workload), from, escapeCell(disk),
			escapeCell(cmp.Or(d.Waits, d.Pending)))
	}
}

// rankPhase is the place of a phase in PhaseOrder.
func rankPhase(phase plan.Phase) int { return slices.Index(phaseOrder, phase) }
