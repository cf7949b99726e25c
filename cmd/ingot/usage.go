package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

// makeStrict makes a command and its subcommands refuse unknown words, and name the help. For a group like `ingot
// trust`, cobra itself would print the help and report success: a script with a misspelt verb would continue.
func makeStrict(command *cobra.Command) {
	command.SetFlagErrorFunc(seeHelp)
	args := command.Args
	if !command.Runnable() {
		args = refuseUnknown
		command.RunE = func(c *cobra.Command, _ []string) error { return c.Help() }
	}
	if args != nil {
		command.Args = func(c *cobra.Command, given []string) error { return seeHelp(c, args(c, given)) }
	}
	for _, sub := range command.Commands() {
		makeStrict(sub)
	}
}

// refuseUnknown refuses words after a group's name that are not its commands.
func refuseUnknown(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return fmt.Errorf("unknown command %q for %q", args[0], c.CommandPath())
}

func seeHelp(c *cobra.Command, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: see `%s --help`", err, c.CommandPath())
}
