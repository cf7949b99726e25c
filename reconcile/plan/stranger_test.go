package plan_test

import (
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/act"
	"github.com/gitmetal/ingot/reconcile/plan"
	"github.com/gitmetal/ingot/reconcile/plan/change"
	"github.com/gitmetal/ingot/schemas"
)

const anotherUUID = "4c4c4544-0035-5a10-8052-b4c04f4e4232"

// byMACs is a host that declares no serial.
func byMACs(m *model) {
	m.desired.Identity = schemas.Identity{MACs: []string{"52:54:00:00:00:03"}}
}

// A BMC that shows another machine than the one that is known gets no power action and no medium, at any stage of anything.
func TestNothingIsDoneToAnotherMachine(t *testing.T) {
	t.Parallel()
	for name, swap := range map[string]func(*inventory.System){
		"another serial":              func(s *inventory.System) { s.Serial = "SN2" },
		"another UUID":                func(s *inventory.System) { s.UUID = anotherUUID },
		"no serial, and another UUID": func(s *inventory.System) { *s = inventory.System{UUID: anotherUUID} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newModel(inventory.ContentBlank, inventory.PoweredOff)
			byMACs(m)
			looks := 0
			for range 200 {
				o := m.observe()
				if m.record.Boot != nil || m.record.Facts != nil { // something was begun on it
					o.BMC.System = inventory.System{Serial: "SN1", UUID: uuid}
					swap(&o.BMC.System)
					looks++
					p := nextAt(m.desired, o, m.now)
					if p.Action != nil && p.Action.Kind.AtBMC() || p.Action != nil && p.Action.Kind == act.OpenBoot {
						t.Fatalf("%s of a machine that is another one, record %+v", p.Action.Kind, m.record)
					}
				}
				m.look(nowhere)
				m.pass(10 * time.Second)
			}
			if m.record.Installed == nil || looks < 20 {
				t.Errorf("the machine itself was not installed: %v", m.done)
			}
		})
	}
}

// TestABootGoesOnAtNoOtherBMC gives a host, in the middle of its first boot, the BMC of another machine: the boot is opened
// anew there, so that what is known is of one machine; that machine is not powered off if it runs. A BMC that shows the same
// machine at another address is used on.
func TestABootGoesOnAtNoOtherBMC(t *testing.T) {
	t.Parallel()
	another, silent := inventory.System{Serial: "SN2", UUID: anotherUUID}, inventory.System{}
	same := inventory.System{Serial: "SN1", UUID: uuid}
	for name, test := range map[string]struct {
		was, is inventory.System
		power   inventory.PowerState
		anew    bool
		held    change.Reason
	}{
		"another machine":                   {same, another, inventory.PoweredOff, true, ""},
		"another machine that runs":         {same, another, inventory.PoweredOn, false, change.FoundRunning},
		"a machine that says nothing":       {same, silent, inventory.PoweredOff, true, ""},
		"a machine that says nothing, both": {silent, silent, inventory.PoweredOff, true, ""},
		"the same machine":                  {same, same, inventory.PoweredOff, false, ""},
		"the same machine that runs":        {same, same, inventory.PoweredOn, false, ""},
	} {
		for _, stage := range []inventory.BootStage{inventory.Preparing, inventory.Powering, inventory.Running} {
			m := newModel(inventory.ContentBlank, test.power)
			m.desired.Identity = schemas.Identity{}
			m.image = inventory.ImageReady
			m.record.Epoch, m.record.BMC = 1,
				&inventory.BMCIdentity{Address: "https://10.0.0.9", Serial: test.was.Serial, UUID: test.was.UUID}
			m.record.Boot = &inventory.Boot{
				ID: "b", Target: inventory.FromRamdisk, Epoch: 1, Stage: stage, Attempt: 1, Opened: m.now,
				Started: m.now, Ours: true,
			}
			o := m.observe()
			o.BMC.System = test.is
			p := nextAt(m.desired, o, m.now)
			pins := p.Action != nil && p.Action.Kind == act.PinIdentity
			if pins {
				o.Record = act.Begin(o.Record, *p.Action, m.now)
				p = nextAt(m.desired, o, m.now)
			}
			anew := p.Action != nil && p.Action.Kind == act.OpenBoot
			var held change.Reason
			if p.Hold != nil {
				held = p.Hold.Reason
			}
			if anew != test.anew || held != test.held {
				t.Errorf("%s, %s: actions %+v, held %q, want a boot opened anew: %t, held %q", name, stage, p.Action,
					held, test.anew, test.held)
			}
			want := inventory.BMCIdentity{Address: "https://10.0.0.13", Serial: test.is.Serial, UUID: test.is.UUID}
			if !pins || *o.Record.BMC != want {
				t.Errorf("%s, %s: the machine is pinned as %+v, want %+v", name, stage, o.Record.BMC, want)
			}
		}
	}
}

