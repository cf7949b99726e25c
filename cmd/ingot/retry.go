package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/gitmetal/ingot/internal/daemon"
	"github.com/gitmetal/ingot/internal/daemon/config"
)

func newRetry(s streams) *cobra.Command {
	var file string
	command := &cobra.Command{
		Use:   "retry HOST",
		Short: "Have a host tried again that was given up, whose system does not call, or that is held for its disks",
		Long: "A host whose boots or attempts failed gets a new attempt. A host whose install was written and\n" +
			"verified, but whose system does not phone home, is shut down and started from its disk: nothing is\n" +
			"written again. A host that is held for its disks is booted for another look at them. The daemon\n" +
			"records who asked. An erase needs consent as always.",
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			settings, err := config.LoadFile(file)
			if err != nil {
				return err
			}
			if err := daemon.Connect(settings.Listen.Socket).RetryHost(c.Context(), args[0]); err != nil {
				return err
			}
			fmt.Fprintf(s.Out, "host %s is tried again; `ingot status %[1]s` shows what comes of it\n", args[0])
			return nil
		},
	}
	addConfigFlag(command, &file)
	return command
}
