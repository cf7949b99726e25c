package plan_test

import (
	"cmp"
	"slices"
	"strings"
	"testing"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/act"
	"github.com/gitmetal/ingot/reconcile/plan"
	"github.com/gitmetal/ingot/reconcile/plan/change"
	"github.com/gitmetal/ingot/schemas"
)

const (
	cardOne = "04:32:01:aa:bb:c0"
	cardTwo = "04:32:01:aa:bb:c1"
	newCard = "04:32:01:aa:bb:c2"
)

// swapped is a machine in service, and what BMC and agent show from then on.
func swapped(t *testing.T, declares schemas.Identity) *model {
	t.Helper()
	return swappedFrom(t, declares, inventory.System{Serial: "SN1", UUID: uuid})
}

// swappedFrom is swapped for a machine with a serial and UUID.
func swappedFrom(t *testing.T, declares schemas.Identity, is inventory.System) *model {
	t.Helper()
	m := newModel(inventory.ContentBlank, inventory.PoweredOff)
	m.shows, m.sees = is, is
	m.desired.Identity, m.cards = declares, []string{cardOne, cardTwo}
	if p := m.settles(t); p.Phase != plan.Active {
		t.Fatalf("plan = %+v, hold %+v, done %v", p, p.Hold, m.done)
	}
	return m
}

// TestIdentityIsASet swaps one part of a machine in service, and then asks for another system: what contradicts the
// pinned set holds the machine, with the source that says so, and is not booted again and again; the rest goes on.
func TestIdentityIsASet(t *testing.T) {
	t.Parallel()
	macs, nothing := schemas.Identity{MACs: []string{cardOne, cardTwo}}, schemas.Identity{}
	chassis := schemas.Identity{Serial: "CHASSIS"}
	for name, test := range map[string]struct {
		declares schemas.Identity
		swap     func(m *model)
		says     string // "" when it is the machine
	}{
		"a blade behind the BMC's address, named by its cards": {macs, func(m *model) {
			m.shows, m.sees = inventory.System{Serial: "SN1"}, inventory.System{Serial: "SN1"}
			m.cards = []string{newCard}
		}, "MACs"},
		"a blade that its BMC names, and the file by its cards": {macs, func(m *model) {
			m.shows = inventory.System{Serial: "SN2"}
			m.sees, m.cards = m.shows, []string{newCard}
		}, "shows BMC serial SN2"},
		"the chassis' other node, another UUID": {chassis, func(m *model) {
			m.shows = inventory.System{Serial: "CHASSIS", UUID: anotherUUID}
			m.sees, m.cards = m.shows, []string{newCard}
		}, "BMC UUID " + anotherUUID},
		"the chassis' other node, the BMC tells no UUID": {chassis, func(m *model) {
			m.shows = inventory.System{Serial: "CHASSIS"}
			m.sees = inventory.System{Serial: "CHASSIS", UUID: anotherUUID}
		}, "SMBIOS UUID " + anotherUUID},
		"the chassis' other node, no UUIDs": {chassis, func(m *model) {
			m.shows = inventory.System{Serial: "CHASSIS"}
			m.sees, m.cards = m.shows, []string{newCard}
		}, "MACs"},
		"a blade, behind a BMC that says nothing": {nothing, func(m *model) {
			m.shows, m.sees, m.cards = inventory.System{}, inventory.System{Serial: "SN2"}, []string{newCard}
		}, "SMBIOS serial SN2"},
		"the BMC's board": {nothing, func(m *model) { m.shows.Serial = "NEWBMC" }, "BMC serial NEWBMC"},
		"the mainboard":   {nothing, func(m *model) { m.sees = inventory.System{Serial: "SN2", UUID: anotherUUID} }, "SMBIOS serial SN2"},
		"one of two cards": {nothing, func(m *model) { m.cards = []string{cardTwo, newCard} },
			""},
		"both cards":          {nothing, func(m *model) { m.cards = []string{newCard} }, "MACs"},
		"a BMC after a reset": {nothing, func(m *model) { m.shows = inventory.System{} }, ""},
		"a BMC's placeholders": {nothing, func(m *model) {
			m.shows = inventory.System{Serial: "Default string", UUID: "03000200-0400-0500-0006-000700080009"}
		}, ""},
		"firmware's values gone": {nothing, func(m *model) { m.sees = inventory.System{Serial: "None"} },
			""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			is := inventory.System{Serial: cmp.Or(test.declares.Serial, "SN1"), UUID: uuid}
			m := swappedFrom(t, test.declares, is)
			pinned, boots := m.record.Pinned, m.boots
			test.swap(m)
			m.commit(func(d *inventory.Desired) {
				d.Workload = workload("bbbbbbbbbbbbbbbb", schemas.Reinstall)
				d.Consent.Erase = []string{inventory.EraseConsent(hostName, m.record.Installed.Disk, "install:"+
					m.record.Installed.ID, d.Workload.Inputs)}
			})
			p := m.settles(t)
			if test.says == "" {
				if p.Phase != plan.Active || m.record.Installed.Inputs != "bbbbbbbbbbbbbbbb" || m.record.Adopted != "" {
					t.Errorf("plan = %+v, hold %+v, want the machine installed", p, p.Hold)
				}
				return
			}
			if p.Hold == nil || p.Hold.Reason != change.IdentityMismatch || !strings.Contains(p.Hold.Message, test.says) ||
				!strings.Contains(p.Hold.Message, p.Hold.Takeover) || p.Hold.Takeover == "" || p.Phase != plan.Held {
				t.Errorf("plan = %+v, hold %+v, want it held over %s", p, p.Hold, test.says)
			}
			if m.boots > boots+1 || slices.Contains(m.done, act.RecordTakeover) || m.disk[:8] != "install:" {
				t.Errorf("%d boots, done %v, disk %s: want one look", m.boots-boots, m.done, m.disk)
			}
			if m.record.BMC.Serial != pinned.BMC.Serial || m.record.SMBIOS.Serial != pinned.SMBIOS.Serial ||
				!slices.Equal(m.record.MACs, pinned.MACs) {
				t.Errorf("pinned %+v, %+v, %v", m.record.BMC, m.record.SMBIOS, m.record.MACs)
			}
		})
	}
}

