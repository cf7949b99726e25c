package review_test

import (
	"strings"
	"testing"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/requests"
	"github.com/gitmetal/ingot/reconcile/plan/change"
	"github.com/gitmetal/ingot/reconcile/review"
	"github.com/gitmetal/ingot/schemas"
)

// TestWhoKeepsAMachineOff says of each change of the keys what it does to the machine.
func TestWhoKeepsAMachineOff(t *testing.T) {
	t.Parallel()
	is := review.Known{Records: map[inventory.MachineID]inventory.Record{"web-1": running("web-1")}}
	host := func(inputs string, edit func(*inventory.Desired), keys ...string) inventory.Desired {
		d := keptOffBy(desired("web-1", inputs, ""), keys...)
		if edit != nil {
			edit(&d)
		}
		return d
	}
	protect := func(d *inventory.Desired) { d.Protect = true }
	off := func(d *inventory.Desired) { d.Power = "Off" }
	for name, test := range map[string]struct {
		base, head inventory.Desired
		verdict    change.Verdict // "" for no news
		says       []string
	}{
		"the same key":            {host(before, nil, "ups"), host(before, nil, "ups"), "", nil},
		"a key":                   {host(before, nil), host(before, nil, "ups"), change.TurnOff, []string{"because it is kept off by ups (spec.offBy)"}},
		"another key":             {host(before, nil, "ups"), host(before, nil, "memtest"), change.Nothing, []string{"web-1: kept off by memtest (spec.offBy)"}},
		"a key where it is off":   {host(before, off), host(before, off, "ups"), change.Nothing, []string{"web-1: kept off by ups (spec.offBy)"}},
		"no key any more":         {host(before, nil, "ups"), host(before, nil), change.TurnOn, []string{"nobody keeps it off any more (spec.offBy), and spec.power is On"}},
		"none, and the power off": {host(before, off, "ups"), host(before, off), change.Nothing, []string{"web-1: nobody keeps it off any more"}},
		"protected":               {host(before, protect), host(before, protect, "ups"), "", nil},
		"a key and other inputs":  {host(before, nil), host(after, nil, "ups"), change.Reinstall, []string{"HELD: reinstall", "    kept off by ups (spec.offBy)"}},
		"a key, held before":      {host(after, nil), host(after, nil, "ups"), change.Reinstall, []string{"    kept off by ups (spec.offBy)"}},
	} {
		r := review.Compare(fleet("base", test.base), fleet("head", test.head), is)
		text := r.RenderText()
		switch {
		case test.verdict == "" && len(r.Hosts) == 0:
			continue
		case len(r.Hosts) != 1 || r.Hosts[0].Verdict != test.verdict || !r.TouchesMachine():
			t.Errorf("%s: want %q:\n%s", name, test.verdict, text)
		}
		for _, want := range test.says {
			if !strings.Contains(text, want) {
				t.Errorf("%s: want %q in:\n%s", name, want, text)
			}
		}
	}
	install := review.Compare(fleet("base"), fleet("head", keptOffBy(desired("web-9", before, ""), "ups")), review.Known{})
	if text := install.RenderText(); !strings.Contains(text, "    it is kept off by ups (spec.offBy): nothing begins before") {
		t.Errorf("a new host with a key:\n%s", text)
	}
}

