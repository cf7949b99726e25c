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

// CoreOSInstaller runs the real coreos-installer.
type CoreOSInstaller struct {
	Program string // default coreos-installer, found on PATH
	Dir     string // where the Ignition config is kept while it runs: in RAM
}

// Failure is a step that failed, with the end of its output.
type Failure struct {
	Err    error
	Output string
}

func (f Failure) Error() string { return f.Err.Error() }
func (f Failure) Unwrap() error { return f.Err }

// Install implements Installer. coreos-installer is told to check no signature: the image comes over loopback from feed, which checks the digest
// and withholds the image's end when it is wrong. An installer that says it succeeded without having read that end has failed.
func (c CoreOSInstaller) Install(ctx context.Context, disk Wiped, job wire.Install, images Images, report func(wire.Progress)) error {
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
	defer feed.close()
	output, err := run(ctx, program{
		argv:   append([]string{or(c.Program, "coreos-installer")}, Arguments(disk.Path(), feed.url, ignition, job.KernelArguments)...),
		report: report,
	})
	if err == nil {
		err = errors.Join(feed.failure(), settle(ctx, disk.Path()))
	} else if cause := feed.failure(); cause != nil && !errors.Is(cause, errNotRead) {
		err = errors.Join(cause, err) // it failed because of us: the cause comes first
	}
	if err != nil {
		return Failure{err, output}
	}
	return nil
}

// Arguments is what coreos-installer 0.27 is called with: the device last, the network of the ramdisk not copied (Ignition brings its own), the
// partition table not kept on an error (without --preserve-on-error it is cleared). No fetch is retried: the daemon decides on attempts.
func Arguments(device, url, ignition string, kernelArguments []string) []string {
	arguments := []string{"install", "--insecure", "--image-url", url, "--ignition-file", ignition}
	for _, argument := range kernelArguments {
		arguments = append(arguments, "--append-karg="+argument) // in one: an argument may begin with a dash
	}
	return append(arguments, device)
}

// settle waits for the kernel's view of the new partitions and checks that those are there that coreos-installer works with.
func settle(ctx context.Context, device string) error {
	if out, err := capture(ctx, "udevadm", "settle", "--timeout=30"); err != nil {
		return fmt.Errorf("wait for the new partitions: %w: %s", err, out)
	}
	out, err := capture(ctx, "lsblk", "--noheadings", "--list", "--output", "LABEL", device)
	if err != nil {
		return fmt.Errorf("look at the new partitions: %w: %s", err, out)
	}
	labels := strings.Fields(out)
	for _, label := range []string{"boot", "root"} {
		if !slices.Contains(labels, label) {
			return fmt.Errorf("the written disk has no file system labelled %s, only %q: use an image that is made for coreos-installer", label, labels)
		}
	}
	return nil
}

func or(value, fallback string) string {
	if value == "" {
		return fallback
	}
	return value
}