// TestAStrangerTheAgentSaw: the machine is booted again at an operator's word, after the file names another address, and
// after a takeover, which forgets the machine before; its old system is not taken for installed.
func TestAStrangerTheAgentSaw(t *testing.T) {
	t.Parallel()
	held := func(t *testing.T) *model {
		m := swapped(t, schemas.Identity{})
		m.sees, m.cards = inventory.System{Serial: "SN2", UUID: anotherUUID}, []string{newCard}
		m.commit(func(d *inventory.Desired) {
			d.Workload = workload("bbbbbbbbbbbbbbbb", schemas.OnConsent)
			d.Consent.Erase = []string{inventory.EraseConsent(hostName, m.record.Installed.Disk, "install:"+m.record.Installed.ID,
				d.Workload.Inputs)}
		})
		if p := m.settles(t); p.Hold == nil || p.Hold.Reason != change.IdentityMismatch || m.record.Stranger == nil {
			t.Fatalf("plan = %+v, hold %+v", p, p.Hold)
		}
		return m
	}
	t.Run("a retry, the machine is back", func(t *testing.T) {
		t.Parallel()
		m := held(t)
		m.sees, m.cards, m.retry = inventory.System{Serial: "SN1", UUID: uuid}, []string{cardOne, cardTwo}, true
		if p := m.settles(t); p.Phase != plan.Active || m.record.Stranger != nil {
			t.Errorf("plan = %+v, hold %+v, stranger %+v", p, p.Hold, m.record.Stranger)
		}
	})
	t.Run("a retry, it is still another", func(t *testing.T) {
		t.Parallel()
		m := held(t)
		boots := m.boots
		m.retry = true
		if p := m.settles(t); p.Hold == nil || p.Hold.Reason != change.IdentityMismatch || m.boots != boots+1 {
			t.Errorf("plan = %+v, hold %+v, %d boots", p, p.Hold, m.boots-boots)
		}
	})
	t.Run("a takeover", func(t *testing.T) {
		t.Parallel()
		m := held(t)
		value := m.settles(t).Hold.Takeover
		m.commit(func(d *inventory.Desired) {
			d.Consent.Takeover, d.Workload = value, workload("aaaaaaaaaaaaaaaa", schemas.OnConsent)
		})
		p := m.settles(t)
		if p.Hold == nil || len(p.Hold.Consents) == 0 || m.record.Installed != nil ||
			m.record.SMBIOS.Serial != "SN2" || m.record.Adopted != value || !slices.Equal(m.record.MACs, m.cards) {
			t.Errorf("plan = %+v, hold %+v, record %+v; want it looked at, and nothing installed", p, p.Hold, m.record)
		}
		m.commit(func(d *inventory.Desired) { d.Consent.Erase = p.Hold.Consents })
		if p := m.settles(t); p.Phase != plan.Active {
			t.Errorf("plan = %+v, hold %+v, want it installed", p, p.Hold)
		}
	})
}

