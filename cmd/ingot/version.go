package main

import (
	"fmt"
	"runtime"

	"github.com/spf13/cobra"

	"github.com/gitmetal/ingot/inventory/format"
)

func newVersion(s streams) *cobra.Command {
	var reader bool
	command := &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if reader {
				_, err := fmt.Fprintln(s.Out, format.Reader)
				return err
			}
			_, err := fmt.Fprintf(s.Out, "ingot %s (%s, %s/%s)\n", version, runtime.Version(), runtime.GOOS,
				runtime.GOARCH)
			return err
		},
	}
	command.Flags().BoolVar(&reader, "reader", false,
		"only the number of the reader of journal and status pages; a value for a newer reader is not read")
	return command
}