// TestWhatIsDoneOnce shows the requests of a change: those that will be done, and nothing of those that were.
func TestWhatIsDoneOnce(t *testing.T) {
	t.Parallel()
	record := running("web-1")
	held := running("web-1")
	held.Operation = &inventory.Operation{ID: "9f3a12cd5d0c4e8f", Kind: inventory.Install, Stage: inventory.Working, Workload: "web", Inputs: before,
		Disks: []inventory.OperationDisk{{Disk: record.Installed.Disk, Content: "install:i-web-1"}}}
	done := running("web-1")
	done.Done = &requests.Done{Reboot: []string{"fw-6", "fw-7"}, Inspect: []string{"2026-11-29"}}
	asks := func(r schemas.Requests) inventory.Desired {
		d := desired("web-1", before, "")
		d.Requests, d.BMC = r, &schemas.BMC{}
		return d
	}
	soft := schemas.Requests{Reboot: &schemas.RebootRequest{ID: "fw-7"}}
	hard := schemas.Requests{Reboot: &schemas.RebootRequest{ID: "fw-7", Mode: "Hard"}, Inspect: "2026-11-29"}
	resume := schemas.Requests{Resume: "cabling/9f3a12cd"}
	with := func(r schemas.Requests, edit func(*inventory.Desired)) inventory.Desired {
		d := asks(r)
		edit(&d)
		return d
	}
	off := func(d *inventory.Desired) { d.Power = schemas.PowerOff }
	ups := func(d *inventory.Desired) { d.OffBy = []string{"ups"} }
	unreach := func(d *inventory.Desired) { d.BMC = nil }
	protect := func(d *inventory.Desired) { d.Protect = true }
	free := running("web-1")
	free.Installed = nil
	waiting := running("web-1")
	waiting.Done = &requests.Done{}
	protected := asks(soft)
	protected.Protect = true
	for name, test := range map[string]struct {
		base, head inventory.Desired
		record     inventory.Record
		want       string // a line, or the end of the first line; "" for no news
	}{
		"nothing":                         {asks(schemas.Requests{}), asks(schemas.Requests{}), record, ""},
		"a reboot":                        {asks(schemas.Requests{}), asks(soft), record, "reboots (Soft), once: fw-7"},
		"hard, and an inspection":         {asks(schemas.Requests{}), asks(hard), record, "is inspected, once: 2026-11-29; it waits: the machine is in service; with spec.power: Off it is inspected; reboots (Hard), once: fw-7"},
		"a reboot while it is off":        {with(schemas.Requests{}, off), with(soft, off), record, "reboots (Soft), once: fw-7; it waits: spec.power is Off"},
		"a reboot, and off":               {asks(schemas.Requests{}), with(soft, off), record, "    reboots (Soft), once: fw-7; it waits: spec.power is Off"},
		"a reboot while it is kept off":   {with(schemas.Requests{}, ups), with(soft, ups), record, "reboots (Soft), once: fw-7; it waits: the machine is kept off by ups (spec.offBy)"},
		"a reboot that waited":            {with(soft, off), asks(soft), waiting, "    reboots (Soft), once: fw-7"},
		"a reboot nobody waited for":      {with(soft, off), with(soft, off), waiting, ""},
		"a reboot of nothing":             {asks(schemas.Requests{}), asks(soft), free, "reboots (Soft), once: fw-7; it waits: ingot has installed no system there"},
		"an inspection while it is off":   {with(schemas.Requests{}, off), with(schemas.Requests{Inspect: "a"}, off), record, "is inspected, once: a"},
		"a rotation while it is off":      {with(schemas.Requests{}, off), with(schemas.Requests{Rotate: "q4"}, off), record, "changed, once: q4; the new Secret becomes a proposal"},
		"a rotation without a BMC":        {with(schemas.Requests{}, unreach), with(schemas.Requests{Rotate: "q4"}, unreach), record, "becomes a proposal; it waits: the host has no spec.bmc"},
		"a reboot of a protected machine": {with(schemas.Requests{}, protect), with(soft, protect), record, "reboots (Soft), once: fw-7; it waits: spec.protect is true"},
		"asked for before":                {asks(soft), asks(soft), record, ""},
		"done":                            {asks(schemas.Requests{}), asks(hard), done, ""},
		"taken out":                       {asks(soft), asks(schemas.Requests{}), record, ""},
		"a resume":                        {asks(schemas.Requests{}), asks(resume), held, "resumes hold cabling of operation 9f3a12cd"},
		"a resume of nothing":             {asks(schemas.Requests{}), asks(resume), record, "resumes nothing: operation 9f3a12cd is not under way"},
		"protected":                       {protected, protected, record, ""},
		"protected now":                   {asks(schemas.Requests{}), protected, record, "hands off"},
	} {
		r := review.Compare(fleet("base", test.base), fleet("head", test.head), review.Known{Records: map[inventory.MachineID]inventory.Record{"web-1": test.record}})
		text := r.RenderText()
		if test.want == "" && len(r.Hosts) > 0 || !strings.Contains(text, test.want+"\n") {
			t.Errorf("%s: want %q:\n%s", name, test.want, text)
		}
	}
	fresh := review.Compare(fleet("base"), fleet("head", asks(soft)), review.Known{})
	if text := fresh.RenderText(); strings.Contains(text, "once") {
		t.Errorf("a new host takes its requests as done, and the review says\n%s", text)
	}
}
