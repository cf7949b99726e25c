package status

import (
	"bytes"
	"fmt"
	"html"
	"slices"
	"sort"
	"strings"

	"github.com/gitmetal/ingot/reconcile/plan"
	"github.com/gitmetal/ingot/reconcile/rollout"
	"github.com/gitmetal/ingot/schemas"
)

// Files of the whole fleet on the status branch.
const (
	FleetPath = "fleet.yaml"
	BoardPath = "README.md"
)

// Fleet is the document of the whole fleet.
type Fleet struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"` // FleetStatus
	// Commit is the accepted commit.
	Commit string `json:"commit"`
	Title  string `json:"title,omitempty"`
	// Refused is the newest commit when it is not the accepted one, and Findings say why.
	Refused  string   `json:"refused,omitempty"`
	Findings []string `json:"findings,omitempty"`
	// Frozen says why nothing is erased until an operator has looked; "" when that is not so.
	Frozen string             `json:"frozen,omitempty"`
	Paused string             `json:"paused,omitempty"` // why no operation begins anywhere
	Hosts  map[string]int     `json:"hosts"`            // by phase
	Rings  []rollout.Progress `json:"rings,omitempty"`
}

// maxFindings is how many findings of a refused commit are written.
const maxFindings = 100

// NewFleet completes the fleet's document, whose commits and title the caller gives, with findings and its hosts' documents.
func NewFleet(f Fleet, findings []schemas.Finding, hosts []Document) Fleet {
	f.APIVersion, f.Kind, f.Hosts = schemas.APIVersion, "FleetStatus", map[string]int{}
	for i, finding := range findings {
		if i == maxFindings {
			f.Findings = append(f.Findings, fmt.Sprintf("…and %d more", len(findings)-maxFindings))
			break
		}
		f.Findings = append(f.Findings, finding.String())
	}
	for _, d := range hosts {
		f.Hosts[string(d.Phase)]++
	}
	return f
}

// Encode gives the document's bytes.
func (f Fleet) Encode() []byte { return encode(f) }

// order of phases on the board: what needs a person first.
var order = []plan.Phase{plan.Failed, plan.Held, plan.Waiting, plan.Pending, plan.Installing, plan.Inspecting, plan.Starting, plan.Orphaned, plan.Protected, plan.Unmanaged, plan.Active}

// maxRows is how many hosts the board lists; forges cut longer pages.
const maxRows = 500

// Board is the page that a forge shows for the status branch: counts, who waits for a person and for what, then everybody.
func Board(f Fleet, hosts []Document) []byte {
	hosts = slices.Clone(hosts)
	sort.Slice(hosts, func(i, j int) bool {
		a, b := rank(hosts[i].Phase), rank(hosts[j].Phase)
		return a < b || a == b && hosts[i].Metadata.Name < hosts[j].Metadata.Name
	})
	var b bytes.Buffer
	fmt.Fprintf(&b, "# Fleet\n\nAccepted commit `%s` %s\n\n", short(f.Commit), cell(f.Title))
	refusal(&b, f)
	counts(&b, f)
	rings(&b, f)
	people(&b, hosts)
	table(&b, hosts)
	return b.Bytes()
}

// rings has a row for each ring: what it runs, and how far it is.
func rings(b *bytes.Buffer, f Fleet) {
	if len(f.Rings) == 0 {
		return
	}
	b.WriteString("## Rings\n\n| Ring | Release | Done | Changing | Held | Failed | |\n|---|---|---:|---|---|---|---|\n")
	for _, r := range f.Rings {
		release := "trunk"
		if r.Tag != "" {
			release = cell(r.Tag)
		}
		note := r.Trouble
		if r.Paused != "" {
			note = "paused: " + r.Paused
		}
		fmt.Fprintf(b, "| %s | %s `%s` | %d of %d | %s | %s | %s | %s |\n", r.Name, release, short(r.Commit), r.Done, r.Hosts, few(r.Changing), few(r.Held), few(r.Failed), cell(note))
	}
	b.WriteString("\n")
}

// few names some hosts.
func few(hosts []string) string {
	const most = 8
	if len(hosts) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(hosts[:most], ", "), len(hosts)-most)
	}
	return strings.Join(hosts, ", ")
}

func refusal(b *bytes.Buffer, f Fleet) {
	if f.Frozen != "" {
		fmt.Fprintf(b, "> **Nothing is erased until an operator has looked:** %s\n\n", cell(f.Frozen))
	}
	if f.Paused != "" {
		fmt.Fprintf(b, "> **Nothing begins:** %s\n\n", cell(f.Paused))
	}
	if f.Refused == "" {
		return
	}
	fmt.Fprintf(b, "> **Commit `%s` is refused** and changes nothing:\n>\n", short(f.Refused))
	for _, finding := range f.Findings {
		fmt.Fprintf(b, "> - %s\n", cell(finding))
	}
	b.WriteString("\n")
}

func counts(b *bytes.Buffer, f Fleet) {
	b.WriteString("| Phase | Hosts |\n|---|---:|\n")
	for _, phase := range order {
		if n := f.Hosts[string(phase)]; n > 0 {
			fmt.Fprintf(b, "| %s | %d |\n", phase, n)
		}
	}
	b.WriteString("\n")
}

func people(b *bytes.Buffer, hosts []Document) {
	first := true
	for _, d := range hosts {
		if d.Hold == nil && d.Error == "" {
			continue
		}
		if first {
			b.WriteString("## Needs a look\n\n")
			first = false
		}
		fmt.Fprintf(b, "- **[%s](%s)** %s: ", d.Metadata.Name, Path(d.Metadata.Name), d.Phase)
		switch {
		case d.Hold != nil:
			b.WriteString(cell(d.Hold.Message))
			if d.Hold.Consent != "" {
				fmt.Fprintf(b, "\n  To allow it: `ingot consent %s`, or in `%s`:\n\n  ```yaml\n  consent: {erase: %q}\n  ```\n", d.Metadata.Name, d.File, d.Hold.Consent)
			}
		default:
			b.WriteString(cell(d.Error))
		}
		b.WriteString("\n")
	}
	if !first {
		b.WriteString("\n")
	}
}

func table(b *bytes.Buffer, hosts []Document) {
	b.WriteString("## Hosts\n\n| Host | Phase | Workload | Installed from | Disk | Waits for |\n|---|---|---|---|---|---|\n")
	for i, d := range hosts {
		if i == maxRows {
			fmt.Fprintf(b, "\n…and %d more.\n", len(hosts)-maxRows)
			return
		}
		from, disk := "", ""
		if d.Installed != nil {
			from, disk = "`"+short(d.Installed.Commit)+"`", d.Installed.Disk.Label()
		}
		fmt.Fprintf(b, "| [%s](%s) | %s | %s | %s | %s | %s |\n", d.Metadata.Name, Path(d.Metadata.Name), d.Phase, d.Workload, from, cell(disk), cell(d.Waits))
	}
}

func rank(phase plan.Phase) int { return slices.Index(order, phase) }

// markup is what could make more than text of text; a character reference begins no markup (CommonMark 0.31, 2.5).
var markup = strings.NewReplacer(
	"|", "&#124;", "[", "&#91;", "]", "&#93;", "*", "&#42;", "_", "&#95;", "~", "&#126;", "\\", "&#92;", "@", "@\u200b", "`", "'", "\n", " ", "\r", " ",
)

// cell makes text safe inside a table or a list of a page that a forge renders: no HTML, no links, no mentions, one line.
func cell(text string) string { return markup.Replace(html.EscapeString(text)) }

func short(commit string) string {
	return commit[:min(len(commit), 10)]
}
