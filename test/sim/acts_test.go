package sim

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/gitmetal/ingot/reconcile/plan/change"
)

// happening is something that happens at a moment. It reports whether it could happen, which counts it as reached.
type happening func(w *world, d deed) bool

// acts are what people, power supplies and disks do, by their words in stories. It is a function, as the acts
// themselves make stories.
func acts() map[string]happening {
	return map[string]happening{
		"person: releases the trunk":                                releasesTrunk,
		"person: releases an older commit":                          releasesOlder,
		"person: moves the newest tag":                              movesTag,
		"person: deletes the newest tag":                            deletesTag,
		"person: countersigns the newest tag":                       countersigns,
		"person: takes a countersignature back":                     withdraws,
		"person: takes a countersignature back while an agent asks": whileAsking(withdraws),
		"person: commits new inputs":                                newInputs,
		"person: consents to what a host is held for":               consents,
		"person: takes the consent back":                            takesConsentBack,
		"person: protects a host":                                   protects,
		"person: ends the protection of a host":                     unprotects,
		"person: deletes a host's file":                             deletesFile,
		"person: writes a host's file again":                        writesFile,
		"person: commits another BIOS setting":                      newSetting,
		"person: changes the BIOS by hand":                          changesBIOS,
		"person: pauses the fleet":                                  pauses,
		"person: ends the pause":                                    unpauses,
		"person: commits a file that is no YAML":                    breaksYAML,
		"person: turns a machine off in the fleet":                  declaresOff,
		"person: turns a machine on in the fleet":                   declaresOn,
		"person: keeps a machine off":                               keepsOff,
		"person: lets a machine go that was kept off":               letsGo,
		"person: asks for a reboot once":                            asksReboot,
		"person: asks for a reboot of every machine":                asksReboots,
		"person: asks for an inspection once":                       asksInspection,
		"person: resumes a step in the fleet":                       resumesInFleet,
		"person: resumes an old operation in the fleet":             resumesOld,
		"person: renames a host":                                    renames,
		"person: rewrites the history of the trunk":                 rewrites,
		"person: retries a host":                                    retries,
		"person: forgets a host":                                    forgets,
		"person: presses the power button":                          pressesButton,
		"person: holds the power button":                            holdsButton,
		"person: installs another system by hand":                   installsByHand,
		"power: a machine's power is cut for a second":              blinks,
		"power: the whole rack goes off and comes back":             rackBlinks,
		"daemon: dies":                                              dies,
		"daemon: dies between two effects":                          diesAtEffect,
		"daemon: is away for hours":                                 goesAway,
		"clock: the wall clock jumps":                               clockJumps,
		"clock: the clock runs fast or slow":                        clockDrifts,
		"agent: its process starts again":                           agentRestarts,
		"state: the directory is removed":                           losesState,
		"state: an older directory is put back":                     restoresState,
		"state: an older status branch is put back":                 restoresBranch,
		"state: directory and branch are put back":                  restoresBoth,
		"state: the status branch is deleted":                       deletesBranch,
		"state: a second daemon runs":                               startsSecond,
		"state: a suspended daemon resumes beside its successor":    suspends,
		"daemon: is stopped by a signal":                            pausesProcess,
		"daemon: is stopped by a signal while it looks":             whileLooking(pausesProcess),
		"state: a daemon is suspended while it looks":               whileLooking(suspends),
		"daemon: is stopped by a signal before an effect":           afterWrite(pausesProcess),
		"state: a daemon is suspended before an effect":             afterWrite(suspends),
		"person: swaps two blades":                                  swapsBlades,
		"person: moves the disks of two machines":                   movesDisks,
		"person: replaces a machine, and keeps its disks":           replacesMachine,
		"person: replaces a disk":                                   swapsDisk,
		"person: plugs a second disk in":                            addsDisk,
		"disk: cannot be read":                                      unreadable,
		"machine: its system writes files":                          usesDisk,
		"agent: the boot token is used by two keys":                 usesKeyTwice,
		"person: has a daemon take the fleet":                       takesFleet,
		"person: protects a host whose agent asks":                  whileAsking(protects),
		"person: deletes the file of a host whose agent asks":       whileAsking(deletesFile),
		"person: pauses the fleet while an agent asks":              whileAsking(pauses),
		"person: takes the consent back while an agent asks":        whileAsking(takesConsentBack),
		"person: rewrites the history while an agent asks":          whileAsking(rewrites),
		"bmc: starts anew and forgets medium and override":          bmcForgets,
	}
}

func sortedActs() []string { return slices.Sorted(maps.Keys(acts())) }

func (w *world) hostID(d deed) string {
	if d.host != "" {
		return d.host
	}
	ids := w.people.now.ids()
	if len(ids) == 0 {
		return ""
	}
	return ids[d.who%len(ids)]
}

func (w *world) machineOf(d deed) *machine { return w.machines[d.who%len(w.machines)] }

// operator is a process that an operator can talk to now; nil when none answers.
func (w *world) operator() *process {
	for _, d := range w.daemons {
		if p := d.proc; p != nil && !p.busy && !p.dead && !d.suspended {
			return p
		}
	}
	return nil
}

