package sim

import (
	"fmt"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
)

// Acts at the state of daemons and the status branch: copies of another moment are put back, and two daemons run.

// snapshot is a copy of a state directory and of the status branch at one moment.
type snapshot struct {
	at     time.Duration
	dir    *stateDir
	branch plumbing.Hash
}

// takeSnapshot is what a backup does, once an hour.
func (w *world) takeSnapshot() {
	if len(w.daemons) > 0 {
		w.snapshots = append(w.snapshots, snapshot{w.now, w.daemons[0].dir.copyDir(), w.git.tip(statusBranch)})
	}
	if !w.healing {
		w.after(37*time.Minute, w.takeSnapshot)
	}
}

// earlier is a snapshot of some earlier moment; false before the first.
func (w *world) earlier(d deed) (snapshot, bool) {
	if len(w.snapshots) == 0 {
		return snapshot{}, false
	}
	return w.snapshots[int(d.size*float64(len(w.snapshots)))], true
}

// stop ends the process of a daemon for a change of its directory, and starts it a little later.
func (d *daemon) stop(pause time.Duration) {
	d.away = max(d.away, d.w.now+pause)
	if d.proc != nil {
		d.proc.die()
	}
}

func losesState(w *world, d deed) bool {
	each := w.daemons[0]
	each.stop(time.Duration(d.size * float64(5*time.Minute)))
	each.dir = newStateDir()
	w.say("the state directory of %s is removed", each.name)
	w.noteMemoryLoss()
	return true
}

func restoresState(w *world, d deed) bool {
	was, there := w.earlier(d)
	if !there {
		return false
	}
	each := w.daemons[0]
	each.stop(time.Duration(d.size * float64(5*time.Minute)))
	each.dir = was.dir.copyDir()
	w.say("the state directory of %s is put back to %s", each.name, stamp(was.at))
	w.noteMemoryLoss()
	return true
}

func restoresBranch(w *world, d deed) bool {
	was, there := w.earlier(d)
	if !there || was.branch.IsZero() {
		return false
	}
	w.git.move(statusBranch, was.branch)
	w.say("the status branch is put back to %s", stamp(was.at))
	w.branchMoved = true
	return true
}

func deletesBranch(w *world, _ deed) bool {
	if w.git.tip(statusBranch).IsZero() {
		return false
	}
	w.git.move(statusBranch, plumbing.ZeroHash)
	w.say("the status branch is deleted")
	w.branchMoved = true
	return true
}

func restoresBoth(w *world, d deed) bool {
	return restoresState(w, d) && restoresBranch(w, d)
}

// noteMemoryLoss lets rules that go by what a daemon must remember begin anew.
func (w *world) noteMemoryLoss() { w.memoryLost = true }

// startsSecond starts another daemon with the same identity on a copy of the first's directory, for a while.
func startsSecond(w *world, d deed) bool {
	if len(w.daemons) > 1 {
		return false
	}
	second := newDaemon(w, 1)
	if d.size > 0.3 {
		second.dir = w.daemons[0].dir.copyDir()
		w.checks.copyStarts(w.daemons[0], second)
	}
	w.daemons = append(w.daemons, second)
	w.say("%s is started beside daemon a", second.name)
	second.start()
	w.after(time.Duration(d.size*float64(3*time.Hour))+time.Minute, func() { w.stopSecond() })
	return true
}

func (w *world) stopSecond() {
	if len(w.daemons) < 2 || w.daemons[1].retired {
		return
	}
	second := w.daemons[1]
	second.retired = true
	if second.proc != nil {
		second.proc.die()
	}
	w.say("%s is stopped for ever", second.name)
	w.restartFirst()
}

// restartFirst is what the hold of two daemons asks for: the one that stays is started again, and takes the fleet.
func (w *world) restartFirst() {
	first := w.daemons[0]
	if first.proc != nil {
		first.proc.die()
	}
	first.resumeAgain()
	first.takesFleet = true
}

// suspends freezes the virtual machine of the daemon with its memory. A successor starts from a copy of the disk of that
// moment; later the frozen one resumes, with its own old disk, beside the successor.
func suspends(w *world, d deed) bool {
	first := w.daemons[0]
	if len(w.daemons) > 1 || first.proc == nil || first.suspended {
		return false
	}
	first.suspend()
	second := newDaemon(w, 1)
	second.dir = first.dir.copyDir()
	w.checks.copyStarts(first, second)
	w.daemons = append(w.daemons, second)
	w.say("%s is suspended, %s starts from its disk", first.name, second.name)
	second.start()
	w.after(time.Duration(d.size*float64(4*time.Hour))+time.Minute, func() {
		if !first.suspended {
			return
		}
		first.resumeAgain()
		w.say("%s resumes with its memory", first.name)
		if first.proc != nil {
			first.proc.due = nil
			first.proc.wake(0)
		}
		w.after(time.Hour, w.stopSecond)
	})
	return true
}

