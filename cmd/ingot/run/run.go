// Package run is the verb `ingot run`: what an operator does about the runs of a Workload. Call NewCommand.
package run

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/gitmetal/ingot/internal/daemon"
	"github.com/gitmetal/ingot/internal/daemon/config"
)

// NewCommand makes the verb; out gets what was done.
func NewCommand(out io.Writer) *cobra.Command {
	command := &cobra.Command{Use: "run", Short: "Cancel the runs of a workload"}
	command.AddCommand(newCancel(out))
	return command
}

func newCancel(out io.Writer) *cobra.Command {
	var file string
	var now bool
	command := &cobra.Command{
		Use:   "cancel WORKLOAD",
		Short: "Start no more runs of the workload's batch",
		Long: "Runs under way end by themselves and count; with --now they are taken back, and do not count. A batch that\n" +
			"was cancelled stays so: another spec.run.batch, or other inputs, begin a new one. The daemon records who asked.",
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			settings, err := config.LoadFile(file)
			if err != nil {
				return err
			}
			if err := daemon.Connect(settings.Listen.Socket).CancelRuns(c.Context(), args[0], now); err != nil {
				return err
			}
			fmt.Fprintf(out, "workload %s starts no more runs; `ingot status` shows those under way\n", args[0])
			return nil
		},
	}
	command.Flags().StringVar(&file, "config", "/etc/ingot/ingot.yaml", "the daemon's configuration file")
	command.Flags().BoolVar(&now, "now", false, "take the runs under way back")
	return command
}
