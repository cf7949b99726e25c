package review_test

import (
	"strings"
	"testing"
	"time"

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

// TestRequestsWaitForTheRing: a reboot and an inspection wait for a pause and for a window as in the daemon, and the plan
// says until when. The end of a pause lets a waiting request go.
func TestRequestsWaitForTheRing(t *testing.T) {
	t.Parallel()
	asks := func(r schemas.Requests) inventory.Desired {
		d := desired("web-1", before, "")
		d.Requests, d.BMC, d.Ring = r, &schemas.BMC{}, "prod"
		return d
	}
	side := func(name string, r schemas.Requests, edit func(*inventory.Fleet, *schemas.RingSpec)) inventory.Fleet {
		f, spec := fleet(name, asks(r)), schemas.RingSpec{}
		if edit != nil {
			edit(&f, &spec)
		}
		f.Rings = map[string]inventory.Ring{"prod": {Name: "prod", Spec: spec, Hosts: []inventory.MachineID{"web-1"}}}
		return f
	}
	held := running("web-1")
	held.Done = &requests.Done{}
	held.Operation = &inventory.Operation{ID: "9f3a12cd5d0c4e8f", Kind: inventory.Install, Stage: inventory.Working, Workload: "web", Inputs: before,
		Disks: []inventory.OperationDisk{{Disk: held.Installed.Disk, Content: "install:i-web-1"}}}
	known := running("web-1")
	known.Done = &requests.Done{}
	none := schemas.Requests{}
	reboot := schemas.Requests{Reboot: &schemas.RebootRequest{ID: "fw-7"}}
	rotate, resume := schemas.Requests{Rotate: "q4"}, schemas.Requests{Resume: "cabling/9f3a12cd"}
	fleetPaused := func(f *inventory.Fleet, _ *schemas.RingSpec) { f.Settings.Paused = true }
	ringPaused := func(_ *inventory.Fleet, ring *schemas.RingSpec) { ring.Paused = true }
	windows := func(_ *inventory.Fleet, ring *schemas.RingSpec) {
		ring.Windows = []schemas.Window{{Start: "0 2 * * 0", Duration: "4h"}}
	}
	closed, open := time.Date(2026, 12, 1, 12, 0, 0, 0, time.UTC), time.Date(2026, 12, 6, 3, 0, 0, 0, time.UTC)
	const said = "reboots (Soft), once: fw-7"
	for name, test := range map[string]struct {
		base, head inventory.Fleet
		record     inventory.Record
		now        time.Time
		want       string // "" for nothing of the host
	}{
		"the fleet is paused": {side("base", none, fleetPaused), side("head", reboot, fleetPaused), known, open,
			said + "; it waits: the fleet is paused: spec.paused in ingot.yaml\n"},
		"the ring is paused": {side("base", none, ringPaused), side("head", reboot, ringPaused), known, open,
			said + "; it waits: ring prod is paused: spec.paused is true\n"},
		"paused by the same change": {side("base", none, nil), side("head", reboot, ringPaused), known, open,
			said + "; it waits: ring prod is paused: spec.paused is true\n"},
		"no window is open": {side("base", none, windows), side("head", reboot, windows), known, closed,
			said + "; it waits: ring prod changes in its windows only; the next one opens at 2026-12-06T02:00:00Z\n"},
		"a window is open":      {side("base", none, windows), side("head", reboot, windows), known, open, said + "\n"},
		"the pause ends":        {side("base", reboot, fleetPaused), side("head", reboot, nil), known, open, said + "\n"},
		"the pause stays":       {side("base", reboot, fleetPaused), side("head", reboot, fleetPaused), known, open, ""},
		"a rotation in a pause": {side("base", none, fleetPaused), side("head", rotate, fleetPaused), known, open, "no password, and rotate q4 counts as done: the host has no Secret for its BMC\n"},
		"a resume in a pause": {side("base", none, ringPaused), side("head", resume, ringPaused), held, open,
			"resumes hold cabling of operation 9f3a12cd; what is behind the hold waits: ring prod is paused: spec.paused is true\n"},
	} {
		r := review.Compare(test.base, test.head, review.Known{Now: test.now, Records: map[inventory.MachineID]inventory.Record{"web-1": test.record}})
		if text := r.RenderText(); test.want == "" && len(r.Hosts) > 0 || !strings.Contains(text, test.want) {
			t.Errorf("%s: want %q:\n%s", name, test.want, text)
		}
	}
}

// TestRefusedRotationsAreForeseen: the plan refuses what the daemon refuses.
func TestRefusedRotationsAreForeseen(t *testing.T) {
	t.Parallel()
	host := func(id, address, rotate string) inventory.Desired {
		d := desired(id, before, "")
		d.BMC, d.Requests.Rotate = &schemas.BMC{Address: address, Credentials: "bmc"}, rotate
		return d
	}
	records := map[inventory.MachineID]inventory.Record{}
	for _, id := range []inventory.MachineID{"web-1", "web-2"} {
		record := running(string(id))
		record.Done = &requests.Done{}
		records[id] = record
	}
	const one = "https://bmc-1"
	for name, test := range map[string]struct{ asks, address, want string }{
		"its own BMC":   {"web-1", one, "has the password of its BMC account changed, once: q4; the new Secret becomes a proposal"},
		"two BMCs":      {"web-1", "https://bmc-2", "changes no password, and rotate q4 counts as done: Secret bmc is used at 2 BMC services"},
		"not the first": {"web-2", one, "changes no password, and rotate q4 counts as done: the password of Secret bmc is rotated by a request of web-1"},
	} {
		asks := map[string]string{test.asks: "q4"}
		base := fleet("base", host("web-1", one, ""), host("web-2", test.address, ""))
		head := fleet("head", host("web-1", one, asks["web-1"]), host("web-2", test.address, asks["web-2"]))
		if text := review.Compare(base, head, review.Known{Records: records}).RenderText(); !strings.Contains(text, test.asks+": "+test.want) {
			t.Errorf("%s: want %q:\n%s", name, test.want, text)
		}
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
		d.Requests, d.BMC = r, &schemas.BMC{Address: "https://bmc", Credentials: "bmc"}
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
