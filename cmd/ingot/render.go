package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/gitmetal/ingot/boot/clouddrive"
	"github.com/gitmetal/ingot/boot/ignition"
	"github.com/gitmetal/ingot/cmd/ingot/agekeys"
	"github.com/gitmetal/ingot/cmd/ingot/fleets"
	"github.com/gitmetal/ingot/internal/secret"
	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/refs"
)

// renderOptions are the flags of ingot render.
type renderOptions struct {
	showOptions
	decrypt bool
	ageKeys string
}

func newRender(s streams) *cobra.Command {
	var o renderOptions
	command := &cobra.Command{
		Use:   "render HOST",
		Short: "Show the Ignition config that a host would get",
		Long: "Renders the config of a host's workload with the host's vars, name, network and call home.\n" +
			"Nothing is decrypted: a secret is shown as «secret NAME.KEY», a value of the install as «install id».\n" +
			"The same commit gives the same bytes; the plan's differences are over this text.\n" +
			"--decrypt opens the secrets with age keys, and prints them to a terminal only.",
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error { return runRender(s, o, args[0]) },
	}
	flags := command.Flags()
	flags.StringVar(&o.repo, "repo", ".", "the fleet's directory, or a clone")
	flags.StringVar(&o.commit, "commit", "", "a commit, branch or tag instead of the directory's files")
	flags.StringVarP(&o.output, "output", "o", "yaml", "yaml, with files in plain, or json, the config itself")
	flags.BoolVar(&o.decrypt, "decrypt", false, "show the values of secrets; standard output must be a terminal")
	agekeys.AddFlag(command, &o.ageKeys)
	return command
}

func runRender(s streams, o renderOptions, name string) error {
	if out, is := s.Out.(*os.File); o.decrypt && (!is || !term.IsTerminal(int(out.Fd()))) {
		return errors.New("--decrypt prints secrets, and standard output is no terminal: run it in a terminal, without a pipe")
	}
	fleet, host, err := findHost(s, o.showOptions, name)
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
	preview, err := renderPreview(fleet, host, o)
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

// renderPreview renders the config, with secrets in clear where a person asks for them.
func renderPreview(fleet inventory.Fleet, host inventory.Desired, o renderOptions) (ignition.Preview, error) {
	if !o.decrypt {
		return clouddrive.NewPreview(host)
	}
	keys, err := agekeys.Read(o.ageKeys)
	if err != nil {
		return ignition.Preview{}, err
	}
	opened, err := fleets.OpenSecrets(fleet, host.Workload.Secrets, keys)
	if err != nil {
		return ignition.Preview{}, err
	}
	return clouddrive.NewClearPreview(host, func(ref refs.Secret) (secret.Value, error) { return opened[ref], nil })
}
