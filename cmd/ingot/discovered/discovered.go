// Package discovered has the verbs about machines that no host file names: `ingot discovery`, which makes the medium that
// such a machine is started from, and `ingot discovered`, which shows the machines that registered. Call NewDiscovery and
// NewDiscovered; the daemon does the work.
package discovered

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"sigs.k8s.io/yaml"

	"github.com/gitmetal/ingot/internal/daemon"
	"github.com/gitmetal/ingot/internal/daemon/config"
	"github.com/gitmetal/ingot/inventory/discovery"
)

// streams are where the verbs print: data, and talk.
type streams struct{ Out, Err io.Writer }

// NewDiscovered makes the command `discovered` with its verbs. They print data to out, and talk to talk.
func NewDiscovered(out, talk io.Writer) *cobra.Command {
	s := streams{out, talk}
	command := &cobra.Command{Use: "discovered", Short: "Show the unknown machines that registered, and forget them"}
	command.AddCommand(newList(s), newGet(s), newPropose(s), newRetry(s), newForget(s))
	return command
}

func addConfigFlag(command *cobra.Command, file *string) {
	command.Flags().StringVar(file, "config", "/etc/ingot/ingot.yaml", "the daemon's configuration file")
}

// connect reads the daemon's configuration, and connects to its socket.
func connect(file string) (*daemon.Client, config.Config, error) {
	settings, err := config.LoadFile(file)
	if err != nil {
		return nil, config.Config{}, err
	}
	return daemon.Connect(settings.Listen.Socket), settings, nil
}

// connectFor is connect for a verb about one record.
func connectFor(file, record string) (*daemon.Client, discovery.ID, error) {
	if !discovery.IsID(record) {
		return nil, "", fmt.Errorf("%q is no record, which has 12 hex digits: `ingot discovered list` shows them", record)
	}
	client, _, err := connect(file)
	return client, discovery.ID(record), err
}

func newList(s streams) *cobra.Command {
	var file, format string
	command := &cobra.Command{
		Use:   "list",
		Short: "List the unknown machines that registered, the newest first",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			client, _, err := connect(file)
			if err != nil {
				return err
			}
			list, err := client.ListDiscovered(c.Context())
			if err != nil {
				return err
			}
			if format != "table" {
				return printValue(s.Out, list, format)
			}
			for key, machines := range list.Refused {
				fmt.Fprintf(s.Err, "ingot: %d machines registered in vain with enrolment key %s since the daemon's start: "+
					"its max is used up, or there is no room\n", machines, key)
			}
			return printTable(s.Out, list.Records, time.Now())
		},
	}
	command.Flags().StringVarP(&format, "output", "o", "table", "table, json or yaml")
	addConfigFlag(command, &file)
	return command
}

// printTable prints a line for each record, and below it what speaks against the record.
func printTable(out io.Writer, list []discovery.Record, now time.Time) error {
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "RECORD\tSERIAL\tBMC\tKEY\tLAST WORD\tSTATE")
	for _, r := range list {
		what := orNone(r.Identity.SerialLabel())
		switch {
		case r.Repair != nil:
			what = "host " + string(r.Repair.Host)
		case r.Rotation != nil:
			what = "Secret " + r.Rotation.Secret
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s ago\t%s\n", r.ID, what,
			orNone(strings.Join(r.Addresses, " ")), orNone(r.Key), now.Sub(r.LastWord).Round(time.Second), describeState(r, now))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, r := range list {
		for _, conflict := range r.Conflicts {
			fmt.Fprintf(out, "%s: %s\n", r.ID, conflict)
		}
		if r.Proposal != nil && r.Proposal.Trouble != "" && len(r.Conflicts) == 0 {
			fmt.Fprintf(out, "%s: %s\n", r.ID, r.Proposal.Trouble)
		}
	}
	return nil
}

