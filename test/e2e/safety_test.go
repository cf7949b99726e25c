//go:build e2e

package e2e_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gitmetal/ingot/boot/redfish"
	"github.com/gitmetal/ingot/internal/daemon"
	"github.com/gitmetal/ingot/internal/lab"
	"github.com/gitmetal/ingot/internal/secret"
	"github.com/gitmetal/ingot/reconcile/plan"
	"github.com/gitmetal/ingot/reconcile/plan/change"
)

// waitingStep is a step that gives a person time to change the fleet before the install step asks for leave.
const waitingStep = `apiVersion: ingot.dev/v1alpha1
kind: Step
metadata: {name: linger}
spec: {script: steps/linger.sh, timeout: 1h}
`

// TestProtectedBetweenTwoSteps: `protect: true` is merged while a script runs in front of the install. Nothing is written, started or powered; without
// the protection the machine is installed.
func TestProtectedBetweenTwoSteps(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	file := "hosts/" + host + ".yaml"
	w.writeFleet("steps/linger.yaml", waitingStep)
	w.writeFleet("steps/linger.sh", "#!/bin/sh\necho the script begins\nsleep 60\necho the script ends\n")
	w.git("add", "steps")
	w.change(workload, "spec:\n", "spec:\n  steps: [{step: linger}, {step: install}]\n")
	w.serve()
	w.awaitState("the ramdisk to start", func(s lab.MachineState) bool { return s.RamdiskStarts == 1 })
	w.follow("the script to run", func(e daemon.Event) bool { return e.Job != nil && slices.Contains(e.Job.Lines, "the script begins") })
	protected := w.change(file, "spec:\n", "spec:\n  protect: true\n")
	w.await("Protected", func(h daemon.HostView) bool { return h.Phase == plan.Protected && h.Commit == protected })
	time.Sleep(2 * time.Minute) // twice as long as the script takes: the install step would have come
	if n := partitions(t, w.diskPath()); n != 0 || w.written() != 0 {
		t.Errorf("the disk has %d partitions and %d bytes that were written; want nothing written after `protect: true`", n, w.written())
	}
	if state := w.state(); state.DiskStarts != 0 || state.RamdiskStarts != 1 {
		t.Errorf("%d starts of the disk and %d of the ramdisk, want the ramdisk once:\n%s", state.DiskStarts, state.RamdiskStarts,
			strings.Join(state.Story, "\n"))
	}
	w.awaitActive(w.change(file, "  protect: true\n", ""))
}

// TestAnotherSystemOverOurs: a person installs another system over ours by hand, and the fleet asks for a reinstall. `update: Reinstall` covers our
// system alone: the host is held, and nothing is written. The other system runs again a quarter of an hour later (test/sim; too long for here).
func TestAnotherSystemOverOurs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.configure("reinstall: {allHosts: true}\n")
	w.change(workload, "spec:\n", "spec:\n  update: Reinstall\n")
	w.serve()
	w.awaitActive(w.head())
	w.ingot("lab", "unplug", "--dir", w.dir, host)
	w.awaitState("the machine to go off", func(s lab.MachineState) bool { return s.Power == "Off" })
	w.installAnother()
	from := len(w.console(0))
	w.powerOn()
	w.awaitConsole(from, "another system is up")

	commit := w.change(workload, "ingot.demo=first", "ingot.demo=second")
	view := w.await("Held for consent", func(h daemon.HostView) bool {
		return h.Phase == plan.Held && h.Commit == commit && h.Hold != nil && h.Hold.Reason == change.NeedsConsent
	})
	if last := view.LastOperation; len(view.Hold.Consent) == 0 || last.Commit == commit && last.HasBegun() {
		t.Errorf("held with %+v after operation %+v, want a consent asked for and nothing begun", view.Hold, last)
	}
	if jobs := strings.Count(w.console(0), "kind=write"); jobs != 1 {
		t.Errorf("the agent began %d install jobs, want the first one alone", jobs)
	}
}