// uuid is the model's machine's.
const uuid = "4c4c4544-0035-5a10-8052-b4c04f4e4231"

// What is known from an agent alone, as of a record that an earlier version wrote, holds another machine too; a BMC that never showed anything does not.
func TestARecordWithoutWhatTheBMCShowed(t *testing.T) {
	t.Parallel()
	known := func(seen inventory.System) plan.Plan {
		m := active(t)
		byMACs(m)
		m.record.BMC, m.record.Facts.System.UUID = nil, uuid
		m.power = inventory.PoweredOff
		o := m.observe()
		o.BMC.System = seen
		return nextAt(m.desired, o, m.now)
	}
	for name, test := range map[string]struct {
		seen inventory.System
		held bool
	}{
		"the same": {inventory.System{Serial: "sn1 ", UUID: uuid}, false},
		"the UUID in the order of SMBIOS": {inventory.System{Serial: "SN1",
			UUID: "44454C4C-3500-105A-8052-B4C04F4E4231"}, false},
		"nothing":                          {inventory.System{}, false},
		"a UUID that vendors leave in":     {inventory.System{UUID: "03000200-0400-0500-0006-000700080009"}, false},
		"another serial":                   {inventory.System{Serial: "SN2", UUID: uuid}, true},
		"another UUID":                     {inventory.System{Serial: "SN1", UUID: anotherUUID}, true},
		"no serial, and another UUID":      {inventory.System{UUID: anotherUUID}, true},
		"the serial, and no UUID":          {inventory.System{Serial: "SN1"}, false},
		"a placeholder serial, no UUID":    {inventory.System{Serial: "0123456789"}, false},
		"another serial, that of chassis?": {inventory.System{Serial: "CHASSIS1"}, true},
	} {
		p := known(test.seen)
		held := p.Hold != nil && p.Hold.Reason == change.IdentityMismatch
		if held != test.held || held && p.Action != nil {
			t.Errorf("%s: plan %+v, hold %+v; want held: %t", name, p, p.Hold, test.held)
		}
	}
}

