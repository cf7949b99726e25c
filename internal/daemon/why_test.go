package daemon_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gitmetal/ingot/internal/daemon"
	"github.com/gitmetal/ingot/internal/lab/bmc"
	"github.com/gitmetal/ingot/internal/lab/sim"
	"github.com/gitmetal/ingot/reconcile/cause"
)

// whyCase is something wrong with one machine of a rack, and the cause that the daemon gives.
type whyCase struct {
	want     cause.Name
	says     string // a part of the evidence or of the sentence
	file     [2]string
	machine  func(*testing.T, *world, string)
	onBranch bool // the page has the cause too
}

// whyCases are the causes that a rack of simulated machines shows without a deadline, a machine each.
func whyCases() []whyCase {
	hang := func(after int, says ...string) func(*testing.T, *world, string) {
		return func(_ *testing.T, w *world, name string) {
			w.rack.Sim(name).HangAt(&sim.Hang{After: after, Says: says})
		}
	}
	disk := func(says ...string) func(*testing.T, *world, string) {
		return func(_ *testing.T, w *world, name string) {
			w.rack.Sim(name).HangAt(&sim.Hang{From: bmc.FromDisk, Says: says})
		}
	}
	const (
		refused  = `BdsDxe: failed to load Boot0001 "UEFI CD": Access Denied`
		sbat     = "Something has gone seriously wrong: SBAT self-check failed: Security Policy Violation"
		unsigned = "error: ../../grub-core/kern/efi/sb.c:182:bad shim signature."
		full     = "[    1.0] Initramfs unpacking failed: write error"
		panics   = "[    2.0] Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)"
		nothing  = "BdsDxe: No bootable option or device was found."
		twoBoots = "Error: System has 2 devices with a filesystem labeled 'boot': /dev/vda3 /dev/vdb3"
		ignition = "ignition[712]: CRITICAL : failed to fetch config: invalid config"
		shell    = "Press Enter for emergency shell or wait 5 minutes for reboot."
	)
	return []whyCase{
		{want: "Active"},
		{want: "NeedsConsent", onBranch: true, machine: func(t *testing.T, w *world, name string) {
			if _, err := w.rack.Sim(name).Disk().WriteAt([]byte("the only copy"), 0); err != nil {
				t.Fatal(err)
			}
		}},
		{want: "FoundRunning", onBranch: true, machine: func(t *testing.T, w *world, name string) {
			if err := w.rack.BMC(name).PowerOn(t.Context()); err != nil {
				t.Fatal(err)
			}
		}},
		{want: "BMCUnreachable", onBranch: true, says: "the BMC is unreachable", machine: func(_ *testing.T, w *world, name string) {
			w.rack.BMC(name).Inject(func(f *bmc.Faults) { f.DropConnections = 1 << 30 })
		}},
		{want: "NoDisk", onBranch: true, file: [2]string{`rootDisk: {serial: "DISK`, `rootDisk: {serial: "NODISK`}},
		{want: "Protected", onBranch: true, file: [2]string{"  rootDisk:", "  protect: true\n  rootDisk:"}},
		{want: "MediumRefused", onBranch: true, machine: func(_ *testing.T, w *world, name string) {
			w.rack.BMC(name).Inject(func(f *bmc.Faults) { f.InsertFails = 1 << 30 })
		}},
		{want: "MediumNotRead", says: "nobody has read the boot medium", machine: hang(0)},
		{want: "StoppedAtFirmware", says: "shim: not read", machine: hang(sim.MediumShim)},
		{want: "StoppedAtShim", says: "GRUB: not read", machine: hang(sim.MediumGRUB)},
		{want: "StoppedAtGRUB", says: "kernel: not read", machine: hang(sim.MediumKernel)},
		{want: "StoppedAtKernel", says: "boot config: not read", machine: hang(sim.MediumConfig)},
		{want: "AgentNotEnrolled", says: "no agent of this boot has enrolled", machine: hang(sim.MediumEnd)},
		{want: "LoaderRefused", says: refused, onBranch: true, machine: hang(sim.MediumGRUB, refused, nothing)},
		{want: "LoaderRevoked", says: sbat, onBranch: true, machine: hang(sim.MediumGRUB, "Verifying shim SBAT data failed: Security Policy Violation", sbat)},
		{want: "LoaderUnverified", says: unsigned, onBranch: true, machine: hang(sim.MediumKernel, unsigned)},
		{want: "RamdiskTooLarge", says: full, onBranch: true, machine: hang(sim.MediumEnd, full, panics)},
		{want: "RamdiskPanic", says: panics, onBranch: true, machine: hang(sim.MediumEnd, panics)},
		{want: "MediumNotBootable", says: nothing, onBranch: true, machine: hang(sim.MediumShim, nothing)},
		{want: "SeveralBootDisks", says: twoBoots, onBranch: true, machine: disk(twoBoots, "Failed to start ignition-fetch.service", shell)},
		{want: "IgnitionFailed", says: ignition, onBranch: true, machine: disk(ignition, shell)},
		{want: "EmergencyShell", says: shell, onBranch: true, machine: disk(shell)},
		{want: "SystemPanic", says: panics, onBranch: true, machine: disk(panics)},
		{want: "DiskNotBootable", says: nothing, onBranch: true, machine: disk(nothing)},
		{want: "SystemRefused", says: refused, onBranch: true, machine: disk(refused, nothing)},
		{want: "SystemIsUp", says: "web-3 login:", onBranch: true, machine: disk("Fedora CoreOS 42", "web-3 login:")},
		{want: "NoWorkload", onBranch: true, file: [2]string{"  workload: hello\n", ""}},
		{want: "NoBMC", onBranch: true, machine: dropBMC},
		{want: "SecureBootOff", onBranch: true, file: [2]string{"secureBoot: false", "secureBoot: true"}},
		{want: "OtherDisks", onBranch: true, says: "/dev/disk/by-id/data", file: [2]string{"workload: hello", "workload: others"}},
		{want: "ImageFetched", file: [2]string{"workload: hello", "workload: slow"}},
		{want: "RingPaused", onBranch: true, file: [2]string{"{rack: lab}", "{rack: lab, ring: paused}"}},
		{want: "Window", onBranch: true, file: [2]string{"{rack: lab}", "{rack: lab, ring: later}"}},
		{want: "ActiveChangePending", says: "ring tagged", file: [2]string{"{rack: lab}", "{rack: lab, ring: tagged}"}},
	}
}

