package main

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/gitmetal/ingot/cmd/ingot/fleets"
	"github.com/gitmetal/ingot/cmd/ingot/plugincheck"
	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/settings"
	"github.com/gitmetal/ingot/inventory/steps"
	"github.com/gitmetal/ingot/reconcile/review"
	"github.com/gitmetal/ingot/schemas"
)

func newStep(s streams) *cobra.Command {
	command := &cobra.Command{
		Use:   "step",
		Short: "Show the steps of a fleet, or test a plug-in",
		Long:  "Shows which steps a fleet has, which arguments they take, and in which order they run; tests a plug-in.",
	}
	command.AddCommand(newStepList(s), newStepTest(s))
	return command
}

func newStepTest(s streams) *cobra.Command {
	o := plugincheck.Options{Out: s.Out}
	command := &cobra.Command{
		Use:   "test PLUGIN",
		Short: "Run the contract of a plug-in on this machine",
		Long: "Asks a plug-in what it is, checks the answer as the agent does, and runs its steps with the given arguments:\n" +
			"docs/plugins.md. A step that writes gets a file as its disk, or the directory of --system as the installed\n" +
			"system. The plug-in runs without the sandbox of the ramdisk, with your rights: run only what you trust.",
		Args: cobra.ExactArgs(1),
		RunE: func(command *cobra.Command, args []string) error {
			o.Plugin = args[0]
			findings, err := plugincheck.Run(command.Context(), o)
			if err == nil && findings > 0 {
				return exitError{code: exitFindings, message: fmt.Sprintf("%d findings: see docs/plugins.md", findings)}
			}
			return err
		},
	}
	flags := command.Flags()
	flags.StringVar(&o.Step, "step", "", "run only this step of the plug-in")
	flags.StringVar(&o.Facts, "facts", "", "a file with the facts of a machine, as JSON; default: a machine with this one's memory")
	flags.StringVar(&o.Args, "args", "", "a file with the arguments, as JSON; default: none")
	flags.StringVar(&o.System, "system", "", "a directory in place of the installed system, for a Step that says mounts: system")
	flags.DurationVar(&o.Timeout, "timeout", 10*time.Minute, "how long a step may run")
	return command
}

type stepListOptions struct {
	repo, commit, workload, host, output string
}

func newStepList(s streams) *cobra.Command {
	var o stepListOptions
	command := &cobra.Command{
		Use:   "list",
		Short: "List the Steps with their arguments, or the steps of a workload or a host in their order",
		Long: "Lists install and the fleet's Steps with the arguments that they take. With -w: the steps of a Workload\n" +
			"in their order, by their ids; with --host: the steps of a host, with those that the host adds.",
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return runStepList(s, o) },
	}
	flags := command.Flags()
	flags.StringVar(&o.repo, "repo", ".", "the fleet's directory, or a clone")
	flags.StringVar(&o.commit, "commit", "", "a commit, branch or tag instead of the directory's files")
	flags.StringVarP(&o.workload, "workload", "w", "", "the steps of this Workload")
	flags.StringVar(&o.host, "host", "", "the steps of this host")
	flags.StringVarP(&o.output, "output", "o", "table", "table or json")
	command.MarkFlagsMutuallyExclusive("workload", "host")
	return command
}

func runStepList(s streams, o stepListOptions) error {
	fleet, findings, err := fleets.NewReaderAround(o.repo).ReadFleet(o.commit, nil)
	if err != nil {
		return err
	}
	if printFindings(s.Err, findings); schemas.Fatal(findings) {
		return errors.New("the fleet has errors: mend them first, see `ingot validate`")
	}
	switch {
	case o.host != "":
		host, ok := fleet.Find(o.host)
		if !ok || host.Workload == nil {
			return fmt.Errorf("there is no host %q with a workload in this fleet", o.host)
		}
		if o.output != "json" && len(host.Workload.Settings) > 0 {
			if err := printSettings(s, host.Workload.Settings); err != nil {
				return err
			}
		}
		return printOrder(s, o, host.Workload.Steps)
	case o.workload != "":
		list, ok := fleet.Workloads[o.workload]
		if !ok {
			return fmt.Errorf("there is no Workload %q in this fleet", o.workload)
		}
		return printOrder(s, o, list)
	default:
		return printSteps(s, o, fleet.Steps)
	}
}

// printOrder prints steps in the order of their execution.
func printOrder(s streams, o stepListOptions, list []inventory.Step) error {
	if o.output == "json" {
		return writeJSON(s, review.ListSteps(list))
	}
	return printTable(s.Out, "ID\tSTEP\tTIMEOUT\tATTEMPTS\tFROM\tARGUMENTS AND CONDITIONS", func(w io.Writer) {
		for i, step := range review.ListSteps(list) {
			words := list[i].ListArgs()
			if step.Step == schemas.StepDescribe {
				words, step.From = []string{"asks the plug-ins of the list what they are"}, "ingot"
			}
			for _, p := range list[i].Plugins {
				words = append(words, "plug-in "+p.Describe())
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%s\t%s\n", list[i].Key(), step.Step, step.Timeout, step.Attempts, step.From,
				describeUse(words, step.When...))
		}
	})
}

// printSettings prints the settings of the BMC, which come before the first boot.
func printSettings(s streams, list []settings.Step) error {
	return printTable(s.Out, "ID\tAT THE BMC\tTIMEOUT\tAPPLY\tFROM\tBIOS ATTRIBUTES", func(w io.Writer) {
		for i, step := range review.ListSettings(list) {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", list[i].Key(), step.Step, step.Timeout, step.Apply, step.From,
				strings.Join(step.Bios, " "))
		}
	})
}

// printSteps prints the Steps of a fleet by name.
func printSteps(s streams, o stepListOptions, known map[string]steps.Definition) error {
	if o.output == "json" {
		return writeJSON(s, known)
	}
	return printTable(s.Out, "STEP\tTIMEOUT\tATTEMPTS\tFROM\tARGUMENTS AND CONDITIONS", func(w io.Writer) {
		fmt.Fprintf(w, "%s\t\t\tingot\tspec.install of the Workload\n", schemas.StepInstall)
		for _, name := range slices.Sorted(maps.Keys(steps.ListReserved())) {
			r := steps.ListReserved()[name]
			fmt.Fprintf(w, "%s\t\t\tingot\t%s\n", name, describeUse(append(steps.DescribeArguments(r.Schema), r.Does)))
		}
		for _, name := range slices.Sorted(maps.Keys(known)) {
			d := known[name]
			fmt.Fprintf(w, "%s\t%s\t%d\t%s\t%s\n", name, d.Timeout, d.Attempts, d.From,
				describeUse(slices.Concat(d.Arguments, d.Plugins), d.When))
		}
	})
}

// describeUse gives arguments and conditions as one line; a condition may be "".
func describeUse(arguments []string, conditions ...string) string {
	words := slices.Clone(arguments)
	for _, condition := range conditions {
		if condition != "" {
			words = append(words, "when "+strings.Join(strings.Fields(condition), " "))
		}
	}
	return strings.Join(words, " ")
}

func printTable(out io.Writer, head string, fill func(io.Writer)) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, head)
	fill(table)
	return table.Flush()
}
