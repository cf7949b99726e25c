package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/gitmetal/ingot/internal/starter"
)

func newInit(s streams) *cobra.Command {
	var o starter.Options
	var schemasOnly bool
	command := &cobra.Command{
		Use:   "init DIRECTORY",
		Short: "Write a small, valid fleet with comments, to start from",
		Long: "Writes a fleet of one machine into an empty or missing directory: a Host, a Workload with a Butane\n" +
			"config, Defaults, a Ring, a sealed Secret, settings, JSON Schemas for editors, and a README that\n" +
			"says what to change. With --schemas only the JSON Schemas are written, into an existing fleet.",
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			if schemasOnly {
				files, err := starter.WriteSchemas(args[0])
				if err == nil {
					fmt.Fprintf(s.Out, "%s: %s in %s\n", args[0], countNoun(len(files), "schema"), starter.SchemasDir)
				}
				return err
			}
			o.Now = time.Now()
			files, err := starter.WriteFleet(args[0], o)
			if err == nil {
				fmt.Fprintf(s.Out, "%[1]s: a fleet in %[2]s; %[1]s/README.md says what to change, `ingot validate "+
					"%[1]s` checks it\n", args[0], countNoun(len(files), "file"))
			}
			return err
		},
	}
	command.Flags().StringArrayVar(&o.Recipients, "age", nil,
		"age recipient (age1…) that the fleet's Secrets are encrypted for; may be given several times")
	command.Flags().BoolVar(&schemasOnly, "schemas", false, "write the JSON Schemas alone, over those that are there")
	return command
}
