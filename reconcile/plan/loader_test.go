package plan_test

import (
	"strings"
	"testing"
	"time"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/act"
)

// Why a boot got nowhere is told by what was read of its medium: the network of an agent that never started is not to
// blame.
func TestHowFarARamdiskCame(t *testing.T) {
	t.Parallel()
	parts := []string{inventory.MediumDirectory, inventory.MediumShim, inventory.MediumGRUB, inventory.MediumKernel, inventory.MediumOverlay}
	for read, want := range map[int]string{
		0: "the agent did not enrol within 20m0s: it must reach advertise.agents", // the layout is not known
		1: "did not start its boot loader within 20m0s", 2: "read shim, and not GRUB, within 20m0s: Secure Boot may refuse",
		3: "read GRUB, and not the kernel, within 20m0s: Secure Boot may refuse", 4: "read the kernel, and did not read the ramdisk to its end",
		5: "it must reach advertise.agents",
	} {
		m := newModel(inventory.ContentBlank, inventory.PoweredOff)
		m.image = inventory.ImageReady
		m.record.Epoch = 1
		m.record.Boot = &inventory.Boot{ID: "b1", Target: inventory.FromRamdisk, Epoch: 1, Stage: inventory.Running, Attempt: 1, Commit: "c0", Ours: true, Started: m.now.Add(-21 * time.Minute)}
		m.power, m.media, m.override, m.system = inventory.PoweredOn, medium(m.record.Boot), "Cd", "ramdisk"
		m.reads[m.media] = 3
		m.record.Pinned = m.machine()
		o := m.observe()
		for i, name := range parts {
			part := inventory.MediumPart{Name: name, Size: 100}
			if i < read {
				part.Read = 100
			}
			if read > 0 {
				o.Media.Parts = append(o.Media.Parts, part)
			}
		}
		p := nextAt(m.desired, o, m.now)
		if p.Action == nil || p.Action.Kind != act.OpenBoot || !strings.Contains(p.Action.Reason, want) {
			t.Errorf("%d parts read: plan %+v, action %+v; want another boot, because %q", read, p, p.Action, want)
		}
	}
}
