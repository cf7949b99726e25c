//go:build e2e

package e2e_test

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gitmetal/ingot/boot/media"
	"github.com/gitmetal/ingot/internal/daemon"
	"github.com/gitmetal/ingot/inventory/runs"
)

// ownKernel boots Debian's signed kernel with two initrds: Debian, and over it the test's own.
const ownKernel = `apiVersion: ingot.dev/v1alpha1
kind: Workload
metadata: {name: own}
spec:
  replicas: 1
  hosts: {matchLabels: {pool: batch}}
  run:
    boot:
      kernel: {url: "%s", sha256: %q}
      initrds:
      - {url: "%s", sha256: %q}
      - {url: "%s", sha256: %q}
      arguments: ["console=tty0", "console=ttyS0,115200", quiet, systemd.show_status=0, site=e2e]
      files: [{path: /etc/greeting, content: "${vars.greeting}"}]
    items: {list: [{number: 41}]}
    deadline: 20m
    results: {files: [cmdline.txt, answer.txt], maxSize: 1MiB}
`

// jobUnit runs the job in place of ingot's agent, of which the machine knows nothing.
const jobUnit = `[Unit]
After=systemd-udev-settle.service systemd-networkd.service
Wants=systemd-udev-settle.service
[Service]
Type=oneshot
ExecStart=/bin/sh /job/run
StandardOutput=journal+console
StandardError=journal+console
[Install]
WantedBy=multi-user.target
`

// job computes, leaves two files by the documented lines of curl, says that it is done, and powers the machine off.
const job = `set -eu
. /ingot.env
ingot() { /job/ld --library-path /job /job/curl --retry 120 --retry-delay 1 --retry-all-errors --fail --insecure --pinnedpubkey "$INGOT_PIN" -H "Authorization: Bearer $INGOT_TOKEN" "$@"; }
echo "$((INGOT_ARG_NUMBER + 1)) from $(cat /etc/greeting), secure boot $(od -An -t u1 -j 4 -N 1 /sys/firmware/efi/efivars/SecureBoot-*)" >/run/answer.txt
cat /proc/cmdline >/run/cmdline.txt # a file with a size
ingot -T /run/cmdline.txt "$INGOT_URL/files/cmdline.txt"
ingot -T /run/answer.txt "$INGOT_URL/files/answer.txt"
ingot -X POST "$INGOT_URL/done?exit=0"
systemctl --no-block poweroff
`

// TestKernelOfAUser: with Secure Boot on a claimed machine boots the signed kernel of a user and two initrds, and its job
// leaves results with curl alone, while the daemon is killed. Then the machine is off and free, and its disk holds what it
// held.
func TestKernelOfAUser(t *testing.T) {
	t.Parallel()
	w := newRack(t, 1, "--disk", "64")
	before := w.hashDisks()
	w.run(w.dir, "xorriso", "-osirrox", "on", "-indev", parts.ramdisk, "-extract", "/boot/vmlinuz", w.path("images", "vmlinuz"),
		"-extract", "/boot/initrd", w.path("images", "debian"))
	if err := os.WriteFile(w.path("images", "job"), w.packJob(), 0o644); err != nil {
		t.Fatal(err)
	}
	var files []any
	for _, name := range []string{"vmlinuz", "debian", "job"} {
		sum := sha256.Sum256([]byte(w.read("images", name)))
		files = append(files, w.rack.Image.URL[:strings.LastIndex(w.rack.Image.URL, "/")+1]+name, hex.EncodeToString(sum[:]))
	}
	w.makeClaimable("a kernel", map[string]string{"workloads/own.yaml": fmt.Sprintf(ownKernel, files...)})
	w.serve()

	w.follow("the kernel was read", func(e daemon.Event) bool {
		return e.Host != nil && e.Host.Run != nil && e.Host.Run.Stage == runs.Running
	})
	w.daemon.kill()
	w.say("daemon killed")
	w.serve()

	run := w.awaitResults("own", 1)[0]
	if got := w.readResult(run, "answer.txt"); got != "42 from hello from "+host+", secure boot    1\n" {
		t.Errorf("the job left %q", got)
	}
	got := w.readResult(run, "cmdline.txt")
	for _, argument := range []string{" site=e2e ", " INGOT_URL=https://", " INGOT_TOKEN=", " INGOT_PIN=sha256//"} {
		if !strings.Contains(got, argument) {
			t.Errorf("the kernel had the arguments %q, want %q among them", got, argument)
		}
	}
	w.awaitFree()
	w.checkKept("own", 1)
	if diff := w.compareDisks(before); diff != "" {
		t.Errorf("the disk of %s changed: the job wrote nothing", diff)
	}
	w.say("a kernel of a user has run")
}

// packJob makes the test's own initrd: the job, and this machine's curl with its libraries.
func (w *world) packJob() []byte {
	w.Helper()
	files := []media.File{{Path: "/etc/systemd/system/ingot-agent.service", Mode: 0o644, Data: []byte(jobUnit)},
		{Path: "/job/run", Mode: 0o755, Data: []byte(job)}}
	add := func(name, from string) {
		body, err := os.ReadFile(from)
		if err != nil {
			w.Fatal(err)
		}
		files = append(files, media.File{Path: "/job/" + name, Mode: 0o755, Data: body})
	}
	curl := strings.TrimSpace(w.run(w.dir, "sh", "-c", "command -v curl"))
	add("curl", curl)
	for line := range strings.Lines(w.run(w.dir, "ldd", curl)) {
		switch fields := strings.Fields(line); {
		case strings.Contains(line, "ld-linux"):
			add("ld", fields[0])
		case len(fields) > 2 && fields[1] == "=>":
			add(filepath.Base(fields[0]), fields[2])
		}
	}
	archive, err := media.PackFiles(files)
	if err != nil {
		w.Fatal(err)
	}
	var packed bytes.Buffer
	to := gzip.NewWriter(&packed)
	if _, err := to.Write(archive); err != nil {
		w.Fatal(err)
	}
	if err := to.Close(); err != nil {
		w.Fatal(err)
	}
	return packed.Bytes()
}
