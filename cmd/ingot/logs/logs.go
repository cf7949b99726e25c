// Package logs is `ingot logs`: what the steps of an operation said, and what was collected when one failed. NewCommand
// makes the verb.
package logs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/gitmetal/ingot/internal/daemon"
	"github.com/gitmetal/ingot/internal/daemon/config"
	"github.com/gitmetal/ingot/internal/daemon/joblogs"
)

// options are the flags.
type options struct {
	config    string
	operation string
	step      string
	file      string
	list      bool
	follow    bool
}

// NewCommand is the verb; out is for data, talk for people.
func NewCommand(out, talk io.Writer) *cobra.Command {
	var o options
	command := &cobra.Command{
		Use:   "logs HOST",
		Short: "Show what a machine's steps said, and what was collected when one failed",
		Long: "Prints the output of the steps of a machine's newest operation, or of another one (--operation), the\n" +
			"oldest first. When a step fails, the journal of the ramdisk, the messages of the kernel, the state of\n" +
			"disks, networks and processes, and the hardware are kept beside it: --list lists all files, --file\n" +
			"prints one. Secrets are masked.",
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			settings, err := config.LoadFile(o.config)
			if err != nil {
				return err
			}
			r := reader{client: daemon.Connect(settings.Listen.Socket).Logs(), out: out, talk: talk, options: o, host: args[0]}
			return r.run(c.Context())
		},
	}
	flags := command.Flags()
	flags.StringVar(&o.config, "config", "/etc/ingot/ingot.yaml", "the daemon's configuration file")
	flags.StringVar(&o.operation, "operation", "", "the operation with this id, or with an id that begins so; default: the newest")
	flags.StringVar(&o.step, "step", "", "only this step")
	flags.StringVar(&o.file, "file", "", "print the file with this name, as --list names it")
	flags.BoolVar(&o.list, "list", false, "list the files of all operations")
	flags.BoolVarP(&o.follow, "follow", "f", false, "go on with what comes, until it is interrupted")
	command.MarkFlagsMutuallyExclusive("list", "file", "follow")
	return command
}

// client is the daemon.
type client interface {
	List(ctx context.Context, host string) ([]joblogs.Operation, error)
	Read(ctx context.Context, host, operation, name string, from int64) ([]byte, error)
}

// reader prints logs.
type reader struct {
	client  client
	out     io.Writer
	talk    io.Writer
	options options
	host    string
	shown   map[string]int64 // bytes of each file, by operation and name
	last    string           // the file that was printed last
}

// followEvery is the pause between two questions for more.
const followEvery = time.Second

func (r *reader) run(ctx context.Context) error {
	r.shown = map[string]int64{}
	for {
		list, err := r.client.List(ctx, r.host)
		if ctx.Err() != nil && r.options.follow {
			return nil
		}
		if err != nil {
			return err
		}
		if r.options.list {
			return r.printList(list)
		}
		op, found := r.choose(list)
		switch {
		case !found && !r.options.follow:
			return r.whyNothing(list)
		case found && r.options.file != "":
			return r.printFile(ctx, op)
		case found:
			err = r.printOutputs(ctx, op)
		}
		if err != nil || !r.options.follow {
			return err
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

// choose gives the operation that is asked for.
func (r *reader) choose(list []joblogs.Operation) (joblogs.Operation, bool) {
	for _, op := range list {
		if strings.HasPrefix(op.ID, r.options.operation) {
			return op, true
		}
	}
	return joblogs.Operation{}, false
}

func (r *reader) whyNothing(list []joblogs.Operation) error {
	if len(list) == 0 {
		return fmt.Errorf("nothing is kept of host %s: no step of it has said anything within the time for which logs are kept", r.host)
	}
	return fmt.Errorf("nothing is kept of an operation %q: `ingot logs %s --list` lists those of which something is", r.options.operation, r.host)
}

// printOutputs prints what is new in the outputs of an operation's steps.
func (r *reader) printOutputs(ctx context.Context, op joblogs.Operation) error {
	for _, file := range op.Files {
		key := op.ID + "/" + file.Name
		if !file.Output || r.options.step != "" && file.Step != r.options.step || file.Size <= r.shown[key] {
			continue
		}
		text, err := r.client.Read(ctx, r.host, op.ID, file.Name, r.shown[key])
		if err != nil {
			return err
		}
		if r.last != key {
			fmt.Fprintf(r.out, "==> step %s, attempt %d of operation %s <==\n", file.Step, file.Attempt, op.ID)
		}
		r.last, r.shown[key] = key, r.shown[key]+int64(len(text))
		if err := r.print(text); err != nil {
			return err
		}
	}
	if r.options.follow {
		return nil
	}
	if more := op.Collected(); len(more) > 0 {
		fmt.Fprintf(r.talk, "ingot: %d more texts were collected, as %s: `ingot logs %s --operation %s --file NAME` prints one, --list lists them\n",
			len(more), more[len(more)-1].Name, r.host, op.ID)
	}
	return nil
}

// printFile prints one file.
func (r *reader) printFile(ctx context.Context, op joblogs.Operation) error {
	if !slices.ContainsFunc(op.Files, func(f joblogs.File) bool { return f.Name == r.options.file }) {
		return fmt.Errorf("operation %s of %s has no file %q: `ingot logs %s --list` lists the files", op.ID, r.host, r.options.file, r.host)
	}
	text, err := r.client.Read(ctx, r.host, op.ID, r.options.file, 0)
	return errors.Join(err, r.print(text))
}

func (r *reader) printList(list []joblogs.Operation) error {
	table := tabwriter.NewWriter(r.out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(table, "OPERATION\tFILE\tSIZE\tWRITTEN")
	for _, op := range list {
		for _, file := range op.Files {
			fmt.Fprintf(table, "%s\t%s\t%d\t%s\n", op.ID, file.Name, file.Size, file.At.Format(time.RFC3339))
		}
	}
	return table.Flush()
}

// print prints text of the daemon, which has made it plain.
func (r *reader) print(text []byte) error {
	_, err := r.out.Write(text)
	return err
}
