package plan_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/steps"
	"github.com/gitmetal/ingot/reconcile/act"
	"github.com/gitmetal/ingot/reconcile/plan/change"
	"github.com/gitmetal/ingot/schemas"
)

// preparing is a machine with a blank root disk and a second disk, which a script of the workload writes to before the
// install or behind it.
func preparing(data inventory.Content, behind ...string) *model {
	m := newModel(inventory.ContentBlank, inventory.PoweredOff)
	m.data = dataHolding(data)
	m.desired.Disks = map[string][]schemas.NamedDisk{"data": {{Serial: dataDisk.Serial}}}
	prepare := inventory.Step{Name: "prepare", Writes: []string{"data"}}
	m.desired.Workload.Steps = []inventory.Step{prepare, {Name: schemas.StepInstall}}
	if len(behind) > 0 {
		m.desired.Workload.Steps = []inventory.Step{{Name: schemas.StepInstall}, prepare}
	}
	return m
}

func (m *model) run(looks int) {
	for range looks {
		m.look(nowhere)
		m.pass(5 * time.Second)
	}
}

var somebodys = inventory.Content{Signature: "data", Summary: "xfs"}

// A script writes to a disk that is blank, or that has a consent of its own; the leave for the script covers its disk
// alone, and the leave for the install the root disk alone.
func TestAScriptWritesToItsDisks(t *testing.T) {
	t.Parallel()
	for name, m := range map[string]*model{"before the install": preparing(inventory.Content{Blank: true}),
		"behind the install": preparing(inventory.Content{Blank: true}, "behind"), "over data": preparing(somebodys)} {
		erases := name == "over data"
		if erases {
			p := m.settles(t)
			if p.Hold == nil || p.Hold.Reason != change.NeedsConsent || len(p.Hold.Consents) != 1 || len(m.ran) > 0 {
				t.Fatalf("%s: hold %+v after %v", name, p.Hold, m.ran)
			}
			consents := p.Hold.Consents
			if want := inventory.EraseConsent(hostName, dataDisk, "content:data", target); consents[0] != want {
				t.Errorf("%s: asks for %s, want %s", name, consents[0], want)
			}
			m.commit(func(d *inventory.Desired) { d.Consent.Erase = consents })
		}
		var begun [][]bool
		for range 600 {
			if op := m.record.Operation; op != nil && op.Stage == inventory.Working {
				now := []bool{op.Disks[0].Begun != 0, op.Disks[1].Begun != 0}
				if len(begun) == 0 || !slices.Equal(begun[len(begun)-1], now) {
					begun = append(begun, now)
				}
			}
			m.look(nowhere)
			m.pass(5 * time.Second)
		}
		m.ok(t)
		want := [][]bool{{false, false}, {false, true}, {true, true}}
		if name == "behind the install" {
			want[1] = []bool{true, false}
		}
		if diff := cmp.Diff(want, begun); diff != "" || m.record.Installed == nil || len(m.wrote) != 1 || len(m.ran) != 1 {
			t.Errorf("%s: wrote %v, ran %v, installed %+v, begun (-want +got):\n%s", name, m.wrote, m.ran, m.record.Installed, diff)
		}
		if spent := len(m.record.Spent) > 0; spent != erases {
			t.Errorf("%s: spent %v", name, m.record.Spent)
		}
		if others := m.record.Installed; others != nil && (len(others.Others) != 1 || others.Others[0] != dataDisk) {
			t.Errorf("%s: the install wrote to %+v besides", name, others.Others)
		}
	}
}

// A retry writes again to what the script left, and to nothing else: without the agent's word, or over what somebody
// wrote since, the operation ends.
func TestARetryWritesToWhatTheScriptLeft(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		spoil func(*model)
		want  []string
	}{
		"as it was left":     {func(*model) {}, []string{"prepare 1", "prepare 2"}},
		"written to since":   {func(m *model) { m.data.Content.Signature = "somebody's" }, []string{"prepare 1"}},
		"another table":      {func(m *model) { m.data.Table.GUID = "somebody's" }, []string{"prepare 1"}},
		"unreadable":         {func(m *model) { m.data.Content = inventory.Content{Unreadable: "EIO"} }, []string{"prepare 1"}},
		"an agent is silent": {func(m *model) { m.mutes = true }, []string{"prepare 1"}},
	} {
		m := preparing(inventory.Content{Blank: true})
		m.scriptFails = "prepare"
		if name == "an agent is silent" {
			test.spoil(m)
		}
		for range 800 {
			m.look(nowhere)
			m.pass(5 * time.Second)
			if len(m.ran) == 1 && m.scriptFails != "" && m.record.Operation.Attempt == 2 {
				m.scriptFails = ""
				test.spoil(m)
				m.stop() // the next attempt is in another boot, which looks anew
				m.agent.Job = inventory.Job{}
			}
		}
		m.ok(t)
		if diff := cmp.Diff(test.want, m.ran); diff != "" || (m.record.Installed != nil) != (len(test.want) == 2) {
			t.Errorf("%s: installed %+v, last %+v, scripts (-want +got):\n%s", name, m.record.Installed, m.record.Last, diff)
		}
	}
}

