package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/gitmetal/ingot/internal/lab/replay"
	"github.com/gitmetal/ingot/internal/lab/rules"
	"github.com/gitmetal/ingot/internal/secret"
)

type replayOptions struct {
	listen, username, rules string
	powerTakes              time.Duration
}

func newLabReplay(s streams) *cobra.Command {
	var o replayOptions
	command := &cobra.Command{
		Use:   "replay TREE",
		Short: "Serve a recorded Redfish tree as a BMC until interrupted",
		Long: "Serves a directory of recorded resources (index.json files as DMTF's mockups have them, or JSON files " +
			"with @odata.id) over HTTPS.\n" +
			"Sessions, boot override, settings objects, virtual media and power work as the tree says; the rest is " +
			"served as recorded.\n" +
			"The account's password is read from $" + passwordVariable + ". Rules change answers: see docs/bmcs.md.",
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error { return serveReplay(c, s, o, args[0]) },
	}
	flags := command.Flags()
	flags.StringVar(&o.listen, "listen", "127.0.0.1:0", "address to serve on")
	flags.StringVar(&o.username, "username", "admin", "account at the BMC")
	flags.StringVar(&o.rules, "rules", "", "file with rules (JSON) to begin with; PUT "+rules.Address+" replaces them")
	flags.DurationVar(&o.powerTakes, "power", 0, "how long the machine takes to go on or off")
	return command
}

func serveReplay(c *cobra.Command, s streams, o replayOptions, dir string) error {
	password := os.Getenv(passwordVariable)
	if password == "" {
		return fmt.Errorf("give the account's password in $%s", passwordVariable)
	}
	tree, err := replay.Load(dir)
	if err != nil {
		return err
	}
	server, err := replay.New(tree,
		replay.Options{Username: o.username, Password: secret.New(password), PowerTakes: o.powerTakes})
	if err != nil {
		return err
	}
	if o.rules != "" {
		text, err := readLimited(o.rules, nil)
		if err != nil {
			return err
		}
		list, err := rules.Read([]byte(text))
		if err != nil {
			return err
		}
		server.Rules().Put(list)
	}
	var config net.ListenConfig
	listener, err := config.Listen(c.Context(), "tcp", o.listen)
	if err != nil {
		return fmt.Errorf("serve a recorded tree: %w", err)
	}
	pin, err := server.Fingerprint()
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	fmt.Fprintf(s.Out, "https://%s/redfish/v1: %d resources, certificate %s\n", listener.Addr(), len(tree), pin)
	return server.Serve(c.Context(), listener)
}
