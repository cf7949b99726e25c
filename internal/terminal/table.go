package terminal

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/gitmetal/ingot/internal/daemon"
	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/requests"
	"github.com/gitmetal/ingot/reconcile/plan"
	"github.com/gitmetal/ingot/reconcile/status"
)

// WriteTable shows the whole state, as the board does: what stops the fleet, counts, rings, the last commits, hosts
// that need a person first, and why hosts wait.
func WriteTable(out io.Writer, v daemon.View) error {
	w := &tableWriter{tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)}
	w.writeNotices(v)
	hosts := documentsOf(v.Hosts)
	w.writeCounts(hosts)
	w.writeRings(v)
	w.writeRuns(v)
	w.writeCommits(v, hosts)
	w.writeActs(v)
	w.writeHosts(w.writeLargeGroups(v.Hosts))
	return w.Flush()
}

// WriteList shows each host in a line of its own, and why it waits.
func WriteList(out io.Writer, v daemon.View) error {
	w := &tableWriter{tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)}
	w.writeNotices(v)
	w.writeHosts(v.Hosts)
	return w.Flush()
}

// maxListed is how many hosts of a fleet are listed one by one, whatever they have in common.
const maxListed = 50

// writeLargeGroups has a line per group of many hosts with the same phase and cause, and gives the other hosts. A small
// fleet has no such groups.
func (w *tableWriter) writeLargeGroups(hosts []daemon.HostView) (others []daemon.HostView) {
	if len(hosts) <= maxListed {
		return hosts
	}
	large, grouped := status.SplitLarge(documentsOf(hosts))
	for _, g := range large {
		w.writeCells("%d hosts are %s", len(g.Hosts), cmp.Or(string(g.Phase), "?"))
		if g.Cause != "" {
			w.writeCells(" (%s)", string(g.Cause))
		}
		w.writeCells(": %s\n", g.NameSome())
		if why := g.Why(); why != "" {
			w.writeCells("  the first: %s\n", why)
		}
		if allow := g.AllowCommand(); allow != "" {
			w.writeCells("  to allow it for all: %s\n", allow)
		}
		w.writeCells("  to list them: %s\n\n", g.ListCommand())
	}
	return slices.DeleteFunc(slices.Clone(hosts), func(h daemon.HostView) bool { return grouped[h.Metadata.Host()] })
}

func documentsOf(hosts []daemon.HostView) []status.Document {
	documents := make([]status.Document, 0, len(hosts))
	for _, h := range hosts {
		documents = append(documents, h.Document)
	}
	return documents
}

// WriteHost shows a single host; of the fleet only what stops it.
func WriteHost(out io.Writer, v daemon.View) error {
	w := &tableWriter{tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)}
	w.writeNotices(v)
	w.writeHosts(v.Hosts)
	for _, h := range v.Hosts {
		w.writeDetails(h)
	}
	return w.Flush()
}

// tableWriter keeps the first error for Flush, as a tabwriter does. A tab ends a cell; a line without a tab ends the
// columns.
type tableWriter struct{ *tabwriter.Writer }

// writeCells writes text from machines, commits and BMCs with control characters replaced, so that the text cannot move
// the cursor, or break a line or a column.
func (w *tableWriter) writeCells(format string, args ...any) {
	for i, arg := range args {
		if text, ok := arg.(string); ok {
			args[i] = stripControls(text)
		}
	}
	_, _ = fmt.Fprintf(w, format, args...)
}

// stripControls replaces control characters by spaces.
func stripControls(text string) string {
	return strings.Map(func(r rune) rune {
		if isControl(r) {
			return ' '
		}
		return r
	}, text)
}

func shortCommit(commit string) string { return commit[:min(10, len(commit))] }

func (w *tableWriter) writeNotices(v daemon.View) {
	switch {
	case v.Commit == "" && v.Frozen != "":
		w.writeCells("No commit of the fleet is accepted since the daemon started\n")
	case v.Commit == "":
		w.writeCells("No commit of the fleet is accepted yet\n")
	default:
		w.writeCells("%s\n", strings.TrimSpace("Fleet at "+shortCommit(v.Commit)+" "+v.Title))
	}
	if v.Refused != "" {
		w.writeCells("Commit %s is refused and changes nothing:\n", shortCommit(v.Refused))
		for _, finding := range v.Findings {
			w.writeCells("  %s\n", finding)
		}
	}
	if v.Daemon != nil {
		w.writeCells("Run by the daemon on %s\n", v.Daemon.Label())
	}
	source := v.Source
	if source == v.Frozen { // the frozen notice has the same reason
		source = ""
	}
	for _, notice := range [][2]string{
		{"Nothing is done", v.Another}, {"The fleet cannot be read", source},
		{"Nothing is erased until an operator has looked", v.Frozen}, {"Nothing begins", v.Paused},
		{"Status is not pushed", v.Publish},
	} {
		if notice[1] != "" {
			w.writeCells("%s: %s\n", notice[0], notice[1])
		}
	}
	w.writeCells("\n")
}

