package sim

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile"
	"github.com/gitmetal/ingot/reconcile/admit"
	"github.com/gitmetal/ingot/reconcile/plan"
	"github.com/gitmetal/ingot/reconcile/plan/change"
)

// view is how a process shows a host; false when nobody shows it.
func (p *people) view(id string) (reconcile.HostView, bool) {
	for _, d := range p.w.daemons {
		if d.proc != nil && d.proc.loop != nil {
			return d.proc.loop.ViewHost(inventory.MachineID(id))
		}
	}
	return reconcile.HostView{}, false
}

// consentTo writes the consent that a host is held for, as `ingot consent` does.
func (p *people) consentTo(id string) bool {
	view, known := p.view(id)
	if !known || view.Plan.Hold == nil {
		return false
	}
	hold := view.Plan.Hold
	switch {
	case hold.Reason == change.OnHold:
		return p.resume(id)
	case len(hold.Consents) == 0 && hold.Unsigned != "":
		return p.w.releases.countersign(countersigner)
	case len(hold.Consents) > 0:
		p.change(id, "consent to an erase", func(h *hostSpec) { h.consentTo(hold.Consents) })
		return true
	case hold.Takeover != "":
		m := p.w.rack[p.now.hosts[id].slot].machine
		if m == nil {
			return false
		}
		p.takeovers[id+m.serial] = true
		p.change(id, "take the machine over", func(h *hostSpec) { h.takeover = hold.Takeover })
		return true
	}
	return false
}

// attend is a person who looks at the holds now and then, and consents.
func (p *people) attend() {
	p.w.step()
	if ids := p.now.ids(); len(ids) > 0 {
		for range 3 {
			if p.consentTo(choose(p.dice, ids)) {
				break
			}
		}
	}
	if !p.w.healing {
		p.w.after(p.dice.between(5*time.Minute, 40*time.Minute), p.attend)
	}
}

// resume is `ingot resume`, at the daemon that runs.
func (p *people) resume(id string) bool {
	for _, d := range p.w.daemons {
		if d.proc == nil || d.proc.loop == nil || d.proc.loop.RetryHost(inventory.MachineID(id)) != nil {
			continue
		}
		p.w.say("an operator resumes %s", id)
		p.w.checks.resumed[id]++
		d.proc.wake(0)
		return true
	}
	return false
}

// retry is `ingot retry`.
func (p *people) retry(at *process, id string) bool {
	if err := at.loop.RetryHost(inventory.MachineID(id)); err != nil {
		return false
	}
	p.w.say("an operator retries %s", id)
	p.w.checks.asked[id] = p.w.now
	p.w.checks.resumed[id]++ // a step on hold, too
	at.wake(0)
	return true
}

// forget is `ingot forget`.
func (p *people) forget(at *process, id string) bool {
	at.busy = true
	err := at.loop.ForgetHost(context.Background(), inventory.MachineID(id))
	at.busy = false
	at.wake(0)
	if err != nil {
		return false
	}
	p.w.say("an operator forgets %s", id)
	return true
}

// help follows the ways out that the holds of all hosts name, one at a time for each host.
func (p *people) help() {
	p.now.broken, p.now.paused = false, false
	for _, id := range p.now.ids() {
		h := p.now.hosts[id]
		h.protect, h.power, h.lifecycle, h.offBy = false, "On", "", ""
		p.now.hosts[id] = h
	}
	p.commit("everything is asked for again")
	if r := p.w.releases; r != nil {
		r.heal()
	}
	at := p.w.operator()
	if at == nil {
		return
	}
	if another := at.loop.View().Another; another != "" {
		p.takeFleet(at, another)
		return
	}
	p.repin(at)
	p.retryRuns(at)
	for _, id := range p.now.ids() {
		view, known := p.view(id)
		if known && view.Plan.Hold != nil {
			p.follow(at, id, *view.Plan.Hold)
			continue
		}
		switch {
		case !known:
		case p.mayHaveLostSystem() && view.Plan.Phase == plan.Active && p.w.whyNotWell(id) != "":
			p.forgetMoved(at, id)
		case view.Plan.Turn == string(admit.WorkloadFailed): // its workload failed too often
			p.newInputs(p.now.hosts[id].workload)
		case view.Plan.Phase == plan.Failed: // a failed host pauses its ring
			p.retry(at, id)
		}
	}
}

// mayHaveLostSystem reports whether a host may count as Active by a system that is not on its disk any more: the disk went
// away with it, or the disk was erased, and journal and branch are both of before.
func (p *people) mayHaveLostSystem() bool {
	return p.w.disksMoved || p.w.memoryLost && p.w.branchMoved
}

// takeFleet is `ingot serve --take-fleet`: a daemon that found another one is told that it runs the fleet.
func (p *people) takeFleet(at *process, another string) {
	p.w.say("a person starts %s again, to take the fleet: %s", at.d.name, another)
	at.d.takesFleet = true
	at.die()
}