// describeState is where a record is, in few words.
func describeState(r discovery.Record, now time.Time) string {
	switch {
	case len(r.Conflicts) > 0:
		return "conflict"
	case r.Rival != nil:
		return "two agents, or started again"
	case r.Rotation != nil:
		return "password, " + strings.ToLower(string(r.Rotation.Stage))
	case r.Repair != nil && (r.Proposal == nil || r.Proposal.State == ""):
		return "repair, not proposed"
	case r.Repair != nil:
		return "repair, " + strings.ToLower(string(r.Proposal.State))
	case r.Proposal != nil && r.Proposal.State == "":
		return "not proposed"
	case r.Proposal != nil:
		return strings.ToLower(string(r.Proposal.State))
	case r.Agent == nil:
		return "found by its BMC"
	case !r.IsLive(now):
		return "silent"
	default:
		return "waits"
	}
}

func orNone(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

func newGet(s streams) *cobra.Command {
	var file, format string
	var whole bool
	command := &cobra.Command{
		Use:   "get RECORD",
		Short: "Print the inventory of an unknown machine, or with --record what is known of it",
		Long: "Prints the inventory that the machine's agent sent, as `ingot rules test` reads it. Every value is the word of\n" +
			"whoever has the enrolment key. With --record it prints the record: identity, conflicts, doubts, proof.",
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			client, id, err := connectFor(file, args[0])
			if err != nil {
				return err
			}
			if whole {
				record, err := client.ReadDiscovered(c.Context(), id)
				if err != nil {
					return err
				}
				return printValue(s.Out, record, format)
			}
			report, err := client.ReadInventory(c.Context(), id)
			if err != nil {
				return err
			}
			return printValue(s.Out, report, format)
		},
	}
	command.Flags().StringVarP(&format, "output", "o", "json", "json or yaml")
	command.Flags().BoolVar(&whole, "record", false, "the record in place of the inventory")
	addConfigFlag(command, &file)
	return command
}

// printValue prints a value as JSON or YAML.
func printValue(out io.Writer, value any, format string) error {
	data, err := json.MarshalIndent(value, "", "  ")
	switch {
	case err != nil:
		return err
	case format == "yaml":
		if data, err = yaml.JSONToYAML(data); err != nil {
			return err
		}
	case format != "json":
		return fmt.Errorf("there is no output %q: json or yaml", format)
	default:
		data = append(data, '\n')
	}
	_, err = out.Write(data)
	return err
}

func newPropose(s streams) *cobra.Command {
	var file string
	command := &cobra.Command{
		Use:   "propose RECORD",
		Short: "Propose an unknown machine at once, also one whose proposal was declined",
		Long: "Pushes the machine's Host file to a branch of its own, by the rules of the accepted fleet, and opens a pull\n" +
			"request where the daemon has a forge. The daemon notes who asked.",
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			client, id, err := connectFor(file, args[0])
			if err != nil {
				return err
			}
			if err := client.ProposeDiscovered(c.Context(), id); err != nil {
				return err
			}
			fmt.Fprintf(s.Out, "record %s is proposed\n", args[0])
			return nil
		},
	}
	addConfigFlag(command, &file)
	return command
}

func newRetry(s streams) *cobra.Command {
	var file string
	command := &cobra.Command{
		Use:   "retry RECORD",
		Short: "Have the failed BMC account of an unknown machine made again",
		Long: "Begins the account at the machine's BMC anew, with another name and password, after the daemon gave up. A slot\n" +
			"that the BMC did not give back is freed first: run retry again then. The daemon notes who asked.",
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			client, id, err := connectFor(file, args[0])
			if err != nil {
				return err
			}
			if err := client.RetryDiscovered(c.Context(), id); err != nil {
				return err
			}
			fmt.Fprintf(s.Out, "the account of record %s is made again: `ingot discovered get --record` shows how far it is\n", args[0])
			return nil
		},
	}
	addConfigFlag(command, &file)
	return command
}

func newForget(s streams) *cobra.Command {
	var file string
	command := &cobra.Command{
		Use:   "forget RECORD",
		Short: "Drop the record of an unknown machine, with its inventory",
		Long: "Drops what is known of an unknown machine. A machine that still waits registers again, and its conflicts are\n" +
			"found anew: forget a record once the impostor is gone. The daemon notes who asked.",
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			client, id, err := connectFor(file, args[0])
			if err != nil {
				return err
			}
			if err := client.ForgetDiscovered(c.Context(), id); err != nil {
				return err
			}
			fmt.Fprintf(s.Out, "record %s is forgotten\n", args[0])
			return nil
		},
	}
	addConfigFlag(command, &file)
	return command
}