func newInputs(w *world, d deed) bool {
	name := "web"
	if d.size < 0.5 {
		name = "db"
	}
	w.people.newInputs(name)
	return true
}

func consents(w *world, d deed) bool { return w.people.consentTo(w.hostID(d)) }

func takesConsentBack(w *world, d deed) bool {
	id := w.hostID(d)
	if h := w.people.now.hosts[id]; h.erase == "" && h.takeover == "" {
		return false
	}
	w.people.change(id, "take the consent back", func(h *hostSpec) { h.erase, h.eraseData, h.takeover = "", "", "" })
	return true
}

func protects(w *world, d deed) bool {
	w.people.change(w.hostID(d), "protect", func(h *hostSpec) { h.protect = true })
	return true
}

func unprotects(w *world, d deed) bool {
	for _, id := range w.people.now.ids() {
		if w.people.now.hosts[id].protect {
			w.people.change(id, "end the protection", func(h *hostSpec) { h.protect = false })
			return true
		}
	}
	return false
}

func deletesFile(w *world, d deed) bool {
	id := w.hostID(d)
	if len(w.people.now.hosts) < 2 {
		return false
	}
	w.people.deleted[id] = w.people.now.hosts[id]
	delete(w.people.now.hosts, id)
	w.people.commit("delete host " + id)
	return true
}

func writesFile(w *world, _ deed) bool {
	for _, id := range slices.Sorted(maps.Keys(w.people.deleted)) {
		w.people.now.hosts[id] = w.people.deleted[id]
		delete(w.people.deleted, id)
		w.people.commit("write host " + id + " again")
		return true
	}
	return false
}

func pauses(w *world, _ deed) bool {
	w.people.now.paused = true
	w.people.commit("pause the fleet")
	return true
}

func unpauses(w *world, _ deed) bool {
	was := w.people.now.paused
	w.people.now.paused = false
	w.people.commit("end the pause")
	return was
}

func breaksYAML(w *world, d deed) bool {
	w.people.now.broken = !w.people.now.broken
	w.people.commit("a file that is no YAML")
	return true
}

func declaresOff(w *world, d deed) bool {
	w.people.change(w.hostID(d), "power off", func(h *hostSpec) { h.power = "Off" })
	return true
}

func declaresOn(w *world, d deed) bool {
	w.people.change(w.hostID(d), "power on", func(h *hostSpec) { h.power = "On" })
	return true
}

func asksReboot(w *world, d deed) bool {
	w.people.change(w.hostID(d), "reboot once", func(h *hostSpec) { h.reboot = rebootOf(d) })
	return true
}

// asksReboots asks for the same value of every host in one commit.
func asksReboots(w *world, d deed) bool {
	for _, id := range w.people.now.ids() {
		h := w.people.now.hosts[id]
		h.reboot = rebootOf(d)
		w.people.now.hosts[id] = h
	}
	w.people.commit("reboot all once")
	return true
}

// rebootOf is a value of a reboot; now and then one that was asked for before.
func rebootOf(d deed) string {
	mode := "Soft"
	if d.size < 0.4 {
		mode = "Hard"
	}
	return fmt.Sprintf("fw-%d %s", int(d.size*6), mode)
}

func asksInspection(w *world, d deed) bool {
	w.people.change(w.hostID(d), "inspect once", func(h *hostSpec) { h.inspect = fmt.Sprint("look-", int(d.size*20)) })
	return true
}

// resumesInFleet writes what the hold of a step says.
func resumesInFleet(w *world, d deed) bool {
	id := w.hostID(d)
	view, known := w.people.view(id)
	if !known || view.Plan.Hold == nil || view.Plan.Hold.Reason != change.OnHold {
		return false
	}
	_, value, _ := strings.Cut(view.Plan.Hold.Message, "{resume: ")
	w.people.change(id, "resume", func(h *hostSpec) { h.resume = strings.TrimSuffix(value, "}") })
	w.checks.resumed[id]++
	return true
}

func resumesOld(w *world, d deed) bool {
	w.people.change(w.hostID(d), "resume an old one", func(h *hostSpec) { h.resume = "hold/0123abcd" })
	return true
}

func keepsOff(w *world, d deed) bool {
	keys := "ups"
	if d.size < 0.3 {
		keys = "ups, memtest"
	}
	w.people.change(w.hostID(d), "keep off", func(h *hostSpec) { h.offBy = keys })
	return true
}

// letsGo takes the last key out of the first machine that is kept off.
func letsGo(w *world, _ deed) bool {
	for _, id := range w.people.now.ids() {
		if keys := w.people.now.hosts[id].offBy; keys != "" {
			left, _, _ := strings.Cut(keys, ", ")
			if left == keys {
				left = ""
			}
			w.people.change(id, "take a key out", func(h *hostSpec) { h.offBy = left })
			return true
		}
	}
	return false
}

func renames(w *world, d deed) bool {
	w.people.change(w.hostID(d), "rename", func(h *hostSpec) { h.name = fmt.Sprintf("%s-%d", h.id, int(d.size*1000)) })
	return true
}