// writeCounts writes the number of hosts per phase in a single line; with rings, also a table of phases by ring.
func (w *tableWriter) writeCounts(hosts []status.Document) {
	if len(hosts) == 0 {
		return
	}
	tally := status.CountHosts(hosts)
	var parts, phases []string
	for _, phase := range status.PhaseOrder() {
		if n := tally.CountPhase(phase); n > 0 {
			parts, phases = append(parts, fmt.Sprintf("%d %s", n, phase)), append(phases, string(phase))
		}
	}
	w.writeCells("%d hosts: %s\n", len(hosts), strings.Join(parts, ", "))
	if unreached := status.DescribeUnreached(hosts); unreached != "" {
		w.writeCells("%s\n", unreached)
	}
	w.writeCells("\n")
	rings := tally.ListRings()
	if len(rings) == 0 {
		return
	}
	w.writeCells("PHASE\tHOSTS")
	for _, ring := range rings {
		w.writeCells("\t%s", cmp.Or(ring, "no ring"))
	}
	for _, phase := range phases {
		w.writeCells("\n%s\t%d", phase, tally.CountPhase(plan.Phase(phase)))
		for _, ring := range rings {
			w.writeCells("\t%d", tally.CountInRing(plan.Phase(phase), ring))
		}
	}
	w.writeCells("\n\n")
}

// writeRings has a line per ring: its release, and how far the rollout is.
func (w *tableWriter) writeRings(v daemon.View) {
	if len(v.Rings) == 0 {
		return
	}
	w.writeCells("RING\tRELEASE\tCOMMIT\tDONE\tCHANGING\tHELD\tFAILED\t\n")
	for _, r := range v.Rings {
		note := r.Trouble
		if r.Paused != "" {
			note = "paused: " + r.Paused
		}
		w.writeCells("%s\t%s\t%s\t%d/%d\t%d\t%d\t%d\t%s\n", r.Name, cmp.Or(r.Tag, "trunk"), shortCommit(r.Commit),
			r.Done, r.Hosts, len(r.Changing), len(r.Held), len(r.Failed), note)
	}
	w.writeCells("\n")
}

// writeRuns has a line per Workload with runs: how far its batch is.
func (w *tableWriter) writeRuns(v daemon.View) {
	for _, r := range v.Runs {
		w.writeCells("runs of %s: %s\n", r.Workload, r.Describe())
	}
	if len(v.Runs) > 0 {
		w.writeCells("\n")
	}
}

// writeCommits has a line per recent commit: on how many hosts the commit is installed, being installed, failed, or
// waiting.
func (w *tableWriter) writeCommits(v daemon.View, hosts []status.Document) {
	if len(v.Commits) == 0 {
		return
	}
	w.writeCells("COMMIT\tINSTALLED ON\tINSTALLING\tFAILED ON\tWAIT FOR CONSENT\tTITLE\n")
	for _, did := range status.CollectDeeds(v.Commits, hosts) {
		w.writeCells("%s\t%d\t%d\t%d\t%d\t%s\n", shortCommit(did.Commit.Commit), len(did.Installed),
			len(did.Installing), len(did.Failed), len(did.Held), did.Title)
	}
	w.writeCells("\n")
}

// writeActs has a line per recent act of an operator.
func (w *tableWriter) writeActs(v daemon.View) {
	for _, act := range v.Acts {
		w.writeCells("%s %s %s\n", act.At.UTC().Format(time.RFC3339), act.By, act.What)
	}
	if len(v.Acts) > 0 {
		w.writeCells("\n")
	}
}

// writeHosts has a line per host, hosts that need a person first, then the reasons to wait.
func (w *tableWriter) writeHosts(hosts []daemon.HostView) {
	hosts = slices.Clone(hosts)
	order := status.PhaseOrder()
	slices.SortStableFunc(hosts, func(a, b daemon.HostView) int {
		return cmp.Compare(slices.Index(order, a.Phase), slices.Index(order, b.Phase))
	})
	if len(hosts) == 0 {
		return
	}
	w.writeCells("HOST\tPHASE\tWORKLOAD\tINSTALLED FROM\tDISK\tWAITS FOR\n")
	for _, h := range hosts {
		from, disk := "-", "-"
		if h.Installed != nil {
			from, disk = shortCommit(h.Installed.Commit), h.Installed.Disk.Label()
		}
		w.writeCells("%s\t%s\t%s\t%s\t%s\t%s\n", h.Metadata.Label(), cmp.Or(string(h.Phase), "?"),
			cmp.Or(h.Workload, "-"), from, disk, h.Waits)
	}
	w.writeReasons(hosts)
}

