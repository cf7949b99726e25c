package terminal

import (
	"cmp"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/gitmetal/ingot/internal/daemon"
)

// Table shows everything, hosts that wait for a person in words.
func Table(out io.Writer, v daemon.View) error {
	notices(out, v)
	if err := rings(out, v); err != nil {
		return err
	}
	w := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "HOST\tPHASE\tWORKLOAD\tINSTALLED FROM\tDISK\tWAITS FOR")
	for _, h := range v.Hosts {
		from, disk := "-", "-"
		if h.Installed != nil {
			from, disk = h.Installed.Commit[:min(10, len(h.Installed.Commit))], h.Installed.Disk.Label()
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", h.Metadata.Name, h.Phase, h.Workload, from, disk, h.Waits)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, h := range v.Hosts {
		if h.Hold != nil {
			fmt.Fprintf(out, "\n%s is held: %s\n", h.Metadata.Name, h.Hold.Message)
			if h.Hold.Consent != "" {
				fmt.Fprintf(out, "  to allow it: ingot consent %s   (spec.consent.erase: %q)\n", h.Metadata.Name, h.Hold.Consent)
			}
		}
		if h.Pending != "" && h.Pending != h.Waits {
			fmt.Fprintf(out, "\n%s is pending: %s\n", h.Metadata.Name, h.Pending)
		}
		if h.Error != "" {
			fmt.Fprintf(out, "\n%s: last error: %s\n", h.Metadata.Name, h.Error)
		}
	}
	return nil
}

// rings has a line for each ring: what it runs, and how far it is.
func rings(out io.Writer, v daemon.View) error {
	if len(v.Rings) == 0 {
		return nil
	}
	w := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "RING\tRELEASE\tCOMMIT\tDONE\tCHANGING\tHELD\tFAILED\t")
	for _, r := range v.Rings {
		note := r.Trouble
		if r.Paused != "" {
			note = "paused: " + r.Paused
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%d/%d\t%d\t%d\t%d\t%s\n", r.Name, cmp.Or(r.Tag, "trunk"), r.Commit[:min(10, len(r.Commit))], r.Done, r.Hosts, len(r.Changing), len(r.Held), len(r.Failed), note)
	}
	fmt.Fprintln(w)
	return w.Flush()
}

func notices(out io.Writer, v daemon.View) {
	if v.Commit == "" {
		fmt.Fprintln(out, "No commit of the fleet is accepted yet")
	} else {
		fmt.Fprintf(out, "Fleet at %s %s\n", v.Commit[:min(10, len(v.Commit))], v.Title)
	}
	if v.Source != "" {
		fmt.Fprintln(out, "The fleet cannot be read:", v.Source)
	}
	if v.Refused != "" {
		fmt.Fprintf(out, "Commit %s is refused and changes nothing:\n", v.Refused[:min(10, len(v.Refused))])
		for _, finding := range v.Findings {
			fmt.Fprintln(out, " ", finding)
		}
	}
	if v.Frozen != "" {
		fmt.Fprintln(out, "Nothing is erased until an operator has looked:", v.Frozen)
	}
	if v.Paused != "" {
		fmt.Fprintln(out, "Nothing begins:", v.Paused)
	}
	if v.Publish != "" {
		fmt.Fprintln(out, "Status is not pushed:", v.Publish)
	}
	fmt.Fprintln(out)
}
