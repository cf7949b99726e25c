//go:build e2e

// Package e2e_test is the proof on real parts: the built binaries in processes of their own, QEMU with UEFI firmware that enforces Secure Boot, a
// signed ramdisk, coreos-installer and Ignition. `make e2e` runs it; it takes a quarter of an hour, as QEMU emulates the processors.
package e2e_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// patience bounds every single wait; on an idle machine of four cores none takes more than 3 minutes.
const patience = 40 * time.Minute

// parts are what all tests share: built once, only read.
var parts struct {
	ingot   string // the binary
	ramdisk string // the ISO
	image   string // the operating system image
}

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "ingot-e2e-")
	if err == nil {
		defer os.RemoveAll(dir)
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		err = build(ctx, dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		return 1
	}
	return m.Run()
}

// build makes the parts in dir from this checkout and from the user's cache.
func build(ctx context.Context, dir string) error {
	parts.ingot, parts.ramdisk = filepath.Join(dir, "ingot"), filepath.Join(dir, "ramdisk.iso")
	agent := filepath.Join(dir, "ingot-agent")
	if _, err := output(ctx, "go", "build", "-trimpath", "-o", dir, "./cmd/ingot", "./cmd/ingot-agent"); err != nil {
		return err
	}
	installer, err := output(ctx, "scripts/coreos-installer.sh")
	if err != nil {
		return err
	}
	images, err := output(ctx, "scripts/osimage.sh")
	if err != nil {
		return err
	}
	parts.image = filepath.Join(images, "ingot-os.raw.zst")
	_, err = output(ctx, parts.ingot, "ramdisk", "build", "--kernel", "cloud", "--agent", agent, "--installer", installer, "--output", parts.ramdisk)
	return err
}

// output runs a command at the top of the checkout and gives what it prints.
func output(ctx context.Context, name string, args ...string) (string, error) {
	command := exec.CommandContext(ctx, name, args...)
	command.Dir = filepath.Join("..", "..")
	command.Env = append(os.Environ(), "CGO_ENABLED=0")
	var said strings.Builder
	command.Stderr = &said
	out, err := command.Output()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, said.String())
	}
	return strings.TrimSpace(string(out)), nil
}