// writeReasons has a paragraph per host with a reason to wait.
func (w *tableWriter) writeReasons(hosts []daemon.HostView) {
	for _, h := range hosts {
		if h.Phase == "" && h.Trouble != "" {
			w.writeCells("\n%s: nothing is known of it: %s\n", h.Metadata.Name, h.Trouble)
		}
		if h.Hold != nil {
			w.writeCells("\n%s is held: %s\n", h.Metadata.Name, h.Hold.Message)
			if len(h.Hold.Consent) > 0 {
				w.writeCells("  to allow it: ingot consent %s   (spec.consent.erase: %s)\n", h.Metadata.Name,
					h.Hold.Consent)
			}
			if len(h.Hold.Countersign) > 0 {
				w.writeCells("  to sign the tag too, somebody else who may sign tags runs: %s\n",
					strings.Join(h.Hold.Countersign, " && "))
			}
		}
		if trouble := h.SecretTrouble(); trouble != "" {
			w.writeCells("\n%s: its BMC is not asked: %s\n", h.Metadata.Name, trouble)
		}
		if h.Pending != "" && h.Pending != h.Waits {
			w.writeCells("\n%s is pending: %s\n", h.Metadata.Name, h.Pending)
		}
		if h.Error != "" {
			w.writeCells("\n%s: last error: %s\n", h.Metadata.Name, h.Error)
		}
	}
}

// writeDetails has the details of a host beyond its line.
func (w *tableWriter) writeDetails(h daemon.HostView) {
	w.writeCells("\n")
	rows := [][2]string{{"id", string(h.Metadata.ID)}, {"file", h.File}, {"ring", h.Ring},
		{"speaks of", shortCommit(h.Commit)}, {"due", h.Due}, {"power", h.Power}}
	for _, line := range h.Requests {
		rows = append(rows, [2]string{"request", line})
	}
	rows = append(rows, describeDone(h.Done)...)
	if h.Operation != nil {
		rows = append(rows, [2]string{"operation", describeOperation(*h.Operation)})
	}
	for _, c := range h.Conditions {
		text := c.Status + " since " + c.Since
		if c.Reason != "" {
			text = c.Status + " (" + c.Reason + ") since " + c.Since
		}
		rows = append(rows, [2]string{strings.ToLower(c.Type), text})
	}
	if i := h.Installed; i != nil {
		rows = append(rows,
			[2]string{"installation", fmt.Sprintf("%s of %s at %s", i.ID, i.Workload, i.At.UTC().Format(time.RFC3339))})
		if !i.PhoneHome.IsZero() {
			rows = append(rows, [2]string{"phoned home", i.PhoneHome.UTC().Format(time.RFC3339)})
		}
	}
	if f := h.Hardware; f != nil {
		rows = append(rows,
			[2]string{"machine",
				strings.TrimSpace(f.System.Manufacturer + " " + f.System.Product + " " + f.System.Serial)})
		for _, d := range inventory.IdentifyDisks(f.Disks) {
			rows = append(rows,
				[2]string{"disk " + d.Name,
					fmt.Sprintf("%s, %d bytes, %s", d.ID().Label(), d.Size, describeContent(d.Content))})
		}
	}
	for _, row := range rows {
		if row[1] != "" {
			w.writeCells("%s\t%s\n", row[0], row[1])
		}
	}
}

// describeDone has a row for each kind of request that was done on the machine.
func describeDone(done *requests.Done) (rows [][2]string) {
	if done == nil {
		return nil
	}
	for _, kind := range []struct {
		name   requests.Kind
		values []string
	}{{requests.Resume, done.Resume}, {requests.Inspect, done.Inspect}, {requests.Reboot, done.Reboot}, {requests.Rotate, done.Rotate}} {
		text := strings.Join(kind.values, ", ")
		if note := done.Notes[kind.name]; note != "" {
			text += " (" + note + ")"
		}
		rows = append(rows, [2]string{"done: " + string(kind.name), text})
	}
	return rows
}

// describeOperation says how far an operation is, and which attempt may have written to which disk.
func describeOperation(op inventory.Operation) string {
	text := fmt.Sprintf("%s, %s", op.ID, op.Stage)
	if step := op.Describe(); step != "" {
		text += ", " + step
	}
	if op.Attempt > 1 {
		text += fmt.Sprintf(", attempt %d", op.Attempt)
	}
	for _, skipped := range op.Steps {
		if skipped.State == inventory.StepSkipped {
			text += fmt.Sprintf(", step %s skipped: %s", skipped.Key(), skipped.WhyNot)
		}
	}
	for _, disk := range op.Disks {
		if disk.Begun != 0 {
			text += fmt.Sprintf(", disk %s may be written to", disk.Disk.Label())
		}
	}
	return text
}

// describeContent says what a disk holds.
func describeContent(c inventory.Content) string {
	switch {
	case c.Blank:
		return "blank"
	case c.Unreadable != "":
		return "unreadable: " + c.Unreadable
	default:
		return "holds " + cmp.Or(c.Summary, c.Signature, "nothing that was looked at")
	}
}