// TestTheAddressOfTheBMC changes spec.bmc.address: the same machine is used on, another one is held once something was
// done to the known one, and before that it is pinned anew.
func TestTheAddressOfTheBMC(t *testing.T) {
	t.Parallel()
	const corrected = "https://10.0.0.44"
	another := inventory.System{Serial: "SN2", UUID: anotherUUID}
	untouched := func(t *testing.T) *model {
		m := newModel(inventory.ContentBlank, inventory.PoweredOff)
		m.desired.Identity = schemas.Identity{}
		m.until(t, act.PinIdentity)
		return m
	}
	service := func(t *testing.T) *model { return swapped(t, schemas.Identity{}) }
	for name, test := range map[string]struct {
		was   func(t *testing.T) *model
		shows inventory.System
		held  bool
	}{
		"in service, the same machine":        {service, inventory.System{Serial: "SN1", UUID: uuid}, false},
		"in service, another":                 {service, another, true},
		"in service, a BMC that says nothing": {service, inventory.System{}, true},
		"nothing done, another":               {untouched, another, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := test.was(t)
			m.shows, m.sees = test.shows, test.shows
			m.commit(func(d *inventory.Desired) { d.BMC = &schemas.BMC{Address: corrected} })
			p := m.settles(t)
			held := p.Hold != nil && p.Hold.Reason == change.IdentityMismatch
			if held != test.held || !held && (p.Phase != plan.Active || m.record.BMC.Address != corrected ||
				m.record.BMC.Serial != test.shows.Serial || m.record.Adopted != "") {
				t.Errorf("plan = %+v, hold %+v, pinned %+v", p, p.Hold, m.record.BMC)
			}
		})
	}
}

// TestADeclaredIdentity: one source that says what the file declares is enough, and the other one is pinned.
func TestADeclaredIdentity(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		declares schemas.Identity
		bmc      string
		smbios   string
		held     bool
	}{
		"the BMC says it":          {schemas.Identity{Serial: "CHASSIS"}, "CHASSIS", "SN1", false},
		"the firmware says it":     {schemas.Identity{Serial: "SN1"}, "", "SN1", false},
		"nobody says it":           {schemas.Identity{Serial: "SN9"}, "", "SN1", true},
		"the BMC says another":     {schemas.Identity{Serial: "SN9"}, "CHASSIS", "SN1", true},
		"nobody says anything":     {schemas.Identity{Serial: "SN9"}, "", "None", true},
		"its UUID":                 {schemas.Identity{UUID: strings.ToUpper(uuid)}, "", "SN1", false},
		"another UUID":             {schemas.Identity{UUID: anotherUUID}, "", "SN1", true},
		"nothing is declared":      {schemas.Identity{}, "CHASSIS", "SN1", false},
		"a card that is not there": {schemas.Identity{MACs: []string{newCard}}, "", "SN1", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newModel(inventory.ContentBlank, inventory.PoweredOff)
			m.desired.Identity = test.declares
			m.shows, m.sees = inventory.System{Serial: test.bmc}, inventory.System{Serial: test.smbios, UUID: uuid}
			p := m.settles(t)
			held := p.Hold != nil && p.Hold.Reason == change.IdentityMismatch
			if held != test.held || !held && p.Phase != plan.Active || m.boots > 1 {
				t.Fatalf("plan = %+v, hold %+v, %d boots", p, p.Hold, m.boots)
			}
			if !held && (m.record.BMC.Serial != test.bmc || m.record.SMBIOS.Serial != test.smbios) {
				t.Errorf("pinned %+v, %+v", m.record.BMC, m.record.SMBIOS)
			}
		})
	}
}

// TestATakeoverOfWhatTheFileDenies: a takeover gives a host no machine that its file denies: the file is changed first.
func TestATakeoverOfWhatTheFileDenies(t *testing.T) {
	t.Parallel()
	m := swapped(t, schemas.Identity{Serial: "SN1"})
	m.shows = inventory.System{Serial: "SN2", UUID: anotherUUID}
	m.sees = m.shows
	value := m.record.TakeoverConsent(m.observe().BMC.ShownIdentity(m.desired.BMC.Address))
	for _, given := range []string{"", value} {
		m.commit(func(d *inventory.Desired) { d.Consent.Takeover = given })
		if p := m.settles(t); p.Hold == nil || p.Hold.Reason != change.IdentityMismatch || p.Hold.Takeover != "" ||
			m.record.SMBIOS.Serial != "SN1" || !strings.Contains(p.Hold.Message, "spec.identity") {
			t.Fatalf("takeover %q: plan = %+v, hold %+v, want it held, and no takeover", given, p, p.Hold)
		}
	}
	m.commit(func(d *inventory.Desired) { d.Identity.Serial, d.Consent.Takeover = "SN2", "" })
	m.takeOver(t)
	if p := m.settles(t); p.Hold == nil || len(p.Hold.Consents) == 0 || m.record.Installed != nil {
		t.Errorf("plan = %+v, hold %+v, want the new machine looked at, and its disk held", p, p.Hold)
	}
}
