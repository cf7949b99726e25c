package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/gitmetal/ingot/internal/daemon"
	"github.com/gitmetal/ingot/internal/daemon/config"
)

func newResume(s streams) *cobra.Command {
	var file string
	command := &cobra.Command{
		Use:   "resume HOST|WORKLOAD",
		Short: "Let a host go on that is on hold, or a workload whose installs failed",
		Long: "A host whose step `hold` waits for a person goes on with the next step.\n" +
			"The daemon begins no install of a workload after 3 of its last 10 failed. Earlier failures do not count\n" +
			"any more after a resume. The daemon records who asked. An erase needs consent as always.",
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			settings, err := config.LoadFile(file)
			if err != nil {
				return err
			}
			if err := daemon.Connect(settings.Listen.Socket).Resume(c.Context(), args[0]); err != nil {
				return err
			}
			fmt.Fprintf(s.Out, "%s goes on; `ingot status` shows what comes of it\n", args[0])
			return nil
		},
	}
	addConfigFlag(command, &file)
	return command
}
