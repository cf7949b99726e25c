package rack

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/gitmetal/ingot/internal/daemon/config"
	"github.com/gitmetal/ingot/internal/lab/profiles"
	"github.com/gitmetal/ingot/internal/lab/replay"
	"github.com/gitmetal/ingot/internal/lab/rules"
	"github.com/gitmetal/ingot/internal/secret"
)

// PasswordVariable is the environment variable with the password of a BMC's account.
const PasswordVariable = "INGOT_BMC_PASSWORD"

type replayOptions struct {
	listen, username, rules, profile string
	powerTakes                       time.Duration
	about                            string // what is served
}

func newLabReplay(s streams) *cobra.Command {
	var o replayOptions
	command := &cobra.Command{
		Use:   "replay [TREE]",
		Short: "Serve a recorded Redfish tree as a BMC until interrupted",
		Long: "Serves a directory of recorded resources (index.json files as DMTF's mockups have them, or JSON files " +
			"with @odata.id) over HTTPS.\n" +
			"Sessions, boot override, settings objects, virtual media and power work as the tree says; the rest is " +
			"served as recorded.\n" +
			"The account's password is read from $" + PasswordVariable + ". Rules change answers: see docs/bmcs.md.",
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			server, about, err := o.makeServer(args)
			if err != nil {
				return err
			}
			o.about = about
			return serveReplay(c, s, o, server)
		},
	}
	flags := command.Flags()
	flags.StringVar(&o.listen, "listen", "127.0.0.1:0", "address to serve on")
	flags.StringVar(&o.username, "username", "admin", "account at the BMC")
	flags.StringVar(&o.profile, "profile", "", "serve a shape that is known from the field, by its name, in place of a tree")
	flags.StringVar(&o.rules, "rules", "", "file with rules (JSON) to begin with; PUT "+rules.Address+" replaces them")
	flags.DurationVar(&o.powerTakes, "power", 0, "how long the machine takes to go on or off")
	return command
}

// makeServer makes the BMC of a recorded tree, or of a profile of ours, and says what it is.
func (o replayOptions) makeServer(args []string) (server *replay.Server, about string, err error) {
	password := os.Getenv(PasswordVariable)
	if password == "" {
		return nil, "", fmt.Errorf("give the account's password in $%s", PasswordVariable)
	}
	options := replay.Options{Username: o.username, Password: secret.New(password), PowerTakes: o.powerTakes}
	if (o.profile == "") == (len(args) == 0) {
		return nil, "", errors.New("name a directory with a recorded tree, or a profile with --profile")
	}
	if o.profile == "" {
		tree, err := replay.Load(args[0])
		if err != nil {
			return nil, "", err
		}
		server, err = replay.New(tree, options)
		return server, fmt.Sprintf("%d resources", len(tree)), err
	}
	all, err := profiles.All()
	if err != nil {
		return nil, "", err
	}
	var names []string
	for _, p := range all {
		if p.Name == o.profile {
			server, err = p.NewServer(profiles.Identity{}, options)
			return server, p.About, err
		}
		names = append(names, p.Name)
	}
	return nil, "", fmt.Errorf("there is no profile %q: %s", o.profile, strings.Join(names, ", "))
}

func serveReplay(c *cobra.Command, s streams, o replayOptions, server *replay.Server) error {
	if o.rules != "" {
		text, err := config.ReadFile(o.rules)
		if err != nil {
			return err
		}
		list, err := rules.Read(text)
		if err != nil {
			return err
		}
		server.Rules().Put(list)
	}
	var listen net.ListenConfig
	listener, err := listen.Listen(c.Context(), "tcp", o.listen)
	if err != nil {
		return fmt.Errorf("serve a recorded tree: %w", err)
	}
	pin, err := server.Fingerprint()
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	fmt.Fprintf(s.Out, "https://%s/redfish/v1: %s, certificate %s\n", listener.Addr(), o.about, pin)
	return server.Serve(c.Context(), listener)
}
