package sim

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile"
	"github.com/gitmetal/ingot/reconcile/act"
	"github.com/gitmetal/ingot/reconcile/plan"
	"github.com/gitmetal/ingot/reconcile/plan/change"
)

// Rules about what a daemon makes of disks, silence and power. A daemon beside another one, or with the memory of
// another moment, may know less: it is judged by what it does.

// begunStays checks that a daemon takes a disk that was really written to for written to.
func (c *checks) begunStays(p *process, view reconcile.HostView) {
	record, slot := view.Observed.Record, c.w.people.now.hosts[string(view.Desired.ID)].slot
	m := c.w.rack[slot].machine
	if c.w.memoryLost || c.w.branchMoved || len(c.w.daemons) > 1 || m == nil || p.dead {
		return
	}
	d, op := m.root(), record.Operation
	if op != nil && d.holds == aPartial && d.install == op.ID && !op.HasBegun() {
		c.breaks("S3 only the disk takes begun back", "disk %s of %s holds half an install of %s, and the record says that "+
			"nothing was written", d.serial, m, op.ID)
	}
	if by := installedBy(record, c.replaced); view.Plan.Phase == plan.Active && by != "" {
		c.breaks("S3 only the disk takes begun back", "host %s is Active by install %s, which operation %s has written over",
			record.ID, record.Installed.ID, by)
	}
}

func installedBy(record inventory.Record, replaced map[string]string) string {
	if record.Installed == nil {
		return ""
	}
	return replaced[record.Installed.ID]
}

// homeDeadline is plan.Deadlines.Home as the loop sets it by default.
const homeDeadline = 30 * time.Minute

// copyStarts notes that a daemon begins with the memory of another daemon.
func (c *checks) copyStarts(from, to *daemon) {
	for start, at := range maps.Clone(c.started) {
		if start.daemon == from.name {
			c.started[hostAt{to.name, start.host}] = at
		}
	}
	for word, at := range maps.Clone(c.heard) {
		if word.daemon == from.name {
			c.heard[hostAt{to.name, word.host}] = at
		}
	}
}

// absence is a time in which a daemon could hear nobody: its process did not run.
type absence struct {
	daemon   string
	from, to time.Duration
}

// deadline is a word of the daemon that a machine was silent for too long.
type deadline struct {
	limit time.Duration
	since time.Duration // the moment from which the daemon could have heard the machine
	words string
}

// waitedFor gives the deadline that a plan rests on; false for a plan that rests on none.
func (c *checks) waitedFor(p *process, host string, view reconcile.HostView) (deadline, bool) {
	on, next := c.started[hostAt{p.d.name, host}], view.Plan.Action
	hold := view.Plan.Hold
	switch {
	case hold != nil && hold.Reason == change.NoPhoneHome && strings.Contains(hold.Message, "has been on for more than"):
		return deadline{homeDeadline, on, hold.Message}, on > 0
	case next == nil || next.Kind != act.OpenBoot || on == 0:
		return deadline{}, false
	}
	if limit, is := cutLimit(next.Reason, "the agent has said nothing for "); is {
		return deadline{limit, max(on, c.heard[hostAt{p.d.name, host}]), next.Reason}, true
	}
	for _, words := range []string{"the BMC did not read the medium within ", "the agent did not enrol within "} {
		if limit, is := cutLimit(next.Reason, words); is {
			return deadline{limit, on, next.Reason}, true
		}
	}
	return deadline{}, false
}

// cutLimit gives the duration behind some words of a text.
func cutLimit(text, words string) (time.Duration, bool) {
	_, rest, is := strings.Cut(text, words)
	limit, err := time.ParseDuration(strings.TrimRight(strings.Split(rest+" ", " ")[0], ":"))
	return limit, is && err == nil
}

// deadlineWasHeard checks S7: a machine counts as silent only after it had the time to be heard. A clock may run twice
// as fast.
func (c *checks) deadlineWasHeard(p *process, host string, view reconcile.HostView) {
	d, is := c.waitedFor(p, host, view)
	if !is || p.d.resumed > p.lookedAt { // decided before the daemon was suspended
		return
	}
	heard := c.w.now - d.since - c.unheard(p, c.w.people.now.hosts[host].slot, d.since)
	if 2*heard < d.limit-time.Minute {
		c.breaks("S7 attended time", "host %s counts as silent for %s since %s, and could be heard for %s: %s", host, d.limit, stamp(d.since), heard, d.words)
	}
}

// unheard is how much of the time from one moment until now a daemon could not hear a slot's machine.
func (c *checks) unheard(p *process, slot int, since time.Duration) (total time.Duration) {
	away := slices.Clone(c.deaf)
	away = slices.DeleteFunc(away, func(a absence) bool { return a.daemon != p.d.name })
	for _, cut := range c.w.cuts {
		if cut.who == slot {
			away = append(away, absence{from: cut.from, to: cut.to})
		}
	}
	slices.SortFunc(away, func(a, b absence) int { return cmp.Compare(a.from, b.from) })
	counted := since
	for _, a := range away {
		from, to := max(a.from, counted), min(a.to, c.w.now)
		if to > from {
			total, counted = total+to-from, to
		}
	}
	return total
}

// effectBegins checks the fence: a daemon that knows of another one changes nothing, nor does one that was suspended
// for long and has not looked at the repository since.
func (c *checks) effectBegins(p *process, kind act.Kind) {
	if another := p.loop.View().Another; another != "" {
		c.breaks("one daemon acts", "%s: %s, and it says: %s", p.d.name, kind, another)
	}
	if d := p.d; d.resumed > 0 && p.asked < d.resumed && p.started < d.resumed && d.frozen > longestBlind {
		c.breaks("one daemon acts", "%s: %s, after it was suspended for %s and before it looked at the repository",
			d.name, kind, d.frozen)
	}
}

// longestBlind is above the time in which a daemon that was not suspended looks at the repository.
const longestBlind = 20 * time.Minute
