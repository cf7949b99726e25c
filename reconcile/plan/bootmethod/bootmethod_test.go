package bootmethod_test

import (
	"testing"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/runs"
	"github.com/gitmetal/ingot/reconcile/act"
	"github.com/gitmetal/ingot/reconcile/plan/bootmethod"
	"github.com/gitmetal/ingot/schemas"
)

// What has to be true at the BMC before a machine may start from the ramdisk, row by row.
func TestPrepareVirtualMedia(t *testing.T) {
	t.Parallel()
	const ours, theirs = "https://daemon/b1", "https://elsewhere/b0"
	cd := inventory.Override{Target: "Cd", Enabled: "Continuous"}
	for name, test := range map[string]struct {
		url      string
		image    string
		override inventory.Override
		want     act.Kind
	}{
		"no medium is served":  {"", ours, cd, ""},
		"another medium is in": {ours, theirs, cd, act.EjectMedia},
		"no medium is in":      {ours, "", cd, act.InsertMedia},
		"the override names a disk": {ours, ours, inventory.Override{Target: "Hdd", Enabled: "Continuous"},
			act.BootFromMedia},
		"the override is off": {ours, ours, inventory.Override{Target: "Cd", Enabled: "Disabled"}, act.BootFromMedia},
		"all is so":           {ours, ours, cd, act.PowerOn},
	} {
		o := inventory.Observed{Media: inventory.MediaState{URL: test.url}}
		o.BMC.Media = []inventory.Slot{{ID: "Cd", Inserted: test.image != "", Image: test.image}}
		o.BMC.Override = test.override
		due, waits := bootmethod.Prepare(schemas.Boot{Method: schemas.VirtualMedia}, o, inventory.Boot{ID: "b1"})
		if (test.want == "") != (due == nil && waits != "") || due != nil && due.Kind != test.want {
			t.Errorf("%s: %+v, %q; want %q", name, due, waits, test.want)
		}
	}
}

// TestAMediumThatIsStartedOnce: the override of a run that ends with its machine off lasts for one start.
func TestAMediumThatIsStartedOnce(t *testing.T) {
	t.Parallel()
	for once, run := range map[bool]*runs.UnderWay{false: {Booted: &runs.Booted{}}, true: {Booted: &runs.Booted{EndsWithOff: true}}} {
		o := inventory.Observed{Media: inventory.MediaState{URL: "https://daemon/b1"}, Record: inventory.Record{Run: run}}
		o.BMC.Media = []inventory.Slot{{ID: "Cd", Inserted: true, Image: o.Media.URL}}
		for enabled, want := range map[string]act.Kind{"Disabled": act.BootFromMedia, "Once": act.PowerOn,
			"Continuous": map[bool]act.Kind{false: act.PowerOn, true: act.BootFromMedia}[once]} {
			o.BMC.Override = inventory.Override{Target: "Cd", Enabled: enabled}
			due, _ := bootmethod.Prepare(schemas.Boot{Method: schemas.VirtualMedia}, o, inventory.Boot{ID: "b1"})
			if due == nil || due.Kind != want || due.Kind == act.BootFromMedia && due.Once != once {
				t.Errorf("a run that ends with off %t, the override %s: %+v, want %s", once, enabled, due, want)
			}
		}
	}
}

// What is taken away at the BMC of a machine that is left alone, row by row.
func TestClear(t *testing.T) {
	t.Parallel()
	const ours, theirs = "https://daemon/b1", "https://elsewhere/b0"
	cd, none := inventory.Override{Target: "Cd", Enabled: "Continuous"}, inventory.Override{Target: "None", Enabled: "Disabled"}
	for name, test := range map[string]struct {
		image    string
		override inventory.Override
		ejects   int
		want     act.Kind
	}{
		"our medium is in, and comes first":          {ours, cd, 0, act.BootFromDisk},
		"our medium is in":                           {ours, none, 0, act.EjectMedia},
		"our medium does not go out":                 {ours, none, bootmethod.MaxEjects, ""},
		"our medium does not go out, and is first":   {ours, cd, bootmethod.MaxEjects, act.BootFromDisk},
		"another medium is in, and comes first":      {theirs, cd, 0, ""},
		"no medium is in, and the drive comes first": {"", cd, 0, ""},
		"no medium is in":                            {"", none, 0, ""},
	} {
		o := inventory.Observed{Media: inventory.MediaState{URL: ours}}
		o.BMC.Override, o.Evidence.Ejects = test.override, test.ejects
		o.BMC.Media = []inventory.Slot{{ID: "Cd", Inserted: test.image != "", Image: test.image}}
		o.Record.Boot = &inventory.Boot{ID: "b1", Target: inventory.FromRamdisk}
		due := bootmethod.Clear(o)
		if (due == nil) != (test.want == "") || due != nil && due.Kind != test.want {
			t.Errorf("%s: %+v; want %q", name, due, test.want)
		}
		o.Record.Operation = &inventory.Operation{Disks: []inventory.OperationDisk{{Begun: 1}}}
		if due := bootmethod.Clear(o); due != nil {
			t.Errorf("%s, and a write has begun: %+v; want nothing", name, due)
		}
	}
}
