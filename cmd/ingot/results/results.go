// Package results is `ingot results`: what ephemeral runs left, listed or written into a directory. NewCommand makes
// the verb. Names and digests come from machines: every name is checked before it becomes a path, and every digest
// while the file is written.
package results

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/gitmetal/ingot/internal/daemon"
	"github.com/gitmetal/ingot/internal/daemon/config"
	"github.com/gitmetal/ingot/internal/terminal"
)

// options are the flags.
type options struct {
	config string
	run    string
	get    string
	all    string
	follow bool
}

// NewCommand is the verb; out is for data, talk for people.
func NewCommand(out, talk io.Writer) *cobra.Command {
	var o options
	command := &cobra.Command{
		Use:   "results [WORKLOAD|HOST]",
		Short: "Show or fetch what ephemeral runs left",
		Long: "Lists the newest 500 runs of ephemeral workloads, the newest first: the machine, the exit code, the\n" +
			"files, and the first line of the output. Names a workload or a host, or lists the runs of all.\n\n" +
			"--get NAME writes one file of the newest run that has it to standard output. --all DIR writes the\n" +
			"files of all runs that have ended to DIR/WORKLOAD/BATCH/ITEM-RUN; a file that is there already with\n" +
			"the right digest is not fetched again. Digests are compared while a file is written.",
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			settings, err := config.LoadFile(o.config)
			if err != nil {
				return err
			}
			f := fetcher{client: daemon.Connect(settings.Listen.Socket), out: out, talk: talk, options: o,
				query: daemon.ResultQuery{Name: strings.Join(args, ""), Run: o.run}}
			return f.run(c.Context())
		},
	}
	flags := command.Flags()
	flags.StringVar(&o.config, "config", "/etc/ingot/ingot.yaml", "the daemon's configuration file")
	flags.StringVar(&o.run, "run", "", "only the run with this id")
	flags.StringVar(&o.get, "get", "", "write the file with this name to standard output")
	flags.StringVar(&o.all, "all", "", "write all files into this directory")
	flags.BoolVarP(&o.follow, "follow", "f", false, "go on with the runs that end, until it is interrupted")
	command.MarkFlagsMutuallyExclusive("get", "all")
	command.MarkFlagsMutuallyExclusive("get", "follow")
	return command
}

// client is the daemon.
type client interface {
	ReadResults(ctx context.Context, q daemon.ResultQuery, take func(daemon.RunResult) error) error
	OpenResult(ctx context.Context, sha256 string) (io.ReadCloser, error)
}

// fetcher lists or fetches.
type fetcher struct {
	client  client
	out     io.Writer
	talk    io.Writer
	options options
	query   daemon.ResultQuery
	lost    int // files that the store has no more
}

// maxListed is how many runs are listed.
const maxListed = 500

// followEvery is how often the daemon is asked for runs that have ended.
const followEvery = 2 * time.Second

var errFound = errors.New("found")

func (f *fetcher) run(ctx context.Context) error {
	switch {
	case f.options.get != "":
		return f.getOne(ctx)
	case f.options.all != "":
		return f.each(ctx, func(run daemon.RunResult) error { return f.save(ctx, run) }, func() error { return nil })
	}
	f.query.Limit = maxListed
	table := tabwriter.NewWriter(f.out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(table, "ENDED\tRUN\tWORKLOAD\tITEM\tMACHINE\tRESULT\tFILES\tSIZE\tOUTPUT")
	return f.each(ctx, func(run daemon.RunResult) error {
		fmt.Fprintln(table, strings.Join(describe(run), "\t"))
		return nil
	}, table.Flush)
}

// each gives all runs to take, and with --follow those that end later; flush ends each of the daemon's answers.
func (f *fetcher) each(ctx context.Context, take func(daemon.RunResult) error, flush func() error) error {
	seen := map[string]bool{}
	newest := time.Time{}
	once := func(run daemon.RunResult) error {
		if seen[run.ID] {
			return nil
		}
		if seen[run.ID] = !run.Open; run.Ended.Ended.After(newest) {
			newest = run.Ended.Ended
		}
		return take(run)
	}
	query := f.query
	for {
		err := errors.Join(f.client.ReadResults(ctx, query, once), flush())
		switch {
		case ctx.Err() != nil && f.options.follow:
			return nil
		case err != nil:
			return err
		case !f.options.follow && f.lost > 0:
			return fmt.Errorf("%d files are named by runs, and lost from results.dir: the lines above name them", f.lost)
		case !f.options.follow:
			return nil
		}
		query.Since, query.Limit = newest, 0
		if newest.IsZero() {
			query.Since = time.Unix(1, 0) // no open runs again
		}
		timer := time.NewTimer(followEvery)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-timer.C:
		}
	}
}

// describe gives the cells of a run in the table.
func describe(run daemon.RunResult) []string {
	ended, result := run.Ended.Ended.UTC().Format("2006-01-02 15:04:05"), "ok"
	switch {
	case run.Open:
		ended, result = "-", "runs"
	case run.Orphan != "":
		result = "orphan: " + run.Orphan
	case run.Error != "":
		result = "failed: " + run.Error
	case run.Exit != 0:
		result = fmt.Sprintf("failed: exit %d", run.Exit)
	}
	if len(run.Lost) > 0 {
		result += fmt.Sprintf("; lost from the store: %s", strings.Join(run.Lost[:min(len(run.Lost), 3)], ", "))
	}
	first, _, _ := strings.Cut(run.Output, "\n")
	cells := []string{ended, run.ID, run.Workload, fmt.Sprintf("%d/%d", run.Item, run.Attempt), run.Machine, result,
		fmt.Sprint(len(run.Files)), size(run.Bytes), cut(first, 60)}
	for i := range cells {
		cells[i] = terminal.Printable(cells[i])
	}
	return cells
}

// size writes a number of bytes for people.
func size(bytes int64) string {
	for _, unit := range []struct {
		name  string
		bytes int64
	}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}} {
		if bytes >= unit.bytes {
			return fmt.Sprintf("%.1f %s", float64(bytes)/float64(unit.bytes), unit.name)
		}
	}
	return fmt.Sprintf("%d B", bytes)
}

func cut(text string, most int) string { return text[:min(len(text), most)] }
