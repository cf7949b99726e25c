package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/gitmetal/ingot/boot/console"
	"github.com/gitmetal/ingot/boot/redfish"
	"github.com/gitmetal/ingot/cmd/ingot/rack"
	"github.com/gitmetal/ingot/internal/lab"
	"github.com/gitmetal/ingot/internal/secret"
)

type bmcOptions struct {
	username, passwordFile, fingerprint, ca, rack, output string
	firstUse                                              bool
	timeout                                               time.Duration
}

// passwordVariable is the environment variable with the BMC's password, which is never an argument.
const passwordVariable = rack.PasswordVariable // the name of the variable

func newBMC(s streams) *cobra.Command {
	var o bmcOptions
	check := &cobra.Command{
		Use:   "check ADDRESS",
		Short: "Say what a BMC offers, what ingot would use of it, and what is missing; changes nothing",
		Long: "Reads a BMC through Redfish. Nothing is changed; the session is ended afterwards.\n" +
			"The password is read from $" + passwordVariable + " or --password-file.\n" +
			"What reading does not tell and only a boot shows is listed as unknown.\n" +
			"Exit code 0: nothing is missing that ingot needs; 1: not reached; 2: something is missing.",
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error { return checkBMC(c.Context(), s, o, args[0]) },
	}
	o.addFlags(check)
	check.Flags().StringVarP(&o.output, "output", "o", "text", "text or json")
	command := &cobra.Command{Use: "bmc", Short: "Look at a machine's BMC"}
	command.AddCommand(check, newBMCTrust(s))
	return command
}

// addFlags adds the flags that say which BMC is meant, and how it is reached.
func (o *bmcOptions) addFlags(command *cobra.Command) {
	flags := command.Flags()
	flags.StringVar(&o.username, "username", "", "account at the BMC")
	flags.StringVar(&o.passwordFile, "password-file", "", "file with its password; - for standard input")
	flags.StringVar(&o.fingerprint, "fingerprint", "", "sha256:… of the certificate the BMC must show")
	flags.StringVar(&o.ca, "ca", "", "file with the authority (PEM) of its certificate")
	flags.BoolVar(&o.firstUse, "first-use", false,
		"trust the certificate it shows now; the answer names its fingerprint")
	flags.StringVar(&o.rack, "rack", "", "a virtual rack's directory: ADDRESS is a machine's name in it")
	flags.DurationVar(&o.timeout, "timeout", 2*time.Minute, "give up after this time")
}

func checkBMC(ctx context.Context, s streams, o bmcOptions, address string) error {
	config, err := makeBMCConfig(s, o, address)
	if err != nil {
		return err
	}
	client, err := redfish.Open(config)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, o.timeout)
	defer cancel()
	report, err := client.Check(ctx)
	if closed := client.Close(context.WithoutCancel(ctx)); closed != nil {
		fmt.Fprintln(s.Err, "note: the session could not be ended:", closed)
	}
	report.ConsoleKeys = readConsoleKeys(ctx, s, report)
	if o.output == "json" {
		if written := writeJSON(s, report); written != nil {
			return written
		}
	} else {
		printReport(s.Out, report)
	}
	switch {
	case err != nil:
		return err
	case !report.Usable:
		return exitError{code: exitFindings}
	default:
		return nil
	}
}

// readConsoleKeys gives the fingerprints of the host keys at the port of the BMC's serial console.
func readConsoleKeys(ctx context.Context, s streams, r redfish.Report) []string {
	at, err := url.Parse(r.Address)
	if err != nil || r.System == nil || r.System.Console == nil || !r.System.Console.Enabled {
		return nil
	}
	keys, err := console.ReadFingerprints(ctx, net.JoinHostPort(at.Hostname(), strconv.Itoa(r.System.Console.Port)),
		console.Limits{})
	if err != nil {
		fmt.Fprintln(s.Err, "note: its SSH host key was not seen:", err)
	}
	return keys
}

func makeBMCConfig(s streams, o bmcOptions, address string) (redfish.Config, error) {
	if o.output != "text" && o.output != "json" {
		return redfish.Config{}, fmt.Errorf("there is no output %q: text or json", o.output)
	}
	if o.rack != "" {
		return findRackConfig(o.rack, address)
	}
	config := redfish.Config{Address: address, Username: o.username,
		TLS: redfish.TLS{Fingerprint: o.fingerprint, FirstUse: o.firstUse}}
	if o.ca != "" {
		pem, err := readLimited(o.ca, nil)
		if err != nil {
			return config, err
		}
		config.TLS.CA = pem
	}
	if o.username == "" {
		return config, errors.New("name the account with --username")
	}
	password, given := os.LookupEnv(passwordVariable)
	switch {
	case o.passwordFile != "":
		text, err := readLimited(o.passwordFile, s.In)
		if err != nil {
			return config, err
		}
		password = strings.TrimRight(text, "\r\n")
	case !given:
		return config, fmt.Errorf("give the password in $%s or with --password-file", passwordVariable)
	}
	config.Password = secret.New(password)
	return config, nil
}

// findRackConfig gives the BMC of a machine of a virtual rack.
func findRackConfig(dir, name string) (redfish.Config, error) {
	rack, err := lab.Describe(dir)
	if err != nil {
		return redfish.Config{}, err
	}
	for _, m := range rack.Machines {
		if m.Name == name {
			return redfish.Config{Address: m.Address, Username: m.Username, Password: secret.New(m.Password),
				TLS: redfish.TLS{Fingerprint: m.Fingerprint}}, nil
		}
	}
	return redfish.Config{}, fmt.Errorf("the rack in %s has no machine %q", dir, name)
}

// maxFile is the most that is read of a password or certificate file, in bytes.
const maxFile = 64 << 10

func readLimited(name string, stdin io.Reader) (string, error) {
	source := stdin
	if name != "-" || stdin == nil {
		file, err := os.Open(name)
		if err != nil {
			return "", err
		}
		defer file.Close()
		source = file
	}
	data, err := io.ReadAll(io.LimitReader(source, maxFile+1))
	if err == nil && len(data) > maxFile {
		err = fmt.Errorf("%s has more than %d bytes", name, maxFile)
	}
	return string(data), err
}

func printReport(out io.Writer, r redfish.Report) {
	fmt.Fprintf(out, "%s\n%s %s, Redfish %s\n", r.Address, r.Vendor, r.Product, r.Redfish)
	if r.Fingerprint != "" {
		fmt.Fprintf(out, "certificate %s\n", r.Fingerprint)
	}
	for _, key := range r.ConsoleKeys {
		fmt.Fprintf(out, "serial console's host key %s\n", key)
	}
	fmt.Fprintln(out)
	w := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	for _, f := range r.Findings {
		fmt.Fprintf(w, "%s\t%s\t%s\n", f.Verdict, f.Topic, f.Text)
	}
	_ = w.Flush()
	if r.Usable {
		fmt.Fprintln(out, "\nNothing is missing that ingot needs. What is unknown above only a boot shows: try "+
			"one such machine first.")
	} else {
		fmt.Fprintln(out, "\ningot cannot install this machine yet: see what is missing above.")
	}
}
