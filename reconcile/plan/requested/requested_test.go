package requested_test

import (
	"strings"
	"testing"
	"time"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/requests"
	"github.com/gitmetal/ingot/inventory/settings"
	"github.com/gitmetal/ingot/reconcile/act"
	"github.com/gitmetal/ingot/reconcile/plan/requested"
	"github.com/gitmetal/ingot/schemas"
)

// edit changes a machine.
type edit = func(*requested.Machine)

// serving is a machine in service, on and at rest, with changes.
func serving(edits ...edit) requested.Machine {
	m := requested.Machine{
		Desired: inventory.Desired{BMC: &schemas.BMC{}, Workload: &inventory.Workload{}},
		Record:  inventory.Record{Installed: &inventory.Installed{ID: "i"}, Done: &requests.Done{}},
		On:      true, Ours: true, Settled: true,
	}
	m.Observed.BMC = inventory.BMCState{Reach: inventory.Reached, Power: inventory.PoweredOn}
	for _, change := range edits {
		change(&m)
	}
	return m
}

func off(m *requested.Machine) {
	m.On, m.Off, m.Observed.BMC.Power = false, true, inventory.PoweredOff
}
func free(m *requested.Machine)     { m.Desired.Workload, m.Record.Installed = nil, nil }
func toBeOff(m *requested.Machine)  { m.Desired.Power = schemas.PowerOff }
func underWay(m *requested.Machine) { m.Record.Operation = &inventory.Operation{} }
func keptOff(m *requested.Machine) {
	m.Desired.OffBy, m.Desired.Power = []string{"ups"}, schemas.PowerOff
}
func unreachable(m *requested.Machine) { m.Observed.BMC.Reach = inventory.Unreachable }
func untold(m *requested.Machine)      { m.Observed.BMC.Power, m.On = inventory.PowerUnknown, false }

// TestAnswer holds a reboot and an inspection against machines: "" is begun now.
func TestAnswer(t *testing.T) {
	t.Parallel()
	const busy, inService, notOurs = "what is under way on the machine", "the machine is in service: it is inspected when it is free, or off by spec.power", "the machine runs, and ingot did not start it"
	for name, test := range map[string]struct {
		machine         requested.Machine
		reboot, inspect string // what each waits for
	}{
		"in service":             {serving(), "", inService},
		"off by itself":          {serving(off), "the machine is off", inService},
		"off by spec.power":      {serving(off, toBeOff), "spec.power is Off", ""},
		"on, to be off":          {serving(toBeOff), "spec.power is Off", inService},
		"free and off":           {serving(free, off), "a system that ingot installed", ""},
		"free and on":            {serving(free), "a system that ingot installed", ""},
		"free, runs another one": {serving(free, func(m *requested.Machine) { m.Ours = false }), notOurs, notOurs},
		"off at one reading":     {serving(free, off, func(m *requested.Machine) { m.Off = false }), "a system that ingot installed", "a second look that finds the machine off"},
		"an operation":           {serving(underWay), busy, busy},
		"a maintenance":          {serving(func(m *requested.Machine) { m.Record.Settings = &settings.State{Work: &settings.Work{}} }), busy, busy},
		"a boot":                 {serving(func(m *requested.Machine) { m.Settled = false }), busy, busy},
		"another request":        {serving(free, off, func(m *requested.Machine) { m.Record.Boot = &inventory.Boot{Request: &requests.Run{}} }), busy, busy},
		"kept off":               {serving(off, keptOff), "the machine is kept off by ups (spec.offBy)", "the machine is kept off by ups (spec.offBy)"},
		"held":                   {serving(func(m *requested.Machine) { m.Held = true }), "the end of the hold", "the end of the hold"},
		"no answer":              {serving(unreachable), "the BMC", "the BMC"},
		"no power reading":       {serving(untold), "the BMC", "the BMC"},
		"no BMC":                 {serving(func(m *requested.Machine) { m.Desired.BMC = nil }), "spec.bmc", "spec.bmc"},
		"no ramdisk":             {serving(free, off, func(m *requested.Machine) { m.Observed.Ramdisk = "no ramdisk" }), "a system that ingot installed", "no ramdisk"},
	} {
		for kind, want := range map[requests.Kind]string{requests.Reboot: test.reboot, requests.Inspect: test.inspect} {
			due, waits := requested.Answer(test.machine, requests.Request{Kind: kind, Value: "v"})
			if waits != want || (due != nil) != (want == "") {
				t.Errorf("%s, %s: %+v, waits for %q, want %q", name, kind, due, waits, want)
			}
			if due != nil && (due.Kind != act.OpenBoot || due.Boot.Request == nil || due.Boot.Request.Value != "v" ||
				(due.Boot.Target == inventory.FromDisk) != (kind == requests.Reboot)) {
				t.Errorf("%s, %s: %+v with boot %+v, want a boot for it", name, kind, due, due.Boot)
			}
		}
	}
}

