package main

import (
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/gitmetal/ingot/internal/daemon"
	"github.com/gitmetal/ingot/internal/daemon/config"
	"github.com/gitmetal/ingot/internal/daemon/heap"
)

func newServe(s streams) *cobra.Command {
	var file, format string
	var take bool
	command := &cobra.Command{
		Use:   "serve",
		Short: "Run the daemon: follow the fleet and converge its machines",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			settings, err := config.LoadFile(file)
			if err != nil {
				return err
			}
			settings.TakeFleet = take
			heap.KeepSmall()
			var handler slog.Handler = slog.NewTextHandler(s.Err, nil)
			if format == "json" {
				handler = slog.NewJSONHandler(s.Err, nil)
			}
			d, err := daemon.Open(c.Context(), settings, slog.New(handler))
			if err != nil {
				return err
			}
			return d.Run(c.Context())
		},
	}
	addConfigFlag(command, &file)
	command.Flags().StringVar(&format, "log", "text", "text or json")
	command.Flags().BoolVar(&take, "take-fleet", false,
		"run the fleet although another daemon ran it since; stop the other one first")
	return command
}

// addConfigFlag adds the flag for the daemon's configuration.
func addConfigFlag(command *cobra.Command, file *string) {
	command.Flags().StringVar(file, "config", "/etc/ingot/ingot.yaml", "the daemon's configuration file")
}
