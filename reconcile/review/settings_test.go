package review_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/settings"
	"github.com/gitmetal/ingot/reconcile/plan/change"
	"github.com/gitmetal/ingot/reconcile/review"
)

// TestSettingsAreNoErase plans BIOS settings on a machine in service, of each kind and with each record.
func TestSettingsAreNoErase(t *testing.T) {
	t.Parallel()
	bios := func(inTurn bool, value string) settings.Step {
		return settings.Step{Name: "bios", Bios: map[string]any{"Virtualization": value}, InTurn: inTurn, Seconds: 3600}
	}
	held := &settings.State{Held: settings.Merge([]settings.Step{bios(true, "Enabled")}, true).Digest()}
	for name, test := range map[string]struct {
		was, is []settings.Step
		state   *settings.State
		protect bool
		verdict string // beginning of the first line of the host; "" for no change
		words   string
		touches bool
	}{
		"added, in turn":            {nil, []settings.Step{bios(true, "Enabled")}, nil, false, "  ~ web-1", "in turn: reboots, once, unless it has them, for the BIOS settings Virtualization=Enabled (names and values are checked at the machine", true},
		"changed, in turn":          {[]settings.Step{bios(true, "Disabled")}, []settings.Step{bios(true, "Enabled")}, nil, false, "  ~ web-1", "in turn: reboots", true},
		"added, and the values are": {nil, []settings.Step{bios(true, "Enabled")}, held, false, "  ~ web-1", "the machine had the BIOS settings Virtualization=Enabled at the last look", false},
		"added, with an install":    {nil, []settings.Step{bios(false, "Enabled")}, nil, false, "  ~ web-1", "step bios sets Virtualization=Enabled: from the next operation on, nothing is reinstalled", false},
		"taken out":                 {[]settings.Step{bios(true, "Enabled")}, nil, held, false, "  ~ web-1", "step bios is taken out, and the machine keeps its BIOS settings", false},
		"the same":                  {[]settings.Step{bios(true, "Enabled")}, []settings.Step{bios(true, "Enabled")}, nil, false, "", "", false},
		"protected":                 {nil, []settings.Step{bios(true, "Enabled")}, nil, true, "", "", false},
	} {
		base, head := desired("web-1", before, ""), desired("web-1", before, "")
		w, x := *base.Workload, *head.Workload
		w.Settings, x.Settings = test.was, test.is
		base.Workload, head.Workload, base.Protect, head.Protect = &w, &x, test.protect, test.protect
		record := running("web-1")
		record.Settings = test.state
		r := review.Compare(fleet("base", base), fleet("head", head), review.Known{Records: map[inventory.MachineID]inventory.Record{"web-1": record}})
		text := r.RenderText()
		if test.verdict == "" {
			if len(r.Hosts) != 0 {
				t.Errorf("%s: %s", name, text)
			}
			continue
		}
		i := slices.IndexFunc(strings.Split(text, "\n"), func(line string) bool { return strings.HasPrefix(line, test.verdict) })
		flat := strings.Join(strings.Fields(text), " ")
		if i < 0 || !strings.Contains(flat, test.words) || r.TouchesMachine() != test.touches {
			t.Errorf("%s: touches %v:\n%s", name, r.TouchesMachine(), text)
		}
		if h := r.Hosts[0]; h.Erases || h.Held || h.Verdict != change.Nothing {
			t.Errorf("%s: %+v", name, h)
		}
	}
}

// An installation lists the settings before its steps.
func TestSettingsOfAnInstallation(t *testing.T) {
	t.Parallel()
	head := desired("web-1", before, "")
	head.Workload.Settings = []settings.Step{{Name: "bios", Bios: map[string]any{"Virtualization": "Enabled"}, Seconds: 3600}}
	r := review.Compare(fleet("base"), fleet("head", head), review.Known{})
	if text := strings.Join(strings.Fields(r.RenderText()), " "); !strings.Contains(text, "before the first boot: bios: Virtualization=Enabled; the boot of the ramdisk is its reset") ||
		!strings.Contains(text, "names and values are checked at the machine") {
		t.Errorf("the plan says %s", r.RenderText())
	}
}
