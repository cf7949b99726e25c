package media

import (
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/gitmetal/ingot/agent/wire"
)

//go:embed all:ramdisk
var scripts embed.FS

// Kernels of the ramdisk.
const (
	KernelStock = "linux-image-amd64"       // every driver there is, for real hardware
	KernelCloud = "linux-image-cloud-amd64" // virtual machines only: small and quick
)

// basePackages are in every ramdisk.
var basePackages = []string{"systemd", "systemd-sysv", "udev", "dbus", "kmod", "iproute2", "util-linux", "fdisk",
	"gdisk", "e2fsprogs", "dosfstools",
	"mdadm", "nvme-cli", "ipmitool", "efibootmgr", "ca-certificates", "passwd", "jq"}

// Firmware is needed by the network and storage controllers of real hardware; the default of BuildOptions.Firmware.
var Firmware = []string{"firmware-linux-free", "firmware-misc-nonfree", "firmware-bnx2", "firmware-bnx2x",
	"firmware-qlogic", "firmware-netxen"}

// BuildOptions of a ramdisk.
type BuildOptions struct {
	Kernel    string   // KernelStock or KernelCloud
	Packages  []string // besides basePackages
	Firmware  []string // packages that KernelStock brings, from main and non-free-firmware; nil: Firmware
	Overlay   string   // directory copied over the ramdisk's root; ""
	Agent     string   // ingot-agent, static
	Installer string   // coreos-installer
	Output    string   // ISO file
	Cache     string   // directory for what later builds use again
	Log       io.Writer
}

// Build makes the ramdisk's ISO. The Debian tree takes minutes and is kept in the cache, keyed by the content of its
// inputs; the agent, the installer and the overlay are added in seconds.
func Build(ctx context.Context, o BuildOptions) error {
	if o.Kernel != KernelStock && o.Kernel != KernelCloud {
		return fmt.Errorf("there is no ramdisk kernel %q: stock or cloud", o.Kernel)
	}
	for _, file := range []string{o.Agent, o.Installer} {
		if _, err := os.Stat(file); err != nil {
			return fmt.Errorf("build ramdisk: %w", err)
		}
	}
	dir, err := unpackScripts()
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	base, err := buildBase(ctx, o, dir)
	if err != nil {
		return err
	}
	temporary := o.Output + ".new"
	err = runScript(ctx, o.Log, filepath.Join(dir, "iso.sh"), temporary, base, o.Agent, o.Installer, o.Overlay,
		wire.OverlayMagic, strconv.Itoa(wire.OverlaySize), wire.ProtocolMagic+strconv.Itoa(wire.Version))
	if err != nil {
		return errors.Join(err, os.RemoveAll(temporary))
	}
	iso, err := OpenISO(temporary)
	if err != nil {
		return err
	}
	return errors.Join(iso.Close(), os.Rename(temporary, o.Output))
}

// buildBase gives the directory with the tree's archive and kernel, built once for the same inputs.
func buildBase(ctx context.Context, o BuildOptions, scripts string) (string, error) {
	list, components := listPackages(o)
	key, err := hashInputs(scripts, append([]string{o.Kernel, components}, list...))
	if err != nil {
		return "", err
	}
	dir := filepath.Join(o.Cache, "ramdisk", key)
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return "", fmt.Errorf("build ramdisk: %w", err)
	}
	unlock, err := lockFile(dir + ".lock")
	if err != nil {
		return "", err
	}
	defer unlock()
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	fmt.Fprintln(o.Log, "building the ramdisk's Debian tree (once, some minutes)")
	temporary := dir + ".new"
	if err := os.RemoveAll(temporary); err != nil {
		return "", err
	}
	if err := runScript(ctx, o.Log, filepath.Join(scripts, "base.sh"), temporary, o.Kernel, strings.Join(list, ","),
		components); err != nil {
		return "", err
	}
	return dir, os.Rename(temporary, dir)
}

// listPackages gives the Debian packages of a ramdisk, and the components of the archive from which the packages come.
func listPackages(o BuildOptions) (list []string, components string) {
	list = slices.Concat(basePackages, o.Packages)
	if o.Kernel != KernelStock {
		return list, "main"
	}
	if o.Firmware == nil {
		o.Firmware = Firmware
	}
	return slices.Concat(list, o.Firmware), "main non-free-firmware"
}

// hashInputs gives 16 hex digits over the scripts and the package list.
func hashInputs(dir string, list []string) (string, error) {
	hash := sha256.New()
	for _, item := range list {
		fmt.Fprintf(hash, "%d:%s", len(item), item)
	}
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || entry.Name() == "iso.sh" {
			return err
		}
		data, err := os.ReadFile(path)
		fmt.Fprintf(hash, "%s:%d:", entry.Name(), len(data))
		hash.Write(data)
		return err
	})
	return hex.EncodeToString(hash.Sum(nil)[:8]), err
}

func unpackScripts() (string, error) {
	dir, err := os.MkdirTemp("", "ingot-ramdisk-")
	if err != nil {
		return "", fmt.Errorf("build ramdisk: %w", err)
	}
	inner, err := fs.Sub(scripts, "ramdisk")
	if err == nil {
		err = os.CopyFS(dir, inner)
	}
	for _, name := range []string{"base.sh", "iso.sh"} {
		err = errors.Join(err, os.Chmod(filepath.Join(dir, name), 0o755))
	}
	if err != nil {
		return "", errors.Join(fmt.Errorf("build ramdisk: %w", err), os.RemoveAll(dir))
	}
	return dir, nil
}

// runScript runs an embedded script; the output goes to the log.
func runScript(ctx context.Context, log io.Writer, name string, args ...string) error {
	command := exec.CommandContext(ctx, name, args...)
	command.Stdout, command.Stderr = log, log
	if err := command.Run(); err != nil {
		return fmt.Errorf("%s: %w: its output says why; `scripts/setup.sh full` installs what it needs",
			filepath.Base(name), err)
	}
	return nil
}

// lockFile takes a file lock, so that two builds do not make the same tree at once.
func lockFile(path string) (unlock func(), err error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("build ramdisk: %w", err)
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return func() { _ = file.Close() }, nil
}
