package reconcile_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile"
	"github.com/gitmetal/ingot/reconcile/plan"
)

// A machine whose firmware takes long over its self-tests is installed all the same. From then on the daemon waits for it,
// and the next install needs one boot.
func TestALongPOSTIsWaitedFor(t *testing.T) {
	for _, minutes := range []int{1, 7, 16, 25, 40} {
		t.Run(fmt.Sprint(minutes), func(t *testing.T) {
			run(t, func(t *testing.T) {
				w := newReinstallable(1)
				const host = "host-0000"
				m := w.machines[host]
				m.post = time.Duration(minutes) * time.Minute
				d := w.daemon(t, reconcile.Limits{})
				after(4 * time.Hour)
				if got := d.phases()[plan.Active]; got != 1 {
					h, _ := d.ViewHost(host)
					t.Fatalf("after four hours it is %+v", h.Plan)
				}
				w.mu.Lock()
				before, ons := m.installs, countKind(m, "PowerOn")
				w.mu.Unlock()
				w.release(d, "next")
				after(4 * time.Hour)
				h, _ := d.ViewHost(host)
				if m.installs != before+1 || h.Plan.Phase != plan.Active {
					t.Fatalf("after the release it is %+v", h.Plan)
				}
				if more := countKind(m, "PowerOn") - ons; more != 2 {
					t.Errorf("the next install took %d power-ons, want one for the ramdisk and one for the disk", more)
				}
				d.end(t)
			})
		})
	}
}

func countKind(m *machine, kind string) (n int) {
	for _, k := range m.done {
		if string(k) == kind {
			n++
		}
	}
	return n
}

// What a machine may take is set for it in its file.
func TestATimeoutForBoots(t *testing.T) {
	run(t, func(t *testing.T) {
		w := newWorld(1)
		const host = inventory.MachineID("host-0000")
		desired := w.fleet.Hosts[host]
		desired.Boot.Timeout = "30m"
		w.fleet.Hosts[host] = desired
		m := w.machines[host]
		m.post = 25 * time.Minute
		d := w.daemon(t, reconcile.Limits{})
		after(2 * time.Hour)
		if got := d.phases()[plan.Active]; got != 1 || countKind(m, "PowerOn") != 2 {
			t.Errorf("phases %v after %d power-ons, want Active after 2", d.phases(), countKind(m, "PowerOn"))
		}
		d.end(t)
	})
}
