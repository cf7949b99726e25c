// Package rack has the verbs of `ingot lab`: a virtual rack to try ingot on. Call NewCommand; package internal/lab does
// the work.
package rack

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/spf13/cobra"

	"github.com/gitmetal/ingot/internal/lab"
)

// streams are where the verbs print: data, and talk.
type streams struct{ Out, Err io.Writer }

// NewCommand makes the command `lab` with its verbs. They print data to out, and talk to talk.
func NewCommand(out, talk io.Writer) *cobra.Command {
	s := streams{out, talk}
	command := &cobra.Command{Use: "lab", Short: "A virtual rack: machines with BMCs, to try things on"}
	dir := command.PersistentFlags().String("dir", "ingot-lab", "the rack's directory")
	command.AddCommand(newLabUp(s, dir), newLabFleet(s, dir), newLabShow(s, dir), newLabUnplug(dir),
		newLabReplay(s))
	return command
}

func newLabUp(s streams, dir *string) *cobra.Command {
	var o lab.Options
	var backend string
	command := &cobra.Command{
		Use:   "up",
		Short: "Run a rack until interrupted",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			o.Dir, o.Backend, o.Log = *dir, lab.Backend(backend), slog.New(slog.NewTextHandler(s.Err, nil))
			rack, err := lab.New(c.Context(), o)
			if err != nil {
				return err
			}
			for _, m := range rack.Description().Machines {
				fmt.Fprintf(s.Out, "%s: BMC %s, serial %s, disk %s\n", m.Name, m.Address, m.Serial, m.DiskSerial)
			}
			if err := rack.Run(c.Context()); !errors.Is(err, context.Canceled) {
				return err
			}
			return nil
		},
	}
	flags := command.Flags()
	flags.IntVar(&o.Machines, "machines", 1, "how many")
	flags.StringVar(&backend, "backend", "qemu", "qemu: real firmware; sim: in-process machines")
	flags.StringVar(&o.Image, "image", "", "operating system image to serve; simulated machines have their own")
	flags.IntVar(&o.DiskMiB, "disk", 0, "MiB of each machine's disk (default 2048)")
	return command
}

func newLabFleet(s streams, dir *string) *cobra.Command {
	return &cobra.Command{
		Use:   "fleet",
		Short: "Write a fleet that describes the rack, and a daemon's configuration for it",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := awaitRack(c.Context(), *dir); err != nil {
				return err
			}
			if err := lab.PrepareFleet(c.Context(), *dir); err != nil {
				return err
			}
			fmt.Fprintf(s.Out, "%[1]s/fleet: the fleet; %[1]s/fleet.git: what the daemon follows; %[1]s/ingot.yaml: "+
				"its configuration\n", *dir)
			return nil
		},
	}
}

// awaitRack waits until a starting rack has written its description.
func awaitRack(ctx context.Context, dir string) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for {
		_, err := lab.Describe(dir)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-ticker.C:
		}
	}
}

func newLabShow(s streams, dir *string) *cobra.Command {
	return &cobra.Command{
		Use:   "show MACHINE",
		Short: "Show a machine's power, its starts, and what was asked of its BMC, as JSON",
		Args:  cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			state, err := lab.State(c.Context(), *dir, args[0])
			if err != nil {
				return err
			}
			encoder := json.NewEncoder(s.Out)
			encoder.SetIndent("", "  ")
			return encoder.Encode(state)
		},
	}
}

func newLabUnplug(dir *string) *cobra.Command {
	return &cobra.Command{
		Use:   "unplug MACHINE",
		Short: "Pull a machine's plug",
		Args:  cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return lab.Unplug(c.Context(), *dir, args[0])
		},
	}
}
