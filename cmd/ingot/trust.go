package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/gitmetal/ingot/internal/daemon"
)

func newTrust(s streams) *cobra.Command {
	command := &cobra.Command{Use: "trust", Short: "Say which history of the fleet counts"}
	var file string
	repin := &cobra.Command{
		Use:   "repin COMMIT",
		Short: "Accept the trunk from this commit on, although it does not follow from the accepted one",
		Long: "The trunk only moves to descendants of the accepted commit, along signed commits where signatures are required. After a rewritten history, or commits\n" +
			"that nobody signed, nothing new is accepted. Look at what is there now; then this names the commit that you trust. What descends from it, and\n" +
			"is signed, is accepted again. Consents are asked for as ever.",
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			config, err := daemon.LoadConfig(file)
			if err != nil {
				return err
			}
			if err := daemon.Connect(config.Listen.Socket).Repin(c.Context(), args[0]); err != nil {
				return err
			}
			fmt.Fprintf(s.Out, "the trunk is accepted from %s on; `ingot status` shows what comes of it\n", args[0])
			return nil
		},
	}
	configFlag(repin, &file)
	command.AddCommand(repin)
	return command
}
