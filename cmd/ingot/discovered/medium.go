package discovered

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/gitmetal/ingot/agent/hub"
	"github.com/gitmetal/ingot/agent/hub/door"
	"github.com/gitmetal/ingot/agent/wire"
	"github.com/gitmetal/ingot/boot/media"
	"github.com/gitmetal/ingot/schemas"
)

// NewDiscovery makes the command `discovery` with its verbs. They print data to out, and talk to talk.
func NewDiscovery(out, talk io.Writer) *cobra.Command {
	command := &cobra.Command{Use: "discovery", Short: "Make the medium from which unknown machines register"}
	command.AddCommand(newISO(streams{out, talk}))
	return command
}

// medium is what `ingot discovery iso` is asked for.
type medium struct {
	config, key, until, output string
}

func newISO(s streams) *cobra.Command {
	var m medium
	command := &cobra.Command{
		Use:   "iso --key ID",
		Short: "Make a discovery medium: the ramdisk's ISO with an enrolment key",
		Long: "Writes the ramdisk's ISO with an enrolment key of the fleet's ingot.yaml (spec.discovery.keys). A machine that is\n" +
			"started from the medium registers, sends its inventory and waits; the key lets it do nothing else. Attach the\n" +
			"medium and switch the machines on by hand: before a pull request is merged the daemon sends them no power or boot\n" +
			"command. Keep the file like a password: who reads it can register machines until the key ends or is revoked.\n\n" +
			"The running daemon gives the key. Without a daemon, give the key's last day with --until, as it stands in\n" +
			"ingot.yaml: the key is made from the daemon's identity then.",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return m.write(c.Context(), s) },
	}
	flags := command.Flags()
	flags.StringVar(&m.key, "key", "", "id of the enrolment key in ingot.yaml")
	flags.StringVar(&m.until, "until", "", "the key's last day as in ingot.yaml, to make the medium without a daemon")
	flags.StringVarP(&m.output, "output", "o", "", "where the ISO goes (default discovery-<key>.iso)")
	addConfigFlag(command, &m.config)
	_ = command.MarkFlagRequired("key")
	return command
}

func (m medium) write(ctx context.Context, s streams) error {
	client, settings, err := connect(m.config)
	if err != nil {
		return err
	}
	var boot wire.BootConfig
	if m.until == "" {
		if boot, err = client.DiscoveryMedium(ctx, m.key); err != nil {
			return fmt.Errorf("%w (without a daemon: --until)", err)
		}
	} else if boot, err = m.makeBoot(settings.IdentityDir, settings.Advertise.Agents); err != nil {
		return err
	}
	iso, err := media.OpenISO(settings.Ramdisk)
	if err != nil {
		return err
	}
	defer func() { _ = iso.Close() }() // was only read
	if why := iso.WhyUnusable(); why != "" {
		return errors.New(why)
	}
	output := m.output
	if output == "" {
		output = "discovery-" + m.key + ".iso"
	}
	if err := writeISO(iso, boot, output); err != nil {
		return fmt.Errorf("write the medium: %w", err)
	}
	fmt.Fprintln(s.Out, output)
	fmt.Fprintf(s.Err, "ingot: machines can register with it to the end of %s (UTC); attach it and switch them on by hand\n",
		boot.Discovery.Until)
	return nil
}

// makeBoot makes the boot configuration from the daemon's identity alone.
func (m medium) makeBoot(identityDir string, urls []string) (wire.BootConfig, error) {
	key := schemas.EnrolmentKey{ID: m.key, Until: m.until}
	if door.HasEnded(key, time.Now()) {
		return wire.BootConfig{}, fmt.Errorf("--until %s is no day to come: want the last day of the key as in ingot.yaml, such as 2026-12-31",
			m.until)
	}
	identity, err := hub.LoadIdentity(identityDir)
	if err != nil {
		return wire.BootConfig{}, err
	}
	return door.BootConfig(identity, key, urls, time.Now()), nil
}

// writeISO writes the medium whole or not at all, for its owner only.
func writeISO(iso *media.ISO, boot wire.BootConfig, output string) error {
	files, err := media.BootFiles(boot, nil)
	if err != nil {
		return err
	}
	file, err := os.CreateTemp(filepath.Dir(output), ".discovery-*.iso") // mode 0600
	if err != nil {
		return err
	}
	err = errors.Join(iso.Copy(file, files), file.Close())
	if err == nil {
		err = os.Rename(file.Name(), output)
	}
	if err != nil {
		return errors.Join(err, os.Remove(file.Name()))
	}
	return nil
}
