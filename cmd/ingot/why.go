package main

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"
	"sigs.k8s.io/yaml"

	"github.com/gitmetal/ingot/internal/daemon"
	"github.com/gitmetal/ingot/internal/daemon/config"
	"github.com/gitmetal/ingot/internal/terminal"
)

func newWhy(s streams) *cobra.Command {
	var o statusOptions
	command := &cobra.Command{
		Use:   "why HOST",
		Short: "Say in one sentence why a host is not where the fleet wants it, and what to do",
		Long: "Says why a host waits, is held or failed, the one thing to do, and the evidence: power, what was read\n" +
			"of the boot medium, the agent, leave to write, the serial console, deadlines. With --config the daemon\n" +
			"is asked. Without, the host's page on the status branch in a clone answers, which knows less.",
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			why, err := readWhy(c.Context(), o, args[0])
			if err != nil {
				return err
			}
			return printWhy(s, o.output, why)
		},
	}
	flags := command.Flags()
	flags.StringVar(&o.config, "config", "", "the daemon's configuration: ask the daemon")
	flags.StringVar(&o.repo, "repo", ".", "without --config: a clone of the fleet")
	flags.StringVar(&o.branch, "status-branch", "", statusBranchUsage)
	flags.StringVarP(&o.output, "output", "o", "text", "text, json or yaml")
	return command
}

// readWhy asks the daemon, or reads the host's page.
func readWhy(ctx context.Context, o statusOptions, host string) (daemon.Why, error) {
	if o.config != "" {
		settings, err := config.LoadFile(o.config)
		if err != nil {
			return daemon.Why{}, err
		}
		return daemon.Connect(settings.Listen.Socket).ReadWhy(ctx, host)
	}
	view, err := currentView(ctx, o)
	if err != nil {
		return daemon.Why{}, err
	}
	hosts := selectMeant(view.Hosts, host)
	switch {
	case len(hosts) == 0:
		return daemon.Why{}, noStatusError(host)
	case !hosts[0].Pushed:
		return daemon.Why{}, fmt.Errorf("the page of host %q cannot be read: %s", host, hosts[0].Trouble)
	default:
		return daemon.ExplainPage(hosts[0].Document), nil
	}
}

func printWhy(s streams, output string, why daemon.Why) error {
	switch output {
	case "json":
		encoder := json.NewEncoder(s.Out)
		encoder.SetIndent("", "  ")
		return encoder.Encode(why)
	case "yaml":
		body, err := yaml.Marshal(why)
		if err != nil {
			return err
		}
		_, err = s.Out.Write(body)
		return err
	case "text":
		return terminal.WriteWhy(s.Out, why)
	default:
		return fmt.Errorf("there is no output %q: text, json or yaml", output)
	}
}