// TestAnswerToAResume has a value meet holds: of this operation, of another one, over, still to come.
func TestAnswerToAResume(t *testing.T) {
	t.Parallel()
	steps := []inventory.StepState{{Name: "check"}, {Name: schemas.StepHold, ID: "cabling"}, {Name: schemas.StepInstall}}
	at := func(cursor int) requested.Machine {
		m := serving(func(m *requested.Machine) {
			m.Record.Operation = &inventory.Operation{ID: "9f3a12cd5d0c", Cursor: cursor}
		})
		m.Steps = steps
		return m
	}
	for name, test := range map[string]struct {
		machine requested.Machine
		value   string
		waits   bool
	}{
		"the hold is to come":    {at(0), "cabling/9f3a12cd", true},
		"the hold is there":      {at(1), "cabling/9f3a12cd", true},
		"the hold is over":       {at(2), "cabling/9f3a12cd", false},
		"of another operation":   {at(1), "cabling/0123abcd", false},
		"of a step that is none": {at(1), "check/9f3a12cd", false},
		"no operation":           {serving(), "cabling/9f3a12cd", false},
	} {
		r := requests.Request{Kind: requests.Resume, Value: test.value}
		due, waits := requested.Answer(test.machine, r)
		if (waits != "") != test.waits || (due == nil) != test.waits {
			t.Errorf("%s: %+v, waits for %q", name, due, waits)
		}
		if due != nil && (due.Kind != act.RecordRequest || !strings.HasSuffix(due.Note, "resumed nothing: no such hold is left")) {
			t.Errorf("%s: %+v, want it to say that it resumed nothing", name, due)
		}
	}
}

// TestCalledAnew knows a call after a reboot from a call before it.
func TestCalledAnew(t *testing.T) {
	t.Parallel()
	sent := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	run := requests.Run{Sent: sent, BootID: "b1"}
	record := serving().Record
	for name, test := range map[string]struct {
		call *inventory.PhoneHome
		want bool
	}{
		"no call":                             {nil, false},
		"before it":                           {&inventory.PhoneHome{Install: "i", At: sent.Add(-time.Second), BootID: "b0"}, false},
		"after it":                            {&inventory.PhoneHome{Install: "i", At: sent.Add(time.Second), BootID: "b2"}, true},
		"late, of the start before":           {&inventory.PhoneHome{Install: "i", At: sent.Add(time.Second), BootID: "b1"}, false},
		"of a system that says no boot id":    {&inventory.PhoneHome{Install: "i", At: sent.Add(time.Second)}, true},
		"of a system that is not this host's": {&inventory.PhoneHome{Install: "j", At: sent.Add(time.Second), BootID: "b2"}, false},
	} {
		if got := requested.CalledAnew(record, test.call, run); got != test.want {
			t.Errorf("%s: CalledAnew = %t, want %t", name, got, test.want)
		}
	}
}

// TestAnswerRotate: a rotation is recorded as done once the daemon has ended it, whatever else the machine does.
func TestAnswerRotate(t *testing.T) {
	t.Parallel()
	r := requests.Request{Kind: requests.Rotate, Value: "q4"}
	told := func(is inventory.Rotation) edit { return func(m *requested.Machine) { m.Observed.Rotation = is } }
	for name, test := range map[string]struct {
		machine requested.Machine
		waits   string
		note    string
	}{
		"nothing is known":     {serving(), "its turn", ""},
		"of another value":     {serving(told(inventory.Rotation{Value: "q3", Ended: true})), "its turn", ""},
		"under way":            {serving(told(inventory.Rotation{Value: "q4", Note: "the push"})), "the push", ""},
		"ended":                {serving(told(inventory.Rotation{Value: "q4", Ended: true, Note: "merge it"})), "", "rotate q4: merge it"},
		"ended, in an install": {serving(underWay, told(inventory.Rotation{Value: "q4", Ended: true, Note: "merge it"})), "", "rotate q4: merge it"},
		"a host without a BMC": {serving(func(m *requested.Machine) { m.Desired.BMC = nil }), "spec.bmc", ""},
	} {
		action, waits := requested.Answer(test.machine, r)
		switch {
		case waits != test.waits, (action == nil) != (test.note == ""):
			t.Errorf("%s: %+v, waits for %q", name, action, waits)
		case action != nil && (action.Kind != act.RecordRequest || action.Note != test.note || *action.Request != r):
			t.Errorf("%s: %+v", name, action)
		}
	}
}
