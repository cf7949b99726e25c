package steps

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
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

// Install implements Installer. coreos-installer checks no signature and no digest: the image comes over loopback from feed, which checks the
// digest and withholds the image's end when it is wrong.
func (c CoreOSInstaller) Install(ctx context.Context, disk Wiped, job wire.Install, images Images, report func(wire.Progress)) error {
	dir, err := os.MkdirTemp(c.Dir, "ingot-install-")
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
	output, err := run(ctx, Arguments(or(c.Program, "coreos-installer"), disk.Path(), feed.url, ignition, job.KernelArguments), nil, report)
	if err != nil {
		return Failure{errors.Join(feed.failure(), err), output}
	}
	return settle(ctx, disk.Path())
}

// Arguments is the command line of coreos-installer 0.27: the device last, one --append-karg per argument.
func Arguments(program, device, url, ignition string, kernelArguments []string) []string {
	argv := []string{program, "install", "--insecure", "--image-url", url, "--ignition-file", ignition}
	for _, argument := range kernelArguments {
		argv = append(argv, "--append-karg", argument)
	}
	return append(argv, device)
}

// settle has the kernel read the new partitions and checks that the image's are there.
func settle(ctx context.Context, device string) error {
	if out, err := exec.CommandContext(ctx, "udevadm", "settle", "--timeout=30").CombinedOutput(); err != nil {
		return fmt.Errorf("udevadm settle: %w: %s", err, out)
	}
	out, err := exec.CommandContext(ctx, "lsblk", "--noheadings", "--list", "--output", "LABEL", device).Output()
	if err != nil {
		return fmt.Errorf("look at the new partitions: %w", err)
	}
	for _, label := range strings.Fields(string(out)) {
		if label == "boot" {
			return nil
		}
	}
	return errors.New("the written disk has no file system labelled boot: the image is not one that coreos-installer configures")
}

// BootOrder reads what the firmware will start next, when it is UEFI and efibootmgr is there; nil otherwise.
func BootOrder(ctx context.Context) *wire.BootEntry {
	out, err := exec.CommandContext(ctx, "efibootmgr").Output()
	if err != nil {
		return nil
	}
	var entry wire.BootEntry
	for line := range strings.Lines(string(out)) {
		if order, ok := strings.CutPrefix(line, "BootOrder: "); ok {
			entry.Order = strings.Split(strings.TrimSpace(order), ",")
		}
		if current, ok := strings.CutPrefix(line, "BootCurrent: "); ok {
			entry.Current = strings.TrimSpace(current)
		}
	}
	return &entry
}

func or(value, fallback string) string {
	if value == "" {
		return fallback
	}
	return value
}