// A machine that was replaced is looked at and installed like a new one once the fleet names it: nothing of what the old one ran counts, and its epoch goes on.
func TestAReplacedMachineIsNotActiveAtOnce(t *testing.T) {
	t.Parallel()
	m := active(t)
	epoch := m.record.Epoch
	m.commit(func(d *inventory.Desired) { d.Identity.Serial, d.Consent.Takeover = "SN2", "SN2" })
	o := m.observe()
	o.BMC.System = inventory.System{Serial: "SN2", UUID: anotherUUID}
	p := nextAt(m.desired, o, m.now)
	if p.Action != nil || p.Hold == nil || p.Hold.Reason != change.IdentityMismatch || p.Hold.Takeover == "" {
		t.Fatalf("plan = %+v, hold %+v; a serial alone names no set: want it held, with the value", p, p.Hold)
	}
	value := p.Hold.Takeover
	m.commit(func(d *inventory.Desired) { d.Consent.Takeover = value })
	p = nextAt(m.desired, o, m.now)
	if p.Action == nil || p.Action.Kind != act.RecordTakeover {
		t.Fatalf("plan = %+v, hold %+v; want the takeover noted", p, p.Hold)
	}
	rec := act.Begin(m.record, *p.Action, m.now)
	if rec.Installed != nil || rec.Facts != nil || rec.Last != nil || rec.Epoch != epoch+1 || rec.Adopted != value ||
		!slices.Contains(rec.Spent, value) {
		t.Errorf("record = %+v, want nothing of the old machine but its epoch", rec)
	}
	o.Record = rec
	if p := nextAt(m.desired, o, m.now); p.Phase == plan.Active {
		t.Errorf("plan = %+v, nothing was installed", p)
	}
	over := inventory.EraseConsent(hostName, rootDisk, inventory.ContentUnseen, m.desired.Workload.Inputs)
	m.commit(func(d *inventory.Desired) { d.Consent.Erase = []string{over} })
	if c := change.Decide(m.desired, inventory.Standing{}, rec); c.Erases {
		t.Errorf("change = %+v: a consent over a disk that nobody looked at counts for a machine that was taken over",
			c)
	}
}

// A machine that somebody else runs, whose BMC says Off for a while, is not powered off, whenever the BMC comes to its senses.
func TestAStaleOffOfAForeignMachine(t *testing.T) {
	t.Parallel()
	for stale := range 30 {
		m := newModel(foundOnDisk, inventory.PoweredOn)
		byMACs(m)
		m.image = inventory.ImageReady
		start := m.now
		for look := range 120 {
			o := m.observe()
			if look < stale { // a look a second
				o.BMC.Power, o.Evidence.Off = inventory.PoweredOff, m.now.Sub(start)+1
			}
			p := nextAt(m.desired, o, m.now)
			if p.Action != nil {
				a := m.identified(*p.Action)
				if a.Kind == act.PowerOff || a.Kind == act.AssignPowerOff {
					t.Fatalf("stale for %d s: %s, record %+v, boot %+v", stale, a.Kind, m.record, m.record.Boot)
				}
				m.record = act.Begin(m.record, a, m.now)
				out := act.Outcome{Result: act.Done}
				if ignored := a.Kind == act.PowerOn && look < stale; !a.Kind.JournalOnly() && !ignored {
					out = m.effect(a)
				}
				if a.Kind == act.PowerOn { // a BMC that is behind takes the request, and nothing happens
					out.Found = look >= stale
				}
				m.record = act.Settle(m.record, a, out, m.now)
			}
			m.now = m.now.Add(time.Second)
			if look > 40 {
				m.now = m.now.Add(time.Minute)
			}
		}
		p := nextAt(m.desired, m.observe(), m.now)
		if p.Hold == nil || p.Hold.Reason != change.FoundRunning {
			t.Errorf("stale for %d s: ended %+v, record %+v, boot %+v", stale, p, m.record, m.record.Boot)
		}
	}
}

// Off counts where it was seen twice; until then nothing is opened.
func TestOffIsSeenTwice(t *testing.T) {
	t.Parallel()
	m := newModel(inventory.ContentBlank, inventory.PoweredOff)
	m.image = inventory.ImageReady
	m.record.Pinned = m.machine()
	o := m.observe()
	o.Evidence.Off = time.Second
	if p := nextAt(m.desired, o, m.now); p.Action != nil || p.Again != 29*time.Second {
		t.Errorf("plan = %+v, want a second look in 30 s", p)
	}
	o.Evidence.Off = 30 * time.Second
	if p := nextAt(m.desired, o, m.now); p.Action == nil || p.Action.Kind != act.OpenBoot {
		t.Errorf("plan = %+v, want the boot opened", p)
	}
}

