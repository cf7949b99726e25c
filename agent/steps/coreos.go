package steps

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/gitmetal/ingot/agent/wire"
)

// CoreOSInstaller runs coreos-installer.
type CoreOSInstaller struct {
	Program string // default coreos-installer, found on PATH
	Dir     string // directory, in RAM, of the Ignition config while the installer runs
}

// Failure is a failed step, with the end of the program's output.
type Failure struct {
	Err    error
	Output string
	Final  bool // no further attempt is of use without a person
}

func (f Failure) Error() string { return f.Err.Error() }
func (f Failure) Unwrap() error { return f.Err }

// Install implements Installer. coreos-installer checks no signature: the image comes over loopback from feed, which
// checks the digest and withholds the image's end if the digest is wrong. An installer that reports success without
// having read the end has failed.
func (c CoreOSInstaller) Install(ctx context.Context, disk Wiped, job wire.Install, images Images,
	report func(wire.Progress)) error {
	dir, err := os.MkdirTemp(c.Dir, "ingot-install-") // mode 0700
	if err != nil {
		return fmt.Errorf("keep the Ignition config: %w", err)
	}
	defer os.RemoveAll(dir)
	ignition := filepath.Join(dir, "config.ign")
	if err := os.WriteFile(ignition, job.Ignition, 0o600); err != nil {
		return fmt.Errorf("keep the Ignition config: %w", err)
	}
	feed, err := newFeed(ctx, job.Image, images, report)
	if err != nil {
		return err
	}
	defer feed.closeServer()
	output, err := runProgram(ctx, program{
		argv: append([]string{orDefault(c.Program, "coreos-installer")},
			InstallerArguments(disk.Path(), feed.url, ignition, job)...),
		report: report,
	})
	hungUp := func(cause error) bool { return errors.Is(cause, errNotRead) || errors.Is(cause, context.Canceled) }
	if err == nil {
		err = errors.Join(feed.lastError(), awaitPartitions(ctx, disk.Path()))
	} else if cause := feed.lastError(); cause != nil && !hungUp(cause) {
		err = errors.Join(cause, err) // the installer failed because of the feed: the cause comes first
	} else {
		err = explainFailure(err, output)
	}
	if err != nil {
		return Failure{Err: err, Output: output}
	}
	return nil
}

// explainFailure puts the first error that coreos-installer printed in front: its last line says "install failed" alone.
func explainFailure(err error, output string) error {
	for line := range strings.Lines(output) {
		why, is := strings.CutPrefix(strings.TrimSpace(line), "Error: ")
		if is && why != "install failed" && !strings.Contains(err.Error(), why) {
			return fmt.Errorf("%s: %w", why, err)
		}
	}
	return err
}

// InstallerArguments are the arguments of coreos-installer 0.27: the device last, the ramdisk's network not copied
// (Ignition brings the network), and the partition table cleared after an error (no --preserve-on-error). No fetch is
// retried: the daemon decides on attempts.
func InstallerArguments(device, url, ignition string, job wire.Install) []string {
	arguments := []string{"install", "--insecure", "--image-url", url, "--ignition-file", ignition}
	// each as a single argument: the value may begin with a dash
	for _, argument := range job.KernelArguments {
		arguments = append(arguments, "--append-karg="+argument)
	}
	if options := job.Options; options != nil {
		for _, argument := range options.DeleteKernelArguments {
			arguments = append(arguments, "--delete-karg="+argument)
		}
		if options.Platform != "" {
			arguments = append(arguments, "--platform="+options.Platform)
		}
		for _, console := range options.Consoles {
			arguments = append(arguments, "--console="+console)
		}
	}
	return append(arguments, device)
}

// awaitPartitions waits for the kernel's view of the new partitions and checks that the file systems needed by
// coreos-installer are there.
func awaitPartitions(ctx context.Context, device string) error {
	if out, err := captureOutput(ctx, "udevadm", "settle", "--timeout=30"); err != nil {
		return fmt.Errorf("wait for the new partitions: %w: %s", err, out)
	}
	out, err := captureOutput(ctx, "lsblk", "--noheadings", "--list", "--output", "LABEL", device)
	if err != nil {
		return fmt.Errorf("look at the new partitions: %w: %s", err, out)
	}
	labels := strings.Fields(out)
	for _, label := range []string{"boot", "root"} {
		if !slices.Contains(labels, label) {
			return fmt.Errorf(
				"the written disk has no file system labelled %s, only %q: use an image that is made for "+
					"coreos-installer", label, labels)
		}
	}
	return nil
}

func orDefault(value, fallback string) string {
	if value == "" {
		return fallback
	}
	return value
}
