package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"filippo.io/age"
	"filippo.io/age/plugin"
	"github.com/spf13/cobra"

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
				again, err := sealing.ChangeScope(file, scope, func() (secrets.Keys, error) { return readAgeKeys(keyFile) })
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
	addAgeKeysFlag(command, &keyFile)
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

func addAgeKeysFlag(command *cobra.Command, file *string) {
	command.Flags().StringVar(file, "age-keys", "", "file of age identities, or a private SSH key, that open it (default "+
		"$SOPS_AGE_KEY_FILE, $SOPS_AGE_SSH_PRIVATE_KEY_FILE, else sops/age/keys.txt in the user's configuration, else ~/.ssh/id_ed25519)")
}

// readAgeKeys reads identities from the places that sops uses. Plug-ins may ask the person at the terminal.
func readAgeKeys(file string) (secrets.Keys, error) {
	keys, err := secrets.LoadKeys(findAgeKeys(file), func(text string) (age.Identity, error) {
		say := func(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }
		return plugin.NewIdentity(text, plugin.NewTerminalUI(say, say))
	})
	if err != nil {
		return keys, fmt.Errorf("%w: name a file with --age-keys or SOPS_AGE_KEY_FILE", err)
	}
	return keys, nil
}

// findAgeKeys is the file that a person named, or the first of sops' places that is there.
func findAgeKeys(file string) string {
	for _, named := range []string{file, os.Getenv("SOPS_AGE_KEY_FILE"), os.Getenv("SOPS_AGE_SSH_PRIVATE_KEY_FILE")} {
		if named != "" {
			return named
		}
	}
	places := []string{}
	if dir, err := os.UserConfigDir(); err == nil {
		places = append(places, filepath.Join(dir, "sops", "age", "keys.txt"))
	}
	if home, err := os.UserHomeDir(); err == nil {
		places = append(places, filepath.Join(home, ".ssh", "id_ed25519"), filepath.Join(home, ".ssh", "id_rsa"))
	}
	for _, place := range places {
		if _, err := os.Stat(place); err == nil {
			return place
		}
	}
	return append(places, "")[0]
}
