package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/gitmetal/ingot/internal/daemon"
	"github.com/gitmetal/ingot/internal/daemon/config"
)

func newForget(s streams) *cobra.Command {
	var file string
	command := &cobra.Command{
		Use:   "forget HOST",
		Short: "Have what is known of a host's machine count no more",
		Long: "For a host that is held because its record or page cannot be read (NotBelieved), or proved\n" +
			"(Recalled). Look at the machine first. Nothing is done to the machine: if it runs, the host is held as found\n" +
			"running, and the disk is looked at before anything is written. A consent for a disk that no agent\n" +
			"looked at never counts for the host again, and spent consents stay spent. The daemon notes who asked,\n" +
			"and refuses while an operation may be writing.",
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			settings, err := config.LoadFile(file)
			if err != nil {
				return err
			}
			if err := daemon.Connect(settings.Listen.Socket).ForgetHost(c.Context(), args[0]); err != nil {
				return err
			}
			fmt.Fprintf(s.Out,
				"what was known of host %s is forgotten; `ingot status %[1]s` shows what comes of it\n", args[0])
			return nil
		},
	}
	addConfigFlag(command, &file)
	return command
}
