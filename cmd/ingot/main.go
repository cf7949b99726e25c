// Command ingot is the daemon and its command line: a file per verb, wiring only.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/gitmetal/ingot/cmd/ingot/discovered"
	"github.com/gitmetal/ingot/cmd/ingot/imageadd"
	"github.com/gitmetal/ingot/cmd/ingot/logs"
	"github.com/gitmetal/ingot/cmd/ingot/rack"
	"github.com/gitmetal/ingot/cmd/ingot/receipts"
	"github.com/gitmetal/ingot/cmd/ingot/results"
	"github.com/gitmetal/ingot/cmd/ingot/rulestest"
	"github.com/gitmetal/ingot/cmd/ingot/run"
)

// version is set by the linker.
var version = "dev"

// Exit codes, the same for every verb.
const (
	exitOK       = 0
	exitFailed   = 1
	exitFindings = 2 // changes or findings
	exitErases   = 3 // would erase without consent, or write to further disks without leave
)

// streams are what a verb may read and write: data on Out, messages on Err.
type streams struct {
	In       io.Reader
	Out, Err io.Writer
}

// exitError carries an exit code; a non-empty message is printed.
type exitError struct {
	code    int
	message string
}

func (e exitError) Error() string { return e.message }

func main() {
	os.Exit(runCommand(os.Args[1:], streams{os.Stdin, os.Stdout, os.Stderr}))
}

// runCommand executes a command line and returns the exit code.
func runCommand(args []string, s streams) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	root := newRoot(s)
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	var exit exitError
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, rulestest.ErrNotProposed):
		return exitFindings
	case errors.As(err, &exit):
		if exit.message != "" {
			fmt.Fprintln(s.Err, "ingot:", exit.message)
		}
		return exit.code
	default:
		fmt.Fprintln(s.Err, "ingot:", err)
		return exitFailed
	}
}

func newRoot(s streams) *cobra.Command {
	root := &cobra.Command{
		Use:   "ingot",
		Short: "GitOps for bare metal",
		Long: "ingot converges machines to what a Git repository says: one YAML file per machine, changed by " +
			"pull request.",
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.SetIn(s.In)
	root.SetOut(s.Out)
	root.SetErr(s.Err)
	root.AddCommand(
		newBMC(s), newConsent(s), newConsole(s), newForget(s), newInit(s), rack.NewCommand(s.Out, s.Err), newPlan(s), newRamdisk(s),
		newRetry(s), newResume(s), run.NewCommand(s.Out), imageadd.NewCommand(s.Out), results.NewCommand(s.Out, s.Err), receipts.NewCommand(s.Out, s.Err), logs.NewCommand(s.Out, s.Err),
		discovered.NewDiscovery(s.Out, s.Err), discovered.NewDiscover(s.Out, s.Err), discovered.NewDiscovered(s.Out, s.Err),
		newSecret(s), newServe(s), newShow(s), newRender(s), newStatus(s), newStep(s), newTrust(s), newValidate(s), newVersion(s),
		newWhy(s), rulestest.NewCommand(s.Out, s.Err),
	)
	root.InitDefaultCompletionCmd()
	makeStrict(root)
	return root
}
