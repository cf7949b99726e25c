package sim

import (
	"fmt"
	"io"
	"runtime/debug"
	"time"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/cause"
	"github.com/gitmetal/ingot/reconcile/plan"
)

// result is how a world went.
type result struct {
	story   story
	rule    string // the broken rule; "" when all held
	broke   string
	steps   int
	reached map[string]int
	causes  map[cause.Name]int
	served  int // machines that serve what the fleet asks for, at the end
	hosts   int
	years   float64 // simulated machine-years
}

// maxSteps bounds a world.
const maxSteps = 15_000

// healTime is how long everything may take to converge after the faults.
const healTime = 16 * time.Hour

// settleTime is how long the last effects may take after all hosts are Active.
const settleTime = 20 * time.Minute

// run runs the world of a story. The history goes to tell, unless it is nil.
func run(s story, tell io.Writer) (r result) {
	w := newWorld(s, tell)
	defer func() {
		if caught := recover(); caught != nil {
			w.checks.breaks("no panic", "%v\n%s", caught, debug.Stack())
		}
		r = result{story: s, rule: w.checks.rule, broke: w.checks.broke, steps: w.steps, reached: w.reached, causes: w.causes,
			served: w.countServing(), hosts: len(w.people.now.hosts),
			years: w.now.Hours() * float64(len(w.machines)) / 8766}
		w.end()
	}()
	w.runUntil(s.chaos)
	w.heal()
	return r
}

func newWorld(s story, tell io.Writer) *world {
	w := &world{seed: s.seed, tell: tell, reached: map[string]int{}, causes: map[cause.Name]int{}, windows: map[string][]window{}, budget: maxSteps}
	w.checks, w.history = newChecks(w), newHistory(w)
	w.git = newGitServer(w)
	w.people = newPeople(w)
	for i := range s.machines {
		m := newMachine(w, i)
		w.machines, w.rack = append(w.machines, m), append(w.rack, m.slot)
	}
	if s.farm > 0 {
		w.people.beginFarm(s.farm)
	} else {
		w.people.begin(s)
	}
	for i, d := range s.deeds {
		w.plan(i, d, s.chaos)
	}
	w.daemons = append(w.daemons, newDaemon(w, 0))
	w.daemons[0].start()
	w.takeSnapshot()
	if w.people.dice.chance(0.7) {
		w.after(w.people.dice.between(10*time.Minute, time.Hour), w.people.attend)
	}
	return w
}

// plan has a deed happen.
func (w *world) plan(number int, d deed, chaos time.Duration) {
	if do, is := acts()[d.kind]; is {
		w.after(d.at, func() {
			w.step()
			if do(w, d) {
				w.reach(d.kind)
			}
		})
		return
	}
	next := window{who: d.who, from: d.at, to: min(d.at+d.long, chaos), chance: d.size,
		dice: newDice(w.seed, fmt.Sprint("window ", d.at, d.kind, d.who))}
	w.windows[d.kind] = append(w.windows[d.kind], next)
	if d.kind == siteCut {
		w.cuts = append(w.cuts, next)
	}
	_ = number
}

// heal ends the faults, and has people follow the ways out until everything serves.
func (w *world) heal() {
	w.healing = true
	w.windows = map[string][]window{}
	for _, d := range w.daemons {
		d.crashAt, d.away = 0, 0
		d.start()
	}
	if len(w.daemons) > 1 {
		w.stopSecond()
	}
	w.daemons[0].resumeAgain()
	if p := w.daemons[0].proc; p != nil {
		p.due = nil
		p.wake(0)
	}
	w.say("the faults end")
	for end := w.now + healTime; w.now < end && !w.over(); {
		w.people.help()
		w.pass(20 * time.Minute)
		if w.isWell() && w.farm != nil {
			w.farm.check(w)
			return
		}
		if w.isWell() {
			w.pass(settleTime)
			w.stayQuiet()
			return
		}
	}
	if w.over() {
		return
	}
	for _, id := range w.people.now.ids() {
		if why := w.whyNotWell(id); why != "" {
			w.checks.breaks("L1 convergence", "host %s after %s without faults: %s", id, healTime, why)
		}
	}
}

func (w *world) isWell() bool {
	for _, id := range w.people.now.ids() {
		if w.whyNotWell(id) != "" {
			return false
		}
	}
	return true
}