// repin accepts a rewritten history, as its message says.
func (p *people) repin(at *process) {
	tip := p.w.git.tip(trunk).String()
	commit, _ := at.loop.AcceptedCommit()
	if len(p.rewritten) == 0 || commit == tip || p.w.now < p.repinAfter {
		return
	}
	p.repinAfter = p.w.now + time.Hour
	at.busy = true
	err := at.repo.RepinTrunk(context.Background(), tip)
	at.busy = false
	p.repinned = p.repinned || err == nil
	at.loop.RefreshSource()
	at.wake(0)
	p.w.say("an operator re-pins the trunk to %.8s: %v", tip, err)
}

// newInputs commits another version of a workload.
func (p *people) newInputs(name string) {
	load := p.now.workloads[name]
	load.version++
	p.now.workloads[name] = load
	p.commit(fmt.Sprintf("%s: version %d", name, load.version))
	if r := p.w.releases; r != nil {
		r.release(p.w.git.tip(trunk))
	}
}

// knownAs finds the other id in the message of a hold.
var knownAs = regexp.MustCompile(`is known as ([a-z0-9]+):`)

// forgetID finds the id of a host to forget in the message of a hold.
var forgetID = regexp.MustCompile("`ingot forget id:([a-z0-9]+)`")

// follow does what a hold says.
func (p *people) follow(at *process, id string, hold change.Hold) {
	m := p.w.rack[p.now.hosts[id].slot].machine
	switch hold.Reason {
	case change.NoPhoneHome:
		if strings.Contains(hold.Message, "another machine") { // the disk is where the fleet says, or goes back there
			p.forgetMoved(at, id)
			return
		}
		if m != nil && m.root().holds == aForeign { // the console shows somebody else's system: new inputs end the wait
			p.newInputs(p.now.hosts[id].workload)
			return
		}
		p.retry(at, id)
	case change.BootFailed, change.InstallFailed, change.SettingsFailed:
		p.retry(at, id)
	case change.Recalled:
		if m != nil {
			m.cut("a person, as the hold says")
		}
		p.change(id, "no takeover any more", func(h *hostSpec) { h.takeover = "" })
		p.forget(at, id)
	case change.NoDisk, change.SeveralDisks:
		p.change(id, "name the disk by its serial", func(h *hostSpec) { h.hint = "" })
		p.lookAtDisks(at, id)
	case change.MemoryOld:
		p.forget(at, id)
	case change.DiskUnreadable: // what is known of the disks may be old
		p.lookAtDisks(at, id)
	case change.DiskChanged:
		if p.looked[id] { // another disk it is, for good: the file names it in other words
			p.change(id, "the disk was replaced", func(h *hostSpec) { h.hint = map[string]string{"": "model"}[h.hint] })
		}
		p.lookAtDisks(at, id)
	case change.KnownAs: // one of the two ids has seen a machine that was swapped; the message does not say so
		if other := knownAs.FindStringSubmatch(hold.Message); other != nil && p.now.hosts[other[1]].id == "" {
			p.forget(at, other[1])
		}
		p.forget(at, id)
	case change.DiskShared:
		p.lookAgain(at, id, hold.Message)
	case change.ConsentSpent:
		if strings.Contains(hold.Message, "cannot be given again") {
			p.newInputs(p.now.hosts[id].workload)
			return
		}
		p.consentTo(id)
	case change.TokenAlarm:
		p.newInputs("other") // any later commit
	default:
		p.consentTo(id)
	}
}

var sharedDisk = regexp.MustCompile(`^disk (\S+) is seen`)

// lookAgain has the machine inspected that does not have a disk which two hosts are known to see. A host whose file is gone
// is forgotten.
func (p *people) lookAgain(at *process, id, message string) {
	other, shared := forgetID.FindStringSubmatch(message), sharedDisk.FindStringSubmatch(message)
	switch {
	case other == nil || shared == nil:
		return
	case p.now.hosts[other[1]].id == "":
		p.forget(at, other[1])
		return
	}
	for _, each := range []string{id, other[1]} {
		if m := p.w.rack[p.now.hosts[each].slot].machine; m != nil && m.diskOf(shared[1]) < 0 {
			p.inspect(each)
		}
	}
}

// lookAtDisks has the disks of a host looked at again. A machine that somebody else started is switched off for it.
func (p *people) lookAtDisks(at *process, id string) {
	p.looked[id] = p.retry(at, id)
	view, _ := p.view(id)
	m := p.w.rack[p.now.hosts[id].slot].machine
	if waits := strings.Join(view.Plan.Requests, " "); m != nil && strings.Contains(waits, "ingot did not start it") {
		m.cut("a person, to have it looked at")
	}
}

// inspect asks for another look at a host.
func (p *people) inspect(id string) {
	p.change(id, "inspect it again", func(h *hostSpec) { h.inspect = fmt.Sprint("again-", int(p.w.now.Minutes())) })
}

// forgetMoved forgets a host whose system runs on another machine, once no disk is under way any more.
func (p *people) forgetMoved(at *process, id string) {
	if !p.w.swapped {
		p.change(id, "no takeover any more", func(h *hostSpec) { h.takeover = "" })
		p.forget(at, id)
	}
}
