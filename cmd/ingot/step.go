package main

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/gitmetal/ingot/cmd/ingot/fleets"
	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/steps"
	"github.com/gitmetal/ingot/reconcile/review"
	"github.com/gitmetal/ingot/schemas"
)

func newStep(s streams) *cobra.Command {
	command := &cobra.Command{
		Use:   "step",
		Short: "Show the steps of a fleet",
		Long:  "Shows which steps a fleet has, which arguments they take, and in which order they run.",
	}
	command.AddCommand(newStepList(s))
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
			fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%s\t%s\n", list[i].Key(), step.Step, step.Timeout, step.Attempts, step.From,
				describeUse(list[i].ListArgs(), step.When...))
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
				describeUse(d.Arguments, d.When))
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