// Names that fit no disk, two names for a disk, and the root disk under a name hold the install before anything boots.
func TestNamesThatFitNoDisks(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		disks map[string][]schemas.NamedDisk
		want  string
	}{
		"no such disk":   {map[string][]schemas.NamedDisk{"data": {{Serial: "DISK9"}}}, "no disk matches spec.disks.data[0]: "},
		"the root disk":  {map[string][]schemas.NamedDisk{"data": {{Serial: "DISK1"}}}, "is in spec.rootDisk and in spec.disks.data[0]"},
		"two names":      {map[string][]schemas.NamedDisk{"data": {{Serial: "DISK2"}}, "scratch": {{Size: "1TiB"}}}, "is in spec.disks.data[0] and in spec.disks.scratch[0]"},
		"no such name":   {nil, "there is no spec.disks.data"},
		"all of nothing": {map[string][]schemas.NamedDisk{"data": {{Model: "none", All: true}}}, "no disk matches spec.disks.data[0]: "},
	} {
		m := preparing(inventory.Content{Blank: true})
		m.desired.Disks = test.disks
		p := m.settles(t)
		if p.Hold == nil || p.Hold.Reason != change.NoDisk || !strings.Contains(p.Hold.Message, test.want) || len(m.ran) > 0 || len(m.wrote) > 0 {
			t.Errorf("%s: hold %+v, want %q; ran %v, wrote %v", name, p.Hold, test.want, m.ran, m.wrote)
		}
	}
}

// A later look finds another set of disks under the name: the operation was not allowed to write to them.
func TestAnotherSetOfDisks(t *testing.T) {
	t.Parallel()
	m := preparing(inventory.Content{Blank: true})
	m.desired.Disks = map[string][]schemas.NamedDisk{"data": {{Size: "1TiB", All: true}}}
	for range 800 {
		if op := m.record.Operation; op != nil && op.Stage == inventory.Published && m.data.Serial == dataDisk.Serial {
			m.data = dataHolding(somebodys)
			m.data.Serial = "DISK3"
			m.stop() // the next boot looks anew
		}
		m.look(nowhere)
		m.pass(5 * time.Second)
	}
	m.ok(t)
	p := m.settles(t)
	if len(m.ran) > 0 || p.Hold == nil || !slices.Contains(p.Hold.Consents, inventory.EraseConsent(hostName, inventory.DiskID{Serial: "DISK3", Size: 1 << 40}, "content:data", target)) {
		t.Errorf("ran %v, hold %+v", m.ran, p.Hold)
	}
}

// The disk of a step that is skipped is neither asked consent for, nor begun, nor counted as written.
func TestADiskOfASkippedStep(t *testing.T) {
	t.Parallel()
	m := preparing(somebodys)
	m.desired.Workload.Steps[0].When = []steps.Condition{{Text: "facts.disks.size() > 2"}}
	m.run(600)
	m.ok(t)
	if m.record.Installed == nil || len(m.ran) > 0 || len(m.record.Installed.Others) > 0 || m.data.Content != somebodys {
		t.Errorf("ran %v, installed %+v, the disk holds %+v", m.ran, m.record.Installed, m.data.Content)
	}
	if !slices.Contains(m.done, act.SkipStep) {
		t.Errorf("done %v", m.done)
	}
}

// The look that ends an operation is no look after its end: the disk that a script wrote to is looked at in another boot,
// and the consents that are asked then allow the next operation.
func TestAConsentAfterTheLookThatEndedAnOperation(t *testing.T) {
	t.Parallel()
	m := preparing(inventory.Content{Blank: true})
	m.scriptFails = "prepare"
	for range 800 {
		m.look(nowhere)
		m.pass(5 * time.Second)
		if len(m.ran) == 1 && m.scriptFails != "" && m.record.Operation.Attempt == 2 {
			m.scriptFails, m.data.Content = "", somebodys
			m.stop()
			m.agent.Job = inventory.Job{}
		}
		if m.record.Last != nil && m.record.Operation == nil {
			break
		}
	}
	for range 3 {
		m.run(20) // the machine idles in the ramdisk still
		if p := m.look(nowhere); p.Hold != nil && len(p.Hold.Consents) > 0 {
			m.commit(func(d *inventory.Desired) { d.Consent.Erase = p.Hold.Consents })
		}
	}
	m.run(400)
	m.ok(t)
	if m.record.Installed == nil || len(m.wrote) != 1 {
		p := m.look(nowhere)
		t.Errorf("wrote %v, ran %v, plan %+v (hold %+v), want the install", m.wrote, m.ran, p, p.Hold)
	}
}