// TestDaemonAwayWhileTheMachineComesUp: the daemon is stopped for longer than every deadline while the written system starts and calls in vain. The
// machine is Active at the first call that is heard, and nothing is written or started again.
func TestDaemonAwayWhileTheMachineComesUp(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.configure("deadlines: {start: 20s, medium: 20s, agent: 5m, silence: 5m, home: 20s}\n")
	w.serve()
	w.awaitState("the written system to start", func(s lab.MachineState) bool { return s.DiskStarts == 1 })
	w.daemon.kill()
	w.say("daemon killed")
	from := len(w.console(0))
	w.awaitConsole(from, "demo: "+host+": hello from "+host)
	time.Sleep(time.Minute) // three times every deadline that counts from now on
	w.serve()
	view := w.awaitActive(w.head())
	state := w.state()
	if state.RamdiskStarts != 1 || state.DiskStarts != 1 || view.LastOperation.Attempt != 1 {
		t.Errorf("%d starts of the ramdisk and %d of the disk, attempt %d; want one of each:\n%s", state.RamdiskStarts, state.DiskStarts,
			view.LastOperation.Attempt, strings.Join(state.Story, "\n"))
	}
}

// writeFleet writes a file into the clone of the fleet.
func (w *world) writeFleet(file, text string) {
	w.Helper()
	path := w.path("fleet", file)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		w.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
		w.Fatal(err)
	}
}

// configure adds to the daemon's configuration.
func (w *world) configure(text string) {
	w.Helper()
	if err := os.WriteFile(w.path("ingot.yaml"), []byte(w.read("ingot.yaml")+text), 0o600); err != nil {
		w.Fatal(err)
	}
}

// anotherSystem is the Ignition config (specification 3.4) of a system that ingot knows nothing of.
const anotherSystem = `{"ignition": {"version": "3.4.0"}, "systemd": {"units": [{"name": "another.service", "enabled": true, "contents":
"[Unit]\nAfter=multi-user.target\n[Service]\nType=oneshot\nExecStart=/bin/sh -c 'echo another system is up >/dev/ttyS0'\n[Install]\nWantedBy=multi-user.target\n"}]}}`

// writeAnother writes an image over a disk, and an Ignition config into the image's boot partition, where coreos-installer puts it. coreos-installer
// itself needs udev, which the machine of the tests may lack.
const writeAnother = `
zstd -dc "$1" | dd of="$2" bs=4M conv=notrunc,fsync status=none
read -r start size < <(sfdisk --json "$2" | python3 -c '
import json, sys
boot = [p for p in json.load(sys.stdin)["partitiontable"]["partitions"] if p.get("name") == "boot"][0]
print(boot["start"] * 512, boot["size"] * 512)')
mkdir boot && mount -o "loop,offset=$start,sizelimit=$size" "$2" boot
mkdir -p boot/ignition && cp "$3" boot/ignition/config.ign
umount boot
`

// installAnother installs another system over the machine's disk, as a person would who has the disk in another machine.
func (w *world) installAnother() {
	w.Helper()
	config := w.path("another.ign")
	if err := os.WriteFile(config, []byte(strings.ReplaceAll(anotherSystem, "\n", " ")), 0o600); err != nil {
		w.Fatal(err)
	}
	w.run(w.dir, "bash", "-euo", "pipefail", "-c", writeAnother, "bash", parts.image, w.diskPath(), config)
	w.say("another system is on the disk")
}

// powerOn powers the machine on as a person at its BMC does.
func (w *world) powerOn() {
	w.Helper()
	machine := w.rack.Machines[0]
	client, err := redfish.Open(redfish.Config{Address: machine.Address, Username: machine.Username, Password: secret.New(machine.Password),
		TLS: redfish.TLS{Fingerprint: machine.Fingerprint}})
	if err != nil {
		w.Fatal(err)
	}
	defer func() { _ = client.Close(w.Context()) }()
	if err := client.Reset(w.Context(), redfish.PowerOn); err != nil {
		w.Fatal(err)
	}
}
