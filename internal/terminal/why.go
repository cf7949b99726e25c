package terminal

import (
	"io"
	"text/tabwriter"
	"time"

	"github.com/gitmetal/ingot/internal/daemon"
	"github.com/gitmetal/ingot/inventory"
)

// WriteWhy shows why a host is where it is: the sentence, the one thing to do, and the evidence.
func WriteWhy(out io.Writer, why daemon.Why) error {
	w := &tableWriter{tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)}
	w.writeCells("%s (%s, %s): %s\n", inventory.Label(why.Name, why.ID), string(why.Phase), string(why.Cause), why.Why)
	w.writeCells("To do: %s\n\n", why.Do)
	if why.From == daemon.FromPage {
		w.writeCells("From the page on the status branch; `ingot why --config FILE` asks the daemon, which knows more.\n")
	}
	for _, e := range why.Evidence {
		at := ""
		if !e.At.IsZero() {
			at = e.At.UTC().Format(time.RFC3339)
		}
		w.writeCells("%s\t%s\t%s\n", e.Of, at, e.Text)
	}
	return w.Flush()
}
