package daemon_test

import (
	"fmt"
	"strings"
	"testing"

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
	const refused = `BdsDxe: failed to load Boot0001 "UEFI CD": Access Denied`
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
		{want: "LoaderRefused", says: refused, onBranch: true, machine: hang(sim.MediumGRUB, refused, "BdsDxe: No bootable option or device was found.")},
	}
}

// TestWhyInTheRack makes each cause on a machine of its own, and asks the daemon, and the page where it keeps the cause.
func TestWhyInTheRack(t *testing.T) {
	t.Parallel()
	cases := whyCases()
	w := newWorld(t, len(cases))
	w.edit(t, "../ingot.yaml", "publishEvery: 2s", "publishEvery: 50ms")
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
	w.start(t)
	client := daemon.Connect(w.socket())
	for i, test := range cases {
		name := fmt.Sprintf("machine-%d", i+1)
		var got daemon.Why
		w.follow(t, func() string { return fmt.Sprintf("%s of %s: %+v", test.want, name, got) }, func(e daemon.Event) bool {
			var err error
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

func tellWhy(why daemon.Why) string {
	text := why.Why
	for _, e := range why.Evidence {
		text += "\n" + e.Text
	}
	return text
}
