package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gitmetal/ingot/agent/hub"
	"github.com/gitmetal/ingot/boot/redfish"
	"github.com/gitmetal/ingot/internal/daemon/config"
)

// newBMCTrust makes the verb that has a BMC trust the daemon's media server.
func newBMCTrust(s streams) *cobra.Command {
	o := bmcOptions{output: "text"}
	var file, authority string
	command := &cobra.Command{
		Use:   "trust ADDRESS",
		Short: "Have a BMC trust the daemon's authority for boot media over HTTPS",
		Long: "Puts the daemon's authority into the certificates of the BMC's virtual drives, where the BMC has a place for " +
			"them.\nNothing is sent to a BMC that has the authority already. Needed only with listen.mediaTLS.",
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			pem, err := readAuthority(file, authority)
			if err != nil {
				return err
			}
			connection, err := makeBMCConfig(s, o, args[0])
			if err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(c.Context(), o.timeout)
			defer cancel()
			return trustMedia(ctx, s, connection, pem)
		},
	}
	o.addFlags(command)
	command.Flags().StringVar(&file, "config", "", "the daemon's configuration: its authority is meant")
	command.Flags().StringVar(&authority, "authority", "", "file with another authority (PEM)")
	return command
}

// readAuthority gives the authority (PEM) in a file, or of the daemon with a configuration.
func readAuthority(file, authority string) (string, error) {
	switch {
	case (file == "") == (authority == ""):
		return "", errors.New("name the daemon's configuration with --config, or an authority with --authority")
	case authority != "":
		return readLimited(authority, nil)
	}
	c, err := config.LoadFile(file)
	if err != nil {
		return "", err
	}
	identity, err := hub.LoadIdentity(c.IdentityDir)
	if err != nil {
		return "", fmt.Errorf("the daemon's authority: %w: start the daemon once, or name a file with --authority", err)
	}
	return string(identity.CAPEM()), nil
}

// trustMedia has a BMC trust an authority (PEM).
func trustMedia(ctx context.Context, s streams, connection redfish.Config, authority string) error {
	client, err := redfish.Open(connection)
	if err != nil {
		return err
	}
	added, err := client.TrustMedia(ctx, authority)
	if closed := client.Close(context.WithoutCancel(ctx)); closed != nil {
		fmt.Fprintln(s.Err, "note: the session could not be ended:", closed)
	}
	switch {
	case err != nil:
		return err
	case len(added) == 0:
		fmt.Fprintln(s.Out, "the BMC trusts the authority already")
	default:
		fmt.Fprintln(s.Out, "the BMC trusts the authority at "+strings.Join(added, ", "))
	}
	return nil
}
