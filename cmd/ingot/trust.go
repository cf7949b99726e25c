package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/gitmetal/ingot/internal/daemon"
	"github.com/gitmetal/ingot/internal/daemon/config"
)

func newTrust(s streams) *cobra.Command {
	command := &cobra.Command{Use: "trust", Short: "Say which history of the fleet counts"}
	var file, tag string
	repin := &cobra.Command{
		Use:   "repin COMMIT | --tag NAME",
		Short: "Accept the trunk from a commit that does not follow from the accepted one; or a tag that was moved",
		Long: "The trunk only moves to descendants of the accepted commit, along signed commits if signatures are\n" +
			"required. After a rewritten history or an unsigned commit, no new commit is accepted. Look at the\n" +
			"new history, then name the commit that you trust. The commit must be in the trunk's history: push\n" +
			"it first. Its signed descendants are accepted again. A tag that was moved or deleted is refused\n" +
			"too, until --tag accepts its present object. An erase needs consent as always.",
		Args: func(_ *cobra.Command, args []string) error {
			if (len(args) == 1) == (tag != "") || len(args) > 1 {
				return errors.New("name a commit, or a tag with --tag")
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			settings, err := config.LoadFile(file)
			if err != nil {
				return err
			}
			client := daemon.Connect(settings.Listen.Socket)
			if tag != "" {
				if err := client.RepinTag(c.Context(), tag); err != nil {
					return err
				}
				fmt.Fprintf(s.Out, "tag %s is taken for what it is now; `ingot status` shows what comes of it\n", tag)
				return nil
			}
			if err := client.RepinTrunk(c.Context(), args[0]); err != nil {
				return err
			}
			fmt.Fprintf(s.Out, "the trunk is accepted from %s on; `ingot status` shows what comes of it\n", args[0])
			return nil
		},
	}
	addConfigFlag(repin, &file)
	repin.Flags().StringVar(&tag, "tag", "", "a tag instead of the trunk")
	command.AddCommand(repin)
	return command
}
