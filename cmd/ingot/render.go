package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/gitmetal/ingot/boot/ignition"
)

func newRender(s streams) *cobra.Command {
	var o showOptions
	command := &cobra.Command{
		Use:   "render HOST",
		Short: "Show the Ignition config that a host would get",
		Long: "Renders the config of a host's workload with the host's vars, name, network and call home.\n" +
			"Nothing is decrypted: a secret is shown as «secret NAME.KEY», a value of the install as «install id».\n" +
			"The same commit gives the same bytes; the plan's differences are over this text.",
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error { return runRender(s, o, args[0]) },
	}
	flags := command.Flags()
	flags.StringVar(&o.repo, "repo", ".", "the fleet's directory, or a clone")
	flags.StringVar(&o.commit, "commit", "", "a commit, branch or tag instead of the directory's files")
	flags.StringVarP(&o.output, "output", "o", "yaml", "yaml, with files in plain, or json, the config itself")
	return command
}

func runRender(s streams, o showOptions, name string) error {
	_, host, err := findHost(s, o, name)
	if err != nil {
		return err
	}
	switch {
	case host.Workload == nil && host.Pending != "":
		return fmt.Errorf("host %s has no config yet: ring %s has released no workload: tag a commit, or name one with "+
			"--commit", name, host.Ring)
	case host.Workload == nil:
		return fmt.Errorf("host %s has no workload, and so no config: name one in spec.workload", name)
	}
	preview, err := ignition.NewPreview(host)
	if err != nil {
		return err
	}
	switch o.output {
	case "yaml":
		_, err = s.Out.Write(preview.Text)
	case "json":
		_, err = s.Out.Write(preview.Ignition)
	default:
		err = fmt.Errorf("there is no output %q: yaml or json", o.output)
	}
	return err
}
