package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/gitmetal/ingot/cmd/ingot/agekeys"
	"github.com/gitmetal/ingot/internal/sealing"
	"github.com/gitmetal/ingot/inventory/secrets"
	"github.com/gitmetal/ingot/schemas"
)

func newSecretScope(s streams) *cobra.Command {
	var keyFile string
	var scope schemas.Scope
	command := &cobra.Command{
		Use:   "scope FILE...",
		Short: "Change which hosts may use Secrets, without their keys where the MAC leaves the scope out",
		Long: "Replaces spec.scope. A Secret whose MAC covers the scope is opened once with an age key, and sealed\n" +
			"again with a MAC over its values alone; from then on no key is needed. The plan of a pull request\n" +
			"names the hosts that may use the Secret from then on: review it.",
		Args: cobra.MinimumNArgs(1),
		RunE: func(_ *cobra.Command, files []string) error {
			if !scope.Set() {
				return errors.New("who may use it is said with --scope-host, --scope-label key=value, --scope-delivery, or --scope-all")
			}
			for _, file := range files {
				again, err := sealing.ChangeScope(file, scope, func() (secrets.Keys, error) { return agekeys.Read(keyFile) })
				if err != nil {
					return err
				}
				how := "no key was needed"
				if again {
					how = "sealed again, for the same recipients: from now on no key is needed"
				}
				fmt.Fprintf(s.Out, "%s: the scope is changed; %s\n", file, how)
			}
			return nil
		},
	}
	addScopeFlags(command, &scope)
	agekeys.AddFlag(command, &keyFile)
	return command
}

func addScopeFlags(command *cobra.Command, scope *schemas.Scope) {
	flags := command.Flags()
	flags.StringToStringVar(&scope.MatchLabels, "scope-label", nil,
		"hosts with this label may use it: key=value; several must all match")
	flags.StringArrayVar(&scope.Hosts, "scope-host", nil, "this host may use it; may be given several times")
	flags.StringArrayVar(&scope.Deliveries, "scope-delivery", nil,
		"the daemon may log in with it at the BMCs of this Delivery; may be given several times")
	flags.BoolVar(&scope.AllHosts, "scope-all", false, "every host may use it")
}