// whyNotWell says why a host does not serve what the fleet asks for, or "".
func (w *world) whyNotWell(id string) string {
	if w.farm != nil {
		return w.farm.whyNotWell(w, id)
	}
	view, known := w.people.view(id)
	m := w.rack[w.people.now.hosts[id].slot].machine
	switch {
	case !known:
		return "no daemon knows it"
	case view.Plan.Phase != plan.Active:
		why := string(view.Plan.Phase) + ": " + view.Plan.Waits + " " + view.Outcome.Why
		if view.Plan.Hold != nil {
			why += " [" + string(view.Plan.Hold.Reason) + "] " + view.Plan.Hold.Message
		}
		return why
	case w.swapped:
		return "two machines are exchanged"
	case m == nil || m.runs != serving:
		return "Active, and its machine does not serve"
	case m.root().holds != aSystem:
		return ""
	}
	return ""
}

func (w *world) countServing() (count int) {
	for _, id := range w.people.now.ids() {
		if view, known := w.people.view(id); known && view.Plan.Phase == plan.Active &&
			view.Observed.Record.Installed != nil && w.checks.called[view.Observed.Record.Installed.ID] {
			count++
		}
	}
	return count
}

// end lets go of everything that a world holds.
func (w *world) end() {
	for _, m := range w.machines {
		m.stopAgent()
	}
	for _, d := range w.daemons {
		if d.proc != nil {
			d.proc.dead = true
			d.proc.cancel()
			d.proc.hangUp()
		}
	}
}

// places is how many machines are installed at a time.
func (w *world) places() int { return max(w.room, 3) }

func newPeople(w *world) *people {
	return &people{w: w, looked: map[string]bool{}, dice: newDice(w.seed, "people"), commits: map[string]fleetSpec{}, written: map[string][]byte{},
		deleted: map[string]hostSpec{}, superseded: map[string]time.Duration{}, rewritten: map[string]bool{}, takeovers: map[string]bool{}}
}

// severalDisks is a condition that holds on machines with more than one disk.
const severalDisks = "facts.disks.size() > 1"

// conditions of the script; "" is none. No simulated machine reports a vendor of its firmware.
var conditions = []string{"", "", severalDisks, `facts.disks.all(d, d.size > 0) && name != ""`, `facts.firmware.vendor == "Acme"`}

// begin commits the first fleet.
func (p *people) begin(s story) {
	p.now = fleetSpec{hosts: map[string]hostSpec{}, workloads: map[string]workloadSpec{
		"web": {version: 1, script: p.dice.chance(0.5)}, "db": {version: 1, script: p.dice.chance(0.3)}, "other": {version: 1}}}
	writes := newDice(p.w.seed, "disks of steps").chance(0.3)
	if writes {
		web := p.now.workloads["web"]
		web.data = true
		p.now.erases = choose(newDice(p.w.seed, "erases"), []string{"", "data", "root, data"})
		p.now.workloads["web"] = web
	}
	for i, m := range p.w.machines {
		id := fmt.Sprintf("m%d", i)
		workload := "web"
		if p.dice.chance(0.4) {
			workload = "db"
		}
		h := hostSpec{id: id, name: id, slot: i, serial: m.serial, disk: m.root().serial, workload: workload}
		if d := newDice(p.w.seed, fmt.Sprint("disks ", i)); d.chance(0.4) {
			h.hint = choose(d, []string{"size", "model"})
			if d.chance(0.4) {
				m.addDisk(d)
			}
		}
		if writes {
			h.data = fmt.Sprintf("DATA%02d", i)
			m.disks = append(m.disks, p.w.newDataDisk(h.data))
		}
		p.now.hosts[id] = h
	}
	p.now.when = choose(newDice(p.w.seed, "conditions"), conditions)
	p.now.reserved = choose(newDice(p.w.seed, "reserved steps"), []string{"", "", "reboots", "hold", "wait", "reboot"})
	p.now.injects = newDice(p.w.seed, "files").chance(0.25)
	p.now.plugins = newDice(p.w.seed, "plug-ins").chance(0.3)
	p.now.bios = choose(newDice(p.w.seed, "BIOS settings"), []string{"", "", "", "Enabled InTurn", "Enabled WithInstall", "Disabled InTurn"})
	p.now.tags = newDice(p.w.seed, "tags").chance(0.3)
	p.now.rings = p.now.tags || newDice(p.w.seed, "rings").chance(0.2)
	p.commit("the first fleet")
	if p.now.tags {
		p.w.startReleases()
		p.w.releases.release(p.w.git.tip(trunk))
	}
}

var _ = inventory.FromDisk
