package sim

import (
	"fmt"
	"time"

	"github.com/gitmetal/ingot/agent/wire"
)

// runs is what a machine does.
type runs string

// States of a machine that is on, and off.
const (
	off        runs = "off"
	posting    runs = "in its firmware"
	inRamdisk  runs = "in the ramdisk"
	booting    runs = "starting its system"
	serving    runs = "serving" // its system is up, with people's work on it
	noBootDisk runs = "without a disk to start from"
)

// machine is a real machine: a blade with its disks. People move it between the slots of the rack.
type machine struct {
	w      *world
	index  int
	serial string
	uuid   string
	mac    string
	disks  []*disk
	dice   *dice
	slot   *slot // where it is plugged in; nil when it lies on a table

	runs   runs
	boots  int // counts power-ons
	called int // the last of its boots in which its system called home
	agent  *agent
	due    *event        // the next thing that its firmware or system does
	moved  time.Duration // when it was plugged in last
	mute   bool          // its systems never call
	// declared is the serial that the fleet declares for it
	declared string
	// replaced counts the machines that came into its place with its disks
	replaced int
	starter  string // who powered it on

	bios        string // the value of biosAttribute
	secondFirst bool   // the kernel names the second disk first
}

// slot is a place in a rack with a BMC: an address.
type slot struct {
	w       *world
	index   int
	machine *machine
	dice    *dice

	medium  string // URL of the inserted medium; "" without
	sticky  string // the medium that it still shows after an eject
	target  string // boot override
	enabled string
	changed time.Duration // when the power changed last
	before  bool          // the power before
	tried   int           // counts inserts, for BMCs that fail the first
	pending string        // what the settings object has, until it is applied
	job     *biosJob      // the newest job that applies it; nil before the first
}

func newMachine(w *world, index int) *machine {
	m := &machine{w: w, index: index, serial: fmt.Sprintf("SN%02d", index), runs: off, bios: "Disabled",
		uuid: fmt.Sprintf("4c4c4544-0000-4000-8000-%012d", index), mac: fmt.Sprintf("52:54:00:00:00:%02x", index),
		dice: newDice(w.seed, fmt.Sprint("machine ", index)), disks: []*disk{newDisk(fmt.Sprintf("D%02d", index))}}
	m.declared = m.serial
	s := &slot{w: w, index: index, machine: m, dice: newDice(w.seed, fmt.Sprint("slot ", index))}
	m.slot = s
	return m
}

func (m *machine) String() string { return "machine " + m.serial }

func (m *machine) isOn() bool { return m.runs != off }

func (m *machine) root() *disk { return m.disks[0] }

// powerOn starts the machine, if it is off.
func (m *machine) powerOn(who string) {
	if m.isOn() {
		return
	}
	m.w.say("%s goes on (%s)", m, who)
	m.boots++
	m.starter = who
	m.setPower(posting)
	m.slot.passFirmware()
	post := m.dice.between(20*time.Second, 3*time.Minute)
	if m.w.meets(longPost, m.index) {
		post += m.dice.between(5*time.Minute, 25*time.Minute)
	}
	m.due = m.w.after(post, m.startFrom)
}

// setPower changes what the machine does, and notes the change for BMCs that are behind.
func (m *machine) setPower(next runs) {
	was := m.isOn()
	m.runs = next
	if s := m.slot; s != nil && was != m.isOn() {
		s.before, s.changed = was, m.w.now
	}
}

// cut takes the power away.
func (m *machine) cut(who string) {
	if !m.isOn() {
		return
	}
	m.w.say("%s is cut (%s), it was %s", m, who, m.runs)
	m.due.cancel()
	m.stopAgent()
	m.setPower(off)
	m.w.checks.bytesAreBootable(m)
}

// shutDown asks the system to shut down, as a power button does.
func (m *machine) shutDown(who string) {
	switch m.runs {
	case serving, inRamdisk:
		if m.w.meets(ignoresShutdown, m.index) {
			return
		}
		boot := m.boots
		m.w.after(m.dice.between(3*time.Second, 40*time.Second), func() {
			if m.boots == boot && m.isOn() {
				m.w.step()
				m.cut(who + ", shut down")
			}
		})
	}
}

// startFrom is the firmware after its self-test: the boot override, then the disk.
func (m *machine) startFrom() {
	m.w.step()
	if s := m.slot; s != nil && (s.target == "Cd" || s.target == "UsbCd") && s.medium != "" && s.enabled != "Disabled" {
		ignored := m.w.meets(overrideIgnored, s.index)
		if s.enabled == "Once" || m.w.meets(continuousIsOnce, s.index) {
			s.target, s.enabled = "None", "Disabled"
		}
		if !ignored && m.startMedium(s.medium) {
			return
		}
	}
	m.startDisk()
}

// startMedium reads the medium from the daemon, and starts the ramdisk.
func (m *machine) startMedium(url string) bool {
	config, ok := m.w.readMedium(m, url)
	if !ok {
		return false
	}
	m.w.say("%s reads the medium of boot %s", m, config.Boot)
	m.runs = inRamdisk
	m.due = m.w.after(m.dice.between(15*time.Second, 90*time.Second), func() {
		m.w.step()
		m.startAgent(config)
	})
	return true
}

// readMedium has a daemon serve the boot medium.
func (w *world) readMedium(m *machine, url string) (wire.BootConfig, bool) {
	if w.meets(mediaUnreachable, m.index) {
		return wire.BootConfig{}, false
	}
	for _, p := range w.listening(m) {
		if config, ok := p.serveMedium(url); ok {
			return config, true
		}
	}
	return wire.BootConfig{}, false
}

// startDisk starts what is on the disk.
func (m *machine) startDisk() {
	d := m.root()
	m.w.checks.bytesAreBootable(m)
	if d.holds != aSystem && d.holds != aForeign {
		m.w.say("%s finds nothing to start: %s", m, d.label())
		m.runs = noBootDisk
		return
	}
	m.runs = booting
	wait := m.dice.between(15*time.Second, 2*time.Minute)
	if m.w.meets(slowSystem, m.index) {
		wait += m.dice.between(10*time.Minute, 3*time.Hour)
	}
	m.due = m.w.after(wait, m.serve)
}

// serve is the system when it is up.
func (m *machine) serve() {
	m.w.step()
	d := m.root()
	m.runs = serving
	m.w.say("%s serves %s", m, d.label())
	d.used++
	m.w.checks.machineServes(m)
	if d.holds == aSystem {
		m.callHome()
	}
}

// callHome is the unit of the installed system: at every start it calls until a call is acknowledged.
func (m *machine) callHome() {
	d := m.root()
	if d.system.token == "" || m.mute || m.runs != serving {
		return
	}
	if m.w.call(m, wire.PathPhoneHome, wire.PhoneHome{Host: d.system.host, Install: d.system.install,
		Epoch: d.system.epoch, Attempt: d.system.attempt, Token: d.system.token, Commit: d.system.commit, BootID: fmt.Sprint(m.serial, "-", m.boots), Machine: m.uuid}) == 204 {
		m.w.say("%s called home for %s", m, d.system.install)
		return // until the next start
	}
	m.due = m.w.after(m.dice.between(20*time.Second, time.Minute), m.callAgain)
}

func (m *machine) callAgain() {
	m.w.step()
	m.callHome()
}
