package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/gitmetal/ingot/boot/media"
)

func newRamdisk(s streams) *cobra.Command {
	command := &cobra.Command{Use: "ramdisk", Short: "Make the ramdisk that machines are inspected and installed from"}
	var o media.BuildOptions
	var kernel string
	build := &cobra.Command{
		Use:   "build",
		Short: "Build the ramdisk's ISO from Debian packages (as root, on Debian)",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			cache, err := findCacheDir()
			if err != nil {
				return err
			}
			o.Cache, o.Log = cache, s.Err
			o.Kernel = map[string]string{"stock": media.KernelStock, "cloud": media.KernelCloud}[kernel]
			if o.Kernel == "" {
				return fmt.Errorf("there is no kernel %q: stock is for real hardware, cloud for virtual machines",
					kernel)
			}
			if err := media.Build(c.Context(), o); err != nil {
				return err
			}
			info, err := os.Stat(o.Output)
			if err != nil {
				return err
			}
			fmt.Fprintf(s.Out, "%s: %d MB\n", o.Output, info.Size()>>20)
			return nil
		},
	}
	flags := build.Flags()
	flags.StringVar(&kernel, "kernel", "stock", "stock: real hardware, with firmware; cloud: virtual machines")
	flags.StringSliceVar(&o.Packages, "package", nil, "another Debian package; may be repeated")
	flags.StringVar(&o.Overlay, "overlay", "", "directory copied over the ramdisk's root")
	flags.StringVar(&o.Agent, "agent", "ingot-agent", "the agent's static binary")
	flags.StringVar(&o.Installer, "installer", "", "the coreos-installer binary")
	flags.StringVar(&o.Output, "output", "ramdisk.iso", "where the ISO goes")
	_ = build.MarkFlagRequired("installer")
	command.AddCommand(build)
	return command
}

// findCacheDir gives the directory of downloads and builds.
func findCacheDir() (string, error) {
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("no cache directory: %w: set XDG_CACHE_HOME or HOME", err)
	}
	return filepath.Join(dir, "ingot"), nil
}
