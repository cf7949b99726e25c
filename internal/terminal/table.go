package terminal

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/gitmetal/ingot/internal/daemon"
	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/plan"
	"github.com/gitmetal/ingot/reconcile/status"
)

// Table shows everything, as the board does: what stops the whole fleet, counts, rings, the last commits, hosts that need a person first, and in words what
// those wait for.
func Table(out io.Writer, v daemon.View) error {
	w := &writer{tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)}
	w.notices(v)
	hosts := documents(v.Hosts)
	w.counts(hosts)
	w.rings(v)
	w.commits(v, hosts)
	w.acts(v)
	w.hosts(v.Hosts)
	return w.Flush()
}

func documents(hosts []daemon.HostView) []status.Document {
	documents := make([]status.Document, 0, len(hosts))
	for _, h := range hosts {
		documents = append(documents, h.Document)
	}
	return documents
}

// Host shows one host; of the fleet only what stops it.
func Host(out io.Writer, v daemon.View) error {
	w := &writer{tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)}
	w.notices(v)
	w.hosts(v.Hosts)
	for _, h := range v.Hosts {
		w.host(h)
	}
	return w.Flush()
}

// writer keeps the first error for Flush, as a tabwriter does. A tab ends a cell; a line without one ends the columns.
type writer struct{ *tabwriter.Writer }

// print writes text that machines, commits and BMCs have a part in: nothing in it moves the cursor, or breaks a line or a column.
func (w *writer) print(format string, args ...any) {
	for i, arg := range args {
		if text, ok := arg.(string); ok {
			args[i] = plain(text)
		}
	}
	_, _ = fmt.Fprintf(w, format, args...)
}

// plain has no control characters.
func plain(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) {
			return ' '
		}
		return r
	}, text)
}

func short(commit string) string { return commit[:min(10, len(commit))] }

func (w *writer) notices(v daemon.View) {
	switch {
	case v.Commit == "" && v.Frozen != "":
		w.print("No commit of the fleet is accepted since the daemon started\n")
	case v.Commit == "":
		w.print("No commit of the fleet is accepted yet\n")
	default:
		w.print("%s\n", strings.TrimSpace("Fleet at "+short(v.Commit)+" "+v.Title))
	}
	if v.Refused != "" {
		w.print("Commit %s is refused and changes nothing:\n", short(v.Refused))
		for _, finding := range v.Findings {
			w.print("  %s\n", finding)
		}
	}
	source := v.Source
	if source == v.Frozen { // its reason is said there
		source = ""
	}
	for _, notice := range [][2]string{
		{"Nothing is done", v.Another}, {"The fleet cannot be read", source}, {"Nothing is erased until an operator has looked", v.Frozen}, {"Nothing begins", v.Paused}, {"Status is not pushed", v.Publish},
	} {
		if notice[1] != "" {
			w.print("%s: %s\n", notice[0], notice[1])
		}
	}
	w.print("\n")
}

// counts says how many hosts are in each phase, in one line; where there are rings, a table says it for each of them.
func (w *writer) counts(hosts []status.Document) {
	if len(hosts) == 0 {
		return
	}
	tally := status.Count(hosts)
	var parts, phases []string
	for _, phase := range status.Order() {
		if n := tally.Hosts(phase); n > 0 {
			parts, phases = append(parts, fmt.Sprintf("%d %s", n, phase)), append(phases, string(phase))
		}
	}
	w.print("%d hosts: %s\n\n", len(hosts), strings.Join(parts, ", "))
	rings := tally.Rings()
	if len(rings) == 0 {
		return
	}
	w.print("PHASE\tHOSTS")
	for _, ring := range rings {
		w.print("\t%s", cmp.Or(ring, "no ring"))
	}
	for _, phase := range phases {
		w.print("\n%s\t%d", phase, tally.Hosts(plan.Phase(phase)))
		for _, ring := range rings {
			w.print("\t%d", tally.InRing(plan.Phase(phase), ring))
		}
	}
	w.print("\n\n")
}

// rings has a line for each ring: what it runs, and how far it is.
func (w *writer) rings(v daemon.View) {
	if len(v.Rings) == 0 {
		return
	}
	w.print("RING\tRELEASE\tCOMMIT\tDONE\tCHANGING\tHELD\tFAILED\t\n")
	for _, r := range v.Rings {
		note := r.Trouble
		if r.Paused != "" {
			note = "paused: " + r.Paused
		}
		w.print("%s\t%s\t%s\t%d/%d\t%d\t%d\t%d\t%s\n", r.Name, cmp.Or(r.Tag, "trunk"), short(r.Commit), r.Done, r.Hosts, len(r.Changing), len(r.Held), len(r.Failed), note)
	}
	w.print("\n")
}

