package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gitmetal/ingot/internal/daemon"
	"github.com/gitmetal/ingot/internal/daemon/config"
)

func newConsole(s streams) *cobra.Command {
	var file string
	var follow bool
	command := &cobra.Command{
		Use:   "console HOST",
		Short: "Show what a machine said on its serial console, as far as the daemon keeps it",
		Long: "Prints the newest output of a machine's serial console, from firmware to login, and how the\n" +
			"console is read. The daemon reads a console over SSH to the BMC if the fleet asks for it with\n" +
			"spec.bmc.console, and only while something is under way or wrong, or somebody looks at the\n" +
			"console, as this command does. Nothing is typed into the console, with one exception: if the\n" +
			"console is behind the BMC's command line (SharedWithManagerCLI), the daemon types Redfish's\n" +
			"ConsoleEntryCommand once per connection.",
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			settings, err := config.LoadFile(file)
			if err != nil {
				return err
			}
			return showConsole(c.Context(), s, daemon.Connect(settings.Listen.Socket), args[0], follow)
		},
	}
	command.Flags().StringVar(&file, "config", "/etc/ingot/ingot.yaml", "the daemon's configuration file")
	command.Flags().BoolVarP(&follow, "follow", "f", false, "go on with what comes, until it is interrupted")
	return command
}

// showConsole prints the console, and on standard error how the console is read.
func showConsole(ctx context.Context, s streams, client *daemon.Client, host string, follow bool) error {
	serial, err := client.ReadSerial(ctx, host)
	if err != nil {
		return err
	}
	fmt.Fprintln(s.Err, "ingot:", serial.Text)
	if follow {
		err := client.FollowConsole(ctx, host, func(text string) error {
			_, err := io.WriteString(s.Out, text)
			return err
		})
		if errors.Is(err, context.Canceled) {
			return nil
		}
		return err
	}
	text, err := client.ReadConsole(ctx, host)
	if err != nil {
		return err
	}
	if text != "" && !strings.HasSuffix(text, "\n") {
		text += "\n"
	}
	_, err = io.WriteString(s.Out, text)
	return err
}
