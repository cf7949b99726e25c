package sim

import (
	"errors"
	"fmt"
	"time"

	"github.com/gitmetal/ingot/inventory"
)

// bmcError is an error of a BMC with what the loop may know of it.
type bmcError struct {
	reach inventory.Reach
	text  string
}

func (e bmcError) Error() string { return e.text }

// reachOf classifies an error.
func reachOf(err error) inventory.Reach {
	var said bmcError
	if errors.As(err, &said) {
		return said.reach
	}
	return inventory.Unreachable
}

// request is one request to the BMC, with the faults that any request can meet. No connection outlives a suspension.
func (s *slot) request(p *process) error {
	resumed := p.d.resumed
	err := s.answer(p)
	if p.d.resumed != resumed {
		return bmcError{inventory.Unreachable, "the deadline of the request has passed"}
	}
	return err
}

func (s *slot) answer(p *process) error {
	if err := p.call(); err != nil {
		return err
	}
	w := s.w
	switch {
	case w.meets(siteCut, s.index), w.meets(bmcDown, s.index):
		p.pass(5 * time.Second)
		return bmcError{inventory.Unreachable, "no route to host"}
	case w.meets(bmcHangs, s.index):
		p.pass(30 * time.Second)
		return bmcError{inventory.Unreachable, "no answer within the deadline"}
	case w.meets(bmcRefuses, s.index):
		return bmcError{inventory.Unauthorized, "the BMC refuses the password"}
	case w.meets(bmcStale, s.index):
		return bmcError{inventory.Refused, "401: the session ended"}
	case w.meets(bmcNotReady, s.index):
		return bmcError{inventory.Refused, "400: iDRAC is not ready"}
	case w.meets(bmcFails, s.index):
		return bmcError{inventory.Refused, "503: service unavailable"}
	case w.meets(bmcGarbage, s.index):
		return bmcError{inventory.Refused, "the answer is two JSON documents"}
	case w.meets(bmcForeignCert, s.index):
		return bmcError{inventory.Unreachable, "the certificate is another than the fleet says"}
	case w.meets(bmcSlow, s.index):
		p.pass(s.dice.between(2*time.Second, 20*time.Second))
	}
	p.pass(s.dice.between(20*time.Millisecond, 200*time.Millisecond))
	return p.call()
}

// reading is the machine's power as the BMC says it.
func (s *slot) reading() inventory.PowerState {
	m := s.machine
	on := m != nil && m.isOn()
	recent := s.w.now-s.changed < 90*time.Second
	switch {
	case s.w.meets(powerUnknown, s.index):
		return inventory.PowerUnknown
	case recent && s.changed > 0 && s.w.meets(powerStale, s.index):
		on = s.before
	case on && s.w.meets(saysOff, s.index):
		on = false
	case !on && s.w.meets(saysOn, s.index):
		on = true
	}
	if on {
		return inventory.PoweredOn
	}
	return inventory.PoweredOff
}

// system is one look at the machine behind the BMC.
func (s *slot) observe(p *process, look bmcLook) (inventory.BMCState, error) {
	state := inventory.BMCState{At: p.d.clock.read()}
	if err := s.request(p); err != nil {
		return state, err
	}
	state.Reach, state.Power = inventory.Reached, s.reading()
	if m := s.machine; m != nil {
		state.System = inventory.System{Manufacturer: "Acme", Product: "X", Serial: m.serial, UUID: m.uuid}
		if s.w.meets(bmcOmitsSerial, s.index) {
			state.System.Serial, state.System.UUID = "", ""
		}
	}
	state.Override = inventory.Override{Target: s.target, Enabled: s.enabled}
	if state.Override.Target == "" {
		state.Override = inventory.Override{Target: "None", Enabled: "Disabled"}
	}
	state.Settings = s.readBIOS(p, look)
	if !look.drives {
		return state, nil
	}
	if err := s.request(p); err != nil {
		return state, err
	}
	state.Media = []inventory.Slot{{ID: "Cd", Inserted: s.medium != "" || s.sticky != "", Image: s.medium + s.sticky}}
	if s.medium != "" {
		state.Media[0].Image = s.medium
	}
	if s.w.meets(noMediaSlot, s.index) {
		state.Media = []inventory.Slot{}
	}
	return state, nil
}