// commits has a line for each of the last commits: on how many hosts it was installed, and so on.
func (w *writer) commits(v daemon.View, hosts []status.Document) {
	if len(v.Commits) == 0 {
		return
	}
	w.print("COMMIT\tINSTALLED ON\tINSTALLING\tFAILED ON\tWAIT FOR CONSENT\tTITLE\n")
	for _, did := range status.Of(v.Commits, hosts) {
		w.print("%s\t%d\t%d\t%d\t%d\t%s\n", short(did.Commit.Commit), len(did.Installed), len(did.Installing), len(did.Failed), len(did.Held), did.Title)
	}
	w.print("\n")
}

// acts has a line for each of the last things that operators had the daemon do.
func (w *writer) acts(v daemon.View) {
	for _, act := range v.Acts {
		w.print("%s %s %s\n", act.At.UTC().Format(time.RFC3339), act.By, act.What)
	}
	if len(v.Acts) > 0 {
		w.print("\n")
	}
}

// hosts has a line for each host, then says what they wait for, those first that need a person.
func (w *writer) hosts(hosts []daemon.HostView) {
	hosts = slices.Clone(hosts)
	order := status.Order()
	slices.SortStableFunc(hosts, func(a, b daemon.HostView) int {
		return cmp.Compare(slices.Index(order, a.Phase), slices.Index(order, b.Phase))
	})
	w.print("HOST\tPHASE\tWORKLOAD\tINSTALLED FROM\tDISK\tWAITS FOR\n")
	for _, h := range hosts {
		from, disk := "-", "-"
		if h.Installed != nil {
			from, disk = short(h.Installed.Commit), h.Installed.Disk.Label()
		}
		w.print("%s\t%s\t%s\t%s\t%s\t%s\n", h.Metadata.Label(), cmp.Or(string(h.Phase), "?"), cmp.Or(h.Workload, "-"), from, disk, h.Waits)
	}
	for _, h := range hosts {
		if h.Phase == "" && h.Trouble != "" {
			w.print("\n%s: nothing is known of it: %s\n", h.Metadata.Name, h.Trouble)
		}
		if h.Hold != nil {
			w.print("\n%s is held: %s\n", h.Metadata.Name, h.Hold.Message)
			if h.Hold.Consent != "" {
				w.print("  to allow it: ingot consent %s   (spec.consent.erase: %q)\n", h.Metadata.Name, h.Hold.Consent)
			}
			if len(h.Hold.Countersign) > 0 {
				w.print("  to sign the tag too, somebody else who may sign tags runs: %s\n", strings.Join(h.Hold.Countersign, " && "))
			}
		}
		if h.Pending != "" && h.Pending != h.Waits {
			w.print("\n%s is pending: %s\n", h.Metadata.Name, h.Pending)
		}
		if h.Error != "" {
			w.print("\n%s: last error: %s\n", h.Metadata.Name, h.Error)
		}
	}
}

// host has what is known of one host beyond its line.
func (w *writer) host(h daemon.HostView) {
	w.print("\n")
	rows := [][2]string{{"id", string(h.Metadata.ID)}, {"file", h.File}, {"ring", h.Ring}, {"speaks of", short(h.Commit)}, {"due", h.Due}, {"power", h.Power}}
	for _, c := range h.Conditions {
		text := c.Status + " since " + c.Since
		if c.Reason != "" {
			text = c.Status + " (" + c.Reason + ") since " + c.Since
		}
		rows = append(rows, [2]string{strings.ToLower(c.Type), text})
	}
	if i := h.Installed; i != nil {
		rows = append(rows, [2]string{"installation", fmt.Sprintf("%s of %s at %s", i.ID, i.Workload, i.At.UTC().Format(time.RFC3339))})
		if !i.PhoneHome.IsZero() {
			rows = append(rows, [2]string{"phoned home", i.PhoneHome.UTC().Format(time.RFC3339)})
		}
	}
	if f := h.Hardware; f != nil {
		rows = append(rows, [2]string{"machine", strings.TrimSpace(f.System.Manufacturer + " " + f.System.Product + " " + f.System.Serial)})
		for _, d := range inventory.DistinctDisks(f.Disks) {
			rows = append(rows, [2]string{"disk " + d.Name, fmt.Sprintf("%s, %d bytes, %s", d.ID().Label(), d.Size, holds(d.Content))})
		}
	}
	for _, row := range rows {
		if row[1] != "" {
			w.print("%s\t%s\n", row[0], row[1])
		}
	}
}

// holds says what a disk holds.
func holds(c inventory.Content) string {
	switch {
	case c.Blank:
		return "blank"
	case c.Unreadable != "":
		return "unreadable: " + c.Unreadable
	default:
		return "holds " + cmp.Or(c.Summary, c.Signature, "nothing that was looked at")
	}
}
