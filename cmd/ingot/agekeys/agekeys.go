// Package agekeys finds the age identities of the person at the terminal, where sops looks for them: AddFlag names a file, and
// Read reads it, or the first of sops' places.
package agekeys

import (
	"fmt"
	"os"
	"path/filepath"

	"filippo.io/age"
	"filippo.io/age/plugin"
	"github.com/spf13/cobra"

	"github.com/gitmetal/ingot/inventory/secrets"
)

// AddFlag adds the flag for a file of identities.
func AddFlag(command *cobra.Command, file *string) {
	command.Flags().StringVar(file, "age-keys", "", "file of age identities, or a private SSH key, that open it (default "+
		"$SOPS_AGE_KEY_FILE, $SOPS_AGE_SSH_PRIVATE_KEY_FILE, else sops/age/keys.txt in the user's configuration, else ~/.ssh/id_ed25519)")
}

// Read reads identities from the places that sops uses. Plug-ins may ask the person at the terminal.
func Read(file string) (secrets.Keys, error) {
	keys, err := secrets.LoadKeys(findFile(file), func(text string) (age.Identity, error) {
		say := func(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }
		return plugin.NewIdentity(text, plugin.NewTerminalUI(say, say))
	})
	if err != nil {
		return keys, fmt.Errorf("%w: name a file with --age-keys or SOPS_AGE_KEY_FILE", err)
	}
	return keys, nil
}

// findFile gives the file that a person named, or the first of sops' places that is there.
func findFile(file string) string {
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
