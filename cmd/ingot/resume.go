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
		Use:   "resume WORKLOAD",
		Short: "Let a workload go on that was stopped because its installs failed",
		Long: "The daemon begins no install of a workload after 3 of its last 10 failed. Earlier failures do not count\n" +
			"any more after a resume. The daemon records who asked. An erase needs consent as always.",
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			settings, err := config.LoadFile(file)
			if err != nil {
				return err
			}
			if err := daemon.Connect(settings.Listen.Socket).ResumeWorkload(c.Context(), args[0]); err != nil {
				return err
			}
			fmt.Fprintf(s.Out, "workload %s goes on; `ingot status` shows its hosts\n", args[0])
			return nil
		},
	}
	addConfigFlag(command, &file)
	return command
}
