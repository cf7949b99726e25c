package discovered

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"
)

// NewDiscover makes the command `discover`. It prints data to out, and talk to talk.
func NewDiscover(out, talk io.Writer) *cobra.Command {
	var file, cidr string
	command := &cobra.Command{
		Use:   "discover --range CIDR",
		Short: "Have the daemon look for BMCs in a range of addresses",
		Long: "Asks each address of the range for a Redfish service root, which needs no account: 32 at a time, each for at most\n" +
			"2 seconds, at most 4,096 addresses, no range twice within an hour, and never an address of a host of the fleet.\n" +
			"Nobody logs in, and nothing is changed. Each service that answers is a record, see `ingot discovered list`. The\n" +
			"daemon does this only when it is asked, and notes who asked.",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			client, _, err := connect(file)
			if err != nil {
				return err
			}
			told, err := client.DiscoverRange(c.Context(), cidr)
			if err != nil {
				return err
			}
			for _, f := range told.Found {
				state := "known before"
				if f.New {
					state = "new"
				}
				fmt.Fprintf(out, "%s  %s  %s %s  %s\n", f.Record, f.Address, orNone(f.Vendor), f.Product, state)
			}
			fmt.Fprintf(talk, "ingot: %d Redfish services at %d addresses; %d addresses of known hosts were not asked\n",
				len(told.Found)+told.NoRoom, told.Asked, told.Known)
			if told.NoRoom > 0 {
				return fmt.Errorf("there is no room for %d of them: forget records that are gone", told.NoRoom)
			}
			return nil
		},
	}
	command.Flags().StringVar(&cidr, "range", "", "addresses, such as 10.0.0.0/24")
	addConfigFlag(command, &file)
	_ = command.MarkFlagRequired("range")
	return command
}