// pausesProcess stops the process for longer than a lease, as SIGSTOP does.
func pausesProcess(w *world, d deed) bool {
	first := w.daemons[0]
	if first.proc == nil || first.suspended || len(w.daemons) > 1 {
		return false
	}
	first.suspend()
	w.say("%s is stopped by a signal", first.name)
	w.after(time.Duration(d.size*float64(2*time.Hour)), func() {
		first.resumeAgain()
		if first.proc != nil {
			first.proc.due = nil
			first.proc.wake(0)
		}
	})
	return true
}

// whileLooking has something happen to the first daemon in the middle of its next look, with what it saw in memory.
func whileLooking(do happening) happening {
	return func(w *world, d deed) bool {
		w.daemons[0].ambush = &ambush{d, do}
		return false // it counts when it happens
	}
}

// afterWrite has something happen to the first daemon after the journal took one of its next records: an effect is written
// down, and not done yet.
func afterWrite(do happening) happening {
	return func(w *world, d deed) bool {
		w.daemons[0].writes, w.daemons[0].onWrite = 1+int(d.size*4), &ambush{d, do}
		return false // it counts when it happens
	}
}

// meetLook has happen what waits for a look of the process.
func (p *process) meetLook() {
	waits := p.d.ambush
	p.d.ambush = nil
	p.meet(waits)
}

// meetWrite has happen what waits for a write of the process.
func (p *process) meetWrite() {
	d := p.d
	if d.onWrite == nil {
		return
	}
	if d.writes--; d.writes == 0 {
		waits := d.onWrite
		d.onWrite = nil
		p.meet(waits)
	}
}

// meet has an ambush happen to the process, and waits as long as its machine is suspended.
func (p *process) meet(waits *ambush) {
	w := p.w()
	if waits == nil || w.healing {
		return
	}
	w.step()
	if waits.do(w, waits.deed) {
		w.reach(waits.deed.kind)
	}
	p.pass(0)
}

// swapsBlades exchanges two blades: behind each BMC address is another machine.
func swapsBlades(w *world, d deed) bool {
	a, b := w.machineOf(d), w.machines[(d.who+1)%len(w.machines)]
	if w.swapped || a == b || a.slot == nil || b.slot == nil || a.runs == inRamdisk || b.runs == inRamdisk {
		return false
	}
	w.swapped = true
	a.cut("a person")
	b.cut("a person")
	a.slot, b.slot = b.slot, a.slot
	a.slot.machine, b.slot.machine = a, b
	a.moved, b.moved = w.now, w.now
	w.say("a person swaps %s and %s", a, b)
	w.after(time.Duration(d.size*float64(6*time.Hour)), func() { // and back
		a.cut("a person")
		b.cut("a person")
		a.slot, b.slot = b.slot, a.slot
		a.slot.machine, b.slot.machine = a, b
		a.moved, b.moved = w.now, w.now
		w.swapped = false
		w.say("a person swaps %s and %s back", a, b)
		w.step()
	})
	return true
}

// swapsDisk puts a new disk with the serial of another into a machine, and changes the fleet to it.
func swapsDisk(w *world, d deed) bool {
	m := w.machineOf(d)
	if m.runs == inRamdisk || w.swapped {
		return false
	}
	m.cut("a person")
	fresh := newDisk(fmt.Sprintf("N%02d-%d", m.index, int(d.size*1000)))
	m.disks[0] = fresh
	w.say("a person puts disk %s into %s", fresh.serial, m)
	w.people.changeOf(m.declared, "another disk", func(h *hostSpec) { h.disk, h.hint = fresh.serial, "" })
	return true
}

// addsDisk plugs a second disk in.
func addsDisk(w *world, d deed) bool {
	m := w.machineOf(d)
	if len(m.disks) > 1 || m.runs == inRamdisk {
		return false
	}
	m.addDisk(newDice(w.seed, fmt.Sprint("disk ", d.at, m.index)))
	w.say("a person plugs disk %s into %s", m.disks[1].serial, m)
	return true
}

func (m *machine) addDisk(d *dice) {
	m.disks = append(m.disks, m.w.newSecondDisk(fmt.Sprintf("X%02d", m.index), d))
	m.secondFirst = d.chance(0.5)
}

// unreadable lets a disk fail every look for a while.
func unreadable(w *world, d deed) bool {
	disk := w.machineOf(d).root()
	disk.blanked = true
	w.after(time.Duration(d.size*float64(time.Hour)), func() { disk.blanked = false })
	return true
}

// usesDisk writes files on a serving machine.
func usesDisk(w *world, d deed) bool {
	m := w.machineOf(d)
	if m.runs != serving {
		return false
	}
	m.root().used++
	return true
}

// usesKeyTwice has somebody else read the boot medium, and enrol first.
func usesKeyTwice(w *world, d deed) bool {
	m := w.machineOf(d)
	if m.agent == nil || m.agent.leaf == nil {
		return false
	}
	a := *m.agent
	a.key = keyOf(m.index*1000 + m.boots + 77)
	return !a.enrol()
}