// A power-on that found the machine on was ours when the machine reads its medium after it, and is given up when it does not.
func TestAPowerOnThatFoundTheMachineOn(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		seen func(*inventory.Observed, time.Time)
		want []act.Kind
		hold bool
	}{
		"nothing yet": {func(*inventory.Observed, time.Time) {}, nil, false},
		"the medium was read": {func(o *inventory.Observed, now time.Time) { o.Media.Reads, o.Media.Last = 1, now },
			nil, false},
		"it was read on insert": {func(o *inventory.Observed, now time.Time) {
			o.Media.Reads, o.Media.Last = 1,
				now.Add(-time.Hour)
		}, nil, false},
		"and nothing for minutes": {nil, []act.Kind{act.CloseBoot}, true},
	} {
		m := newModel(foundOnDisk, inventory.PoweredOff)
		byMACs(m)
		m.until(t, act.BootFromMedia)
		a := act.Action{Kind: act.PowerOn}
		m.power, m.system, m.foreign, m.reads = inventory.PoweredOn, "disk", true, map[string]int{}
		m.record = act.Settle(act.Begin(m.record, a, m.now), a, act.Outcome{Result: act.Done, Found: true}, m.now)
		m.now = m.now.Add(10 * time.Second)
		o := m.observe()
		if test.seen != nil {
			test.seen(&o, m.now)
		} else {
			m.now = m.now.Add(6 * time.Minute)
		}
		p := nextAt(m.desired, o, m.now)
		var got []act.Kind
		if a := p.Action; a != nil {
			got = append(got, a.Kind)
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("%s: plan = %+v, want %v", name, p, test.want)
		}
		if test.hold {
			o.Record.Boot = nil
			if p := nextAt(m.desired, o, m.now); p.Hold == nil || p.Hold.Reason != change.FoundRunning {
				t.Errorf("%s: then %+v, want it held as found running", name, p)
			}
		}
	}
}

// A machine that is held in a ramdisk boot that nobody knows it to be in is not cut, however long it is held.
func TestAHeldMachineThatMayBeAnothersIsNotCut(t *testing.T) {
	t.Parallel()
	m := newModel(foundOnDisk, inventory.PoweredOff)
	byMACs(m)
	m.until(t, act.BootFromMedia)
	a := act.Action{Kind: act.PowerOn}
	m.power, m.system, m.foreign = inventory.PoweredOn, "disk", true
	m.record = act.Settle(act.Begin(m.record, a, m.now), a, act.Outcome{Result: act.Done, Found: true}, m.now)
	m.record.Facts = &inventory.Facts{Disks: nil}
	m.reads = map[string]int{}
	m.now = m.now.Add(time.Hour)
	if p := nextAt(m.desired, m.observe(), m.now); p.Action != nil && p.Action.Kind.AtBMC() {
		t.Errorf("plan = %+v", p)
	}
}

// A BMC that leaves out for a while what it showed, as after a restart, says nothing: the machine stays in service, what
// was pinned stays, and a takeover that was used does not count again.
func TestABMCThatLeavesValuesOut(t *testing.T) {
	t.Parallel()
	for _, given := range []string{"", "SN1", "used"} {
		m := newModel(inventory.ContentBlank, inventory.PoweredOn)
		m.takeOver(t)
		if p := m.settles(t); p.Phase != plan.Active {
			t.Fatalf("plan = %+v", p)
		}
		if given != "used" {
			m.commit(func(d *inventory.Desired) { d.Consent.Takeover = given })
		}
		from, pinned := len(m.done), m.record.Pinned
		for _, mute := range []bool{true, false} {
			m.mute = mute
			if p := m.settles(t); p.Phase != plan.Active || len(m.done) > from ||
				!reflect.DeepEqual(m.record.Pinned, pinned) {
				t.Errorf("takeover %q, silent %t: plan = %+v, done %v, pinned %+v; want it Active as before", given, mute,
					p, m.done[from:], m.record.Pinned)
			}
		}
	}
}

