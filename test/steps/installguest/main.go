// Command installguest runs in the ramdisk in place of the agent: it runs the real coreos-installer with the arguments of
// every row of package installs, and says on the console what became of each: "CASE name: ok", or what is wrong. Then the
// machine powers itself off.
package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/gitmetal/ingot/test/steps/installs"
)

const (
	device = "/dev/disk/by-id/virtio-DISK0001"
	dir    = "/run/installs"
	config = dir + "/config.ign"
)

// makeImage makes a small image with the marks of CoreOS: a boot partition with one entry of the boot loader, and a root. $1 is
// the image, $2 the directory with the files of the boot partition, $3 the label of that partition.
const makeImage = `set -e
truncate -s 18M "$1"
printf 'label: gpt\nstart=1M, size=10M, name=boot\nsize=6M, name=root\n' | sfdisk --quiet --wipe never "$1"
mkfs.ext4 -qF -O ^has_journal -L "$3" -d "$2" "$1.boot" 10M
mkfs.ext4 -qF -O ^has_journal -L root "$1.root" 6M
dd if="$1.boot" of="$1" bs=1M seek=1 conv=notrunc status=none
dd if="$1.root" of="$1" bs=1M seek=11 conv=notrunc status=none
rm "$1.boot" "$1.root"
`

func main() {
	console, err := os.OpenFile("/dev/console", os.O_WRONLY, 0)
	if err != nil {
		panic(err)
	}
	address, err := serveImages()
	if err != nil {
		panic(err)
	}
	for _, row := range installs.List() {
		began, verdict := time.Now(), "ok"
		if err := judge(row, address); err != nil {
			verdict = strings.ReplaceAll(err.Error(), "\n", "; ")
		}
		fmt.Fprintf(console, "\r\nCASE %s: %s (%.1f s)\r\n", row.Name, verdict, time.Since(began).Seconds())
	}
	fmt.Fprint(console, "\r\nEND\r\n")
	if err := exec.CommandContext(context.Background(), "systemctl", "poweroff", "--force", "--force").Run(); err != nil {
		panic(err)
	}
}

// serveImages makes the images, and serves them over loopback, as the agent does.
func serveImages() (address string, err error) {
	if err := errors.Join(os.MkdirAll(dir, 0o700), os.WriteFile(config, []byte(`{"ignition":{"version":"3.4.0"}}`), 0o600)); err != nil {
		return "", err
	}
	for _, kind := range []string{installs.Usual, installs.NoPlatform, installs.NoMarkers, installs.NoEntry, installs.NoBoot} {
		files, label := filepath.Join(dir, "files"), "boot"
		if kind == installs.NoBoot {
			label = "start"
		}
		if err := errors.Join(os.RemoveAll(files), writeBoot(files, kind)); err != nil {
			return "", err
		}
		if _, err := run("bash", "-c", makeImage, "image", imageFile(kind), files, label); err != nil {
			return "", err
		}
	}
	listening, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	server := &http.Server{Handler: http.FileServer(http.Dir(dir)), ReadHeaderTimeout: time.Minute}
	go func() { _ = server.Serve(listening) }() // ends with the machine
	return "http://" + listening.Addr().String() + "/", nil
}

func imageFile(kind string) string {
	return filepath.Join(dir, strings.ReplaceAll(kind, " ", "-")+".raw")
}

// writeBoot writes the files of the boot partition of an image.
func writeBoot(files, kind string) error {
	kernel, begin := installs.UsualKernel, "\n# CONSOLE-SETTINGS-START\n"
	switch kind {
	case installs.NoPlatform:
		kernel = "root=LABEL=root rw"
	case installs.NoMarkers:
		begin = "\n"
	}
	text := map[string]string{"coreos/platforms.json": installs.Platforms, "ignition.firstboot": "",
		"grub2/grub.cfg":         "set timeout=0\n" + begin + installs.UsualLoader + "# CONSOLE-SETTINGS-END\nboot\n",
		"loader/entries/os.conf": "title os\nversion 1\noptions " + kernel + "\nlinux /vmlinuz\ninitrd /initrd\n"}
	if kind == installs.NoEntry {
		delete(text, "loader/entries/os.conf")
		text["loader/entries/readme"] = ""
	}
	for name, data := range text {
		path := filepath.Join(files, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(data), 0o644)); err != nil {
			return err
		}
	}
	return nil
}

// judge runs a row, and looks at the disk.
func judge(row installs.Row, address string) error {
	argv := append([]string{"install", "--insecure", "--image-url", address + filepath.Base(imageFile(row.Image)), "--ignition-file", config}, row.Arguments...)
	said, err := run("coreos-installer", append(argv, device)...)
	if row.Refused != "" {
		return judgeRefused(row, said, err)
	}
	if err != nil {
		return err
	}
	defer func() { _, _ = run("umount", "/mnt") }()
	if _, err := run("bash", "-c", "udevadm settle && mkdir -p /mnt && mount -o ro "+device+"-part1 /mnt"); err != nil {
		return err
	}
	entry, err := os.ReadFile("/mnt/loader/entries/os.conf")
	if err != nil {
		return err
	}
	if want := "options " + row.Kernel + "\n"; !strings.Contains(string(entry), want) {
		return fmt.Errorf("the entry is %q, want %q", entry, want)
	}
	loader, err := os.ReadFile("/mnt/grub2/grub.cfg")
	if err != nil {
		return err
	}
	if want := "# CONSOLE-SETTINGS-START\n" + row.Loader + "# CONSOLE-SETTINGS-END\n"; !strings.Contains(string(loader), want) {
		return fmt.Errorf("the boot loader has %q, want %q", loader, want)
	}
	if body, err := os.ReadFile("/mnt/ignition/config.ign"); err != nil || !strings.Contains(string(body), "3.4.0") {
		return fmt.Errorf("the Ignition config is %q: %w", body, err)
	}
	return nil
}

// judgeRefused wants a refusal with its reason, and a disk that starts nothing.
func judgeRefused(row installs.Row, said string, err error) error {
	if err == nil || !strings.Contains(said, row.Refused) {
		return fmt.Errorf("want a refusal with %q, it said %q: %w", row.Refused, said, err)
	}
	if row.Beyond {
		return nil // refused before the disk was touched
	}
	if table, err := run("sfdisk", "--dump", device); err == nil && strings.Contains(table, "start=") {
		return fmt.Errorf("the disk still has partitions: %s", table)
	}
	return nil
}

func run(name string, arguments ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, name, arguments...).CombinedOutput()
	if err != nil {
		err = fmt.Errorf("%s: %w: %s", name, err, out)
	}
	return string(out), err
}