// reset changes the power.
func (s *slot) reset(p *process, kind string) error {
	if err := s.request(p); err != nil {
		return err
	}
	m := s.machine
	if m == nil {
		return bmcError{inventory.Refused, "409: no blade"}
	}
	p.d.noteEffect("reset " + kind)
	s.w.checks.machineIsReset(p, m, kind)
	s.w.say("%s resets %s: %s", p.d.name, m, kind)
	switch {
	case kind == "On" && s.w.now-s.changed < 10*time.Second && s.w.meets(onTooSoon, s.index):
		return bmcError{inventory.Refused, "409: the power is changing"}
	case s.w.meets(resetIgnored, s.index): // accepted, and nothing happens
		return nil
	case s.w.meets(resetLate, s.index): // accepted, and it happens later
		s.w.after(s.dice.between(5*time.Second, 2*time.Minute), func() { s.w.step(); s.act(m, kind, p.d.name) })
		return nil
	}
	s.act(m, kind, p.d.name)
	if s.w.meets(resetErrs, s.index) { // done, and the task's monitor is gone
		return bmcError{inventory.Refused, "404: the task is not known"}
	}
	return nil
}

func (s *slot) act(m *machine, kind, who string) {
	if m.slot != s {
		return
	}
	switch kind {
	case "On":
		m.powerOn(who)
	case "ForceOff":
		if !s.w.meets(staysOn, s.index) {
			m.cut(who)
		}
	case "GracefulShutdown":
		m.shutDown(who)
	case "ForceRestart":
		if m.isOn() {
			m.cut(who)
			m.powerOn(who)
		}
	}
}

// insert puts a medium in.
func (s *slot) insert(p *process, url string) error {
	if err := s.request(p); err != nil {
		return err
	}
	s.tried++
	p.d.noteEffect("insert")
	switch {
	case s.w.meets(noLicense, s.index):
		return bmcError{inventory.Refused, "403: virtual media needs a license"}
	case s.tried%2 == 1 && s.w.meets(insertFailsFirst, s.index):
		return bmcError{inventory.Refused, "500: SYS446"}
	case s.w.meets(insertIgnored, s.index):
		return nil
	}
	s.w.checks.machineIsArmed(p, s.machine, "insert")
	s.medium, s.sticky = url, ""
	s.w.say("%s inserts %s into slot %d", p.d.name, url, s.index)
	return nil
}

// eject takes the medium out.
func (s *slot) eject(p *process) error {
	if err := s.request(p); err != nil {
		return err
	}
	p.d.noteEffect("eject")
	s.w.checks.driveIsChanged(p, s, "eject")
	switch {
	case s.machine != nil && s.machine.isOn() && s.w.meets(ejectWhileOff, s.index):
		return bmcError{inventory.Refused, "409: the medium is in use"}
	case s.w.meets(ejectIgnored, s.index):
		return nil
	case s.w.meets(stillInserted, s.index):
		s.sticky = s.medium
	default:
		s.sticky = ""
	}
	s.medium = ""
	return nil
}

// override sets the boot device.
func (s *slot) override(p *process, target, enabled string) error {
	if err := s.request(p); err != nil {
		return err
	}
	p.d.noteEffect("override")
	s.w.checks.driveIsChanged(p, s, "boot override "+target)
	switch {
	case s.machine != nil && s.machine.runs == posting && s.w.meets(overrideInPost, s.index):
		return bmcError{inventory.Refused, "409: the firmware is in its self-test"}
	case s.w.meets(overrideETag, s.index):
		return bmcError{inventory.Refused, "412: precondition failed"}
	case s.w.meets(overrideLost, s.index): // 200, and nothing changes
		return nil
	}
	s.target, s.enabled = target, enabled
	return nil
}

func (s *slot) String() string { return fmt.Sprintf("slot %d", s.index) }
