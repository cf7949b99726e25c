package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

// strict makes every command below one refuse what it does not know, and name the help to read next. Of a group, like `ingot trust`,
// cobra itself would print the help and report success: a script with a verb misspelt would go on as if it had been obeyed.
func strict(command *cobra.Command) {
	command.SetFlagErrorFunc(seeHelp)
	args := command.Args
	if !command.Runnable() {
		args = known
		command.RunE = func(c *cobra.Command, _ []string) error { return c.Help() }
	}
	if args != nil {
		command.Args = func(c *cobra.Command, given []string) error { return seeHelp(c, args(c, given)) }
	}
	for _, sub := range command.Commands() {
		strict(sub)
	}
}

// known refuses whatever follows a group's name and is none of its commands.
func known(c *cobra.Command, args []string) error {
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