// TestWhyInTheRack makes each cause on a machine of its own, and asks the daemon, and the page where it keeps the cause.
func TestWhyInTheRack(t *testing.T) {
	t.Parallel()
	cases := whyCases()
	w := newWorld(t, len(cases))
	w.edit(t, "../ingot.yaml", "publishEvery: 2s", "publishEvery: 50ms\nlimits: {installs: 64}")
	w.addWhyFleet(t)
	for i, test := range cases {
		name := fmt.Sprintf("machine-%d", i+1)
		if test.file[0] != "" {
			w.edit(t, "hosts/"+name+".yaml", test.file[0], test.file[1])
		}
		if test.machine != nil {
			test.machine(t, w, name)
		}
	}
	w.push(t, "a rack with troubles")
	w.git(t, "tag", "tagged-1")
	w.git(t, "push", "--quiet", "origin", "tagged-1")
	for i := range cases { // a change that ring tagged has not released
		w.edit(t, fmt.Sprintf("hosts/machine-%d.yaml", i+1), "hello from", "welcome to")
	}
	w.push(t, "another greeting")
	w.start(t)
	client := daemon.Connect(w.socket())
	for i, test := range cases {
		name := fmt.Sprintf("machine-%d", i+1)
		var got daemon.Why
		w.follow(t, func() string { return fmt.Sprintf("%s of %s: %+v", test.want, name, got) }, func(e daemon.Event) bool {
			var err error
			if e.Fleet != nil && e.Fleet.Refused != "" {
				t.Fatalf("the fleet is refused: %v", e.Fleet.Findings)
			}
			if got, err = client.ReadWhy(t.Context(), name); err != nil {
				return false // no commit is accepted yet
			}
			page := !test.onBranch || e.Host != nil && e.Host.Metadata.Name == name && e.Host.Pushed && e.Host.Cause != nil && e.Host.Cause.Cause == test.want
			return got.Cause == test.want && strings.Contains(tellWhy(got), test.says) && page
		})
		if got.Why == "" || got.Do == "" || got.From != daemon.FromDaemon {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// addWhyFleet adds to the fleet the rings and Workloads of whyCases.
func (w *world) addWhyFleet(t *testing.T) {
	t.Helper()
	never := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	t.Cleanup(never.Close)
	workload, err := os.ReadFile(filepath.Join(w.dir, "fleet", "workloads", "hello.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	image := w.rack.Description().Image
	for name, text := range map[string]string{
		"rings.yaml":            fmt.Sprintf(whyRings, (time.Now().UTC().Weekday()+3)%7),
		"workloads/others.yaml": strings.NewReplacer("name: hello", "name: others", "hello.bu", "others.bu").Replace(string(workload)),
		"workloads/others.bu":   "variant: fcos\nversion: 1.5.0\nstorage:\n  disks:\n    - {device: /dev/disk/by-id/data, wipe_table: true}\n",
		"workloads/slow.yaml": strings.NewReplacer("name: hello", "name: slow", image.URL, never.URL+"/slow.raw",
			image.SHA256, strings.Repeat("5a", 32)).Replace(string(workload)),
	} {
		if err := os.WriteFile(filepath.Join(w.dir, "fleet", name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	w.git(t, "add", ".")
}

const whyRings = `apiVersion: ingot.dev/v1alpha1
kind: Ring
metadata: {name: paused}
spec: {hosts: {matchLabels: {ring: paused}}, paused: true}
---
apiVersion: ingot.dev/v1alpha1
kind: Ring
metadata: {name: later}
spec: {hosts: {matchLabels: {ring: later}}, windows: [{start: "0 12 * * %d", duration: 1h}]}
---
apiVersion: ingot.dev/v1alpha1
kind: Ring
metadata: {name: tagged}
spec: {hosts: {matchLabels: {ring: tagged}}, tag: "tagged-*"}
`

// dropBMC takes spec.bmc out of a host's file.
func dropBMC(t *testing.T, w *world, name string) {
	t.Helper()
	file := filepath.Join(w.dir, "fleet", "hosts", name+".yaml")
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, _ := strings.Cut(string(data), "  bmc:\n")
	_, after, found := strings.Cut(strings.Replace(rest, "  workload: hello\n", "", 1), "  identity:\n")
	if !found {
		t.Fatalf("the file of %s is %s", name, data)
	}
	if err := os.WriteFile(file, []byte(before+"  identity:\n"+after), 0o644); err != nil {
		t.Fatal(err)
	}
}

// awaitCause waits until `ingot why` gives a cause for machine-1.
func (w *world) awaitCause(t *testing.T, want cause.Name) {
	t.Helper()
	client := daemon.Connect(w.socket())
	var got daemon.Why
	w.follow(t, func() string { return fmt.Sprintf("%s: %+v", want, got) }, func(daemon.Event) bool {
		why, err := client.ReadWhy(t.Context(), "machine-1")
		got = why
		return err == nil && got.Cause == want
	})
}

func tellWhy(why daemon.Why) string {
	text := why.Why
	for _, e := range why.Evidence {
		text += "\n" + e.Text
	}
	return text
}