// A record of an earlier version names no machine that the BMC showed. That firmware and BMC have two serials was said by a takeover that was used.
func TestATakeoverTellsTheSerialOfTheBMC(t *testing.T) {
	t.Parallel()
	m := active(t)
	byMACs(m)
	m.record.BMC, m.record.Adopted, m.desired.Consent.Takeover = nil, "CHASSIS1", "CHASSIS1"
	o := m.observe()
	o.BMC.System.Serial = "CHASSIS1"
	pins := nextAt(m.desired, o, m.now)
	if pins.Action == nil || pins.Action.Kind != act.PinIdentity {
		t.Fatalf("plan = %+v, hold %+v; want the machine pinned", pins, pins.Hold)
	}
	o.Record = act.Begin(o.Record, *pins.Action, m.now)
	if o.Record.BMC.Serial != "CHASSIS1" || o.Record.SMBIOS.Serial != "SN1" {
		t.Errorf("pinned %+v, %+v, want both serials", o.Record.BMC, o.Record.SMBIOS)
	}
	if p := nextAt(m.desired, o, m.now); p.Phase != plan.Active || p.Action != nil {
		t.Errorf("plan = %+v, hold %+v; want it Active", p, p.Hold)
	}
}

// A BMC that showed nothing of its machine when the boot was opened, and shows another one than the agent reported, speaks for another machine.
func TestABMCThatShowedNothingAndShowsAnotherMachine(t *testing.T) {
	t.Parallel()
	m := active(t)
	byMACs(m)
	m.record.BMC = &inventory.BMCIdentity{Address: m.desired.BMC.Address}
	m.power = inventory.PoweredOff
	for name, seen := range map[string]inventory.System{"serial": {Serial: "SN2"},
		"UUID": {Serial: "SN1", UUID: anotherUUID}} {
		o := m.observe()
		o.BMC.System = seen
		if p := nextAt(m.desired, o, m.now); p.Hold == nil || p.Hold.Reason != change.IdentityMismatch ||
			p.Action != nil {
			t.Errorf("%s: plan = %+v, want it held", name, p)
		}
	}
}

// TestANamelessMachineIsNoOther gives a host, whose machine shows neither serial nor UUID, the BMC of a machine that
// shows them: nothing says that it is the same one, so it is not powered off if it runs, and what is known does not
// become true of it. A BMC that shows as little at another address is used on.
func TestANamelessMachineIsNoOther(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		system  inventory.System
		address string
		held    bool
	}{
		"another address, a serial":      {inventory.System{Serial: "SN2"}, "https://10.0.0.9", true},
		"another address, a UUID":        {inventory.System{UUID: anotherUUID}, "https://10.0.0.9", true},
		"another address, nothing":       {inventory.System{}, "https://10.0.0.9", false},
		"another address, a placeholder": {inventory.System{Serial: "0"}, "https://10.0.0.9", false},
		"the same address, a serial":     {inventory.System{Serial: "SN2"}, "https://10.0.0.13", false},
	} {
		m := active(t)
		m.record.Pinned = inventory.Pinned{BMC: &inventory.BMCIdentity{Address: test.address}}
		facts := *m.record.Facts
		facts.System = inventory.System{Serial: "Default string"}
		m.record.Facts = &facts
		m.desired.Identity = schemas.Identity{Serial: test.system.Serial}
		m.desired.Power, m.power = schemas.PowerOff, inventory.PoweredOn
		o := m.observe()
		o.BMC.System = test.system
		p := nextAt(m.desired, o, m.now)
		if p.Action != nil && p.Action.Kind == act.PinIdentity { // it is the machine
			o.Record = act.Begin(o.Record, *p.Action, m.now)
			p = nextAt(m.desired, o, m.now)
		}
		held := p.Hold != nil && p.Hold.Reason == change.IdentityMismatch
		if held != test.held || held == (p.Action != nil) {
			t.Errorf("%s: %s, hold %+v, action %+v, want it held: %t", name, p.Phase, p.Hold, p.Action, test.held)
		}
	}
}