// rewrites commits beside the tip: the accepted commit is in no history any more.
func rewrites(w *world, d deed) bool {
	p := w.people
	load := p.now.workloads["web"]
	load.version += 100
	p.now.workloads["web"] = load
	p.written = p.now.files()
	commit := w.git.commit(trunk, [20]byte{}, p.written, "the history is rewritten")
	p.remember(commit)
	p.rewritten[commit.String()] = true
	w.say("a person rewrites the trunk: %.8s", commit)
	w.refreshDaemons()
	return true
}

func retries(w *world, d deed) bool {
	p := w.operator()
	return p != nil && w.people.retry(p, w.hostID(d))
}

func forgets(w *world, d deed) bool {
	p := w.operator()
	return p != nil && w.people.forget(p, w.hostID(d))
}

func pressesButton(w *world, d deed) bool {
	m := w.machineOf(d)
	if m.isOn() {
		m.shutDown("a person")
	} else {
		m.powerOn("a person")
	}
	return true
}

func holdsButton(w *world, d deed) bool {
	m := w.machineOf(d)
	m.cut("a person")
	return true
}

// installsByHand writes another system to a disk while nobody of ours writes, and starts it.
func installsByHand(w *world, d deed) bool {
	m := w.machineOf(d)
	if m.runs == inRamdisk {
		return false
	}
	m.cut("a person")
	w.people.installs++
	disk := m.root()
	disk.wipe()
	disk.holds, disk.foreign = aForeign, w.people.installs
	disk.pages[0] = []byte("a boot sector")
	w.say("a person installs another system on %s", m)
	if d.size < 0.7 {
		m.slot.medium, m.slot.target, m.slot.enabled = "", "None", "Disabled"
		m.powerOn("a person")
	}
	return true
}

func blinks(w *world, d deed) bool {
	m := w.machineOf(d)
	if !m.isOn() {
		return false
	}
	m.cut("a power cut")
	w.after(time.Second, func() { m.powerOn("the power comes back") })
	return true
}

func rackBlinks(w *world, d deed) bool {
	for _, m := range w.machines {
		if m.isOn() {
			m.cut("a power cut")
			wait := m.dice.between(time.Second, 10*time.Minute)
			w.after(wait, func() { m.powerOn("the power comes back") })
		}
	}
	return true
}

func dies(w *world, d deed) bool {
	for _, each := range w.daemons {
		if p := each.proc; p != nil {
			w.say("%s dies", each.name)
			p.die()
			return true
		}
	}
	return false
}

func diesAtEffect(w *world, d deed) bool {
	each := w.daemons[0]
	each.crashAt = each.effects + 1 + int(d.size*20)
	return false // it counts when it happens
}

func goesAway(w *world, d deed) bool {
	each := w.daemons[0]
	if each.proc == nil {
		return false
	}
	w.say("%s is away", each.name)
	each.proc.die()
	each.away = w.now + time.Duration(d.size*float64(10*time.Hour))
	return true
}

func clockJumps(w *world, d deed) bool {
	c := w.daemons[0].clock
	jump := time.Duration((d.size - 0.5) * float64(2*10*365*24) * float64(time.Hour))
	if d.size > 0.3 && d.size < 0.7 {
		jump = time.Duration((d.size - 0.5) * float64(6*time.Hour))
	}
	c.offset += jump
	w.say("the wall clock of %s jumps by %s", w.daemons[0].name, jump)
	return true
}

func clockDrifts(w *world, d deed) bool {
	w.daemons[0].clock.setRate(0.5 + d.size*1.5)
	return true
}

func agentRestarts(w *world, d deed) bool {
	m := w.machineOf(d)
	if m.agent == nil {
		return false
	}
	m.restartAgent()
	return true
}

func takesFleet(w *world, _ deed) bool {
	at := w.operator()
	if at == nil {
		return false
	}
	another := at.loop.View().Another
	if another != "" {
		w.people.takeFleet(at, another)
	}
	return another != ""
}

// whileAsking has something happen to the next host whose agent asks for leave.
func whileAsking(do happening) happening {
	return func(w *world, d deed) bool {
		w.ambushes = append(w.ambushes, ambush{d, do})
		return false // it counts when it happens
	}
}

// ambush is something that waits for a moment.
type ambush struct {
	deed deed
	do   happening
}

// meetQuestion has the first thing happen that waits for a question of an agent and that can happen to the agent's host.
func (w *world) meetQuestion(host string) {
	if _, there := w.people.now.hosts[host]; !there || w.healing {
		return
	}
	for i, waits := range w.ambushes {
		waits.deed.host = host
		if waits.do(w, waits.deed) {
			w.ambushes = append(w.ambushes[:i:i], w.ambushes[i+1:]...)
			w.step()
			w.reach(waits.deed.kind)
			return
		}
	}
}

func bmcForgets(w *world, d deed) bool {
	s := w.machineOf(d).slot
	if s == nil {
		return false
	}
	s.medium, s.sticky, s.target, s.enabled = "", "", "None", "Disabled"
	w.say("the BMC of %s starts anew", s)
	return true
}
