package sim

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-git/go-git/v5/plumbing"

	"github.com/gitmetal/ingot/agent/wire"
	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile"
	"github.com/gitmetal/ingot/reconcile/cause"
	"github.com/gitmetal/ingot/reconcile/journal"
	"github.com/gitmetal/ingot/reconcile/plan"
	"github.com/gitmetal/ingot/reconcile/status"
)

// checks are the rules that no history may break. They go by what really happened: by bytes, power and commits, never
// by what a daemon believes. The first break ends the world.
type checks struct {
	w        *world
	broke    string          // the rule, with what happened; "" as long as all hold
	rule     string          // its name
	verified map[string]bool // operations whose system was written whole, and reported
	called   map[string]bool // installs whose system has called
	// calledFrom are the serials of the machines from which an install's system has called
	calledFrom map[string]map[string]bool
	spent      map[string]string // operation by consent
	begun      map[string]int    // writes begun by operation
	leaves     map[*writer]leave
	accepted   map[string]string // newest accepted commit, by daemon
	everSeen   map[string]bool   // commits that a daemon has accepted
	asked      map[string]time.Duration
	installs   int
	replaced   map[string]string        // operation that wrote over an install, by install
	started    map[hostAt]time.Duration // when a daemon powered a machine on last
	heard      map[hostAt]time.Duration // when a daemon answered a host's agent last
	deaf       []absence                // of daemons, since their beginning
	resumed    map[string]int           // how often an operator resumed a host
	passed     map[string]passed        // by operation and attempt
	inputs     map[string]string        // of a host, by everything of its file and workload but BIOS settings
	// how often a requested reboot was sent, by host, machine and value; and when the last one was, by host
	reboots   map[string]int
	rebooting map[string]time.Duration
	described map[string]bool       // operations whose plug-ins were asked
	released  map[string]releasedAs // by daemon and ring
	erased    map[string]bool       // disks that an operation erased, by operation and serial
}

// hostAt names a host of one of several daemons: each knows of its own starts, and of what it was told.
type hostAt struct{ daemon, host string }

// longestStale is how old the accepted commit of a leave may be: trust.maxStale, and the time of a look.
const longestStale = 10*time.Minute + 4*time.Minute

// leave is the word of a daemon that a write may begin.
type leave struct {
	at     time.Duration
	by     *process
	commit string
	inputs string // of the host then
	job    string
	// signatures are those on the tag of the host's release, as the daemon counts them
	signatures *inventory.Signatures
}

func newChecks(w *world) *checks {
	return &checks{w: w, reboots: map[string]int{}, rebooting: map[string]time.Duration{}, verified: map[string]bool{}, called: map[string]bool{}, calledFrom: map[string]map[string]bool{}, spent: map[string]string{},
		begun: map[string]int{}, leaves: map[*writer]leave{}, accepted: map[string]string{}, everSeen: map[string]bool{}, asked: map[string]time.Duration{}, resumed: map[string]int{}, passed: map[string]passed{}, described: map[string]bool{}, released: map[string]releasedAs{}, erased: map[string]bool{}, inputs: map[string]string{},
		replaced: map[string]string{}, started: map[hostAt]time.Duration{}, heard: map[hostAt]time.Duration{}}
}

func (c *checks) broken() bool { return c.broke != "" }

// breaks notes the first broken rule.
func (c *checks) breaks(rule, format string, args ...any) {
	if c.broke != "" {
		return
	}
	c.rule, c.broke = rule, fmt.Sprintf(format, args...)
	c.w.say("BROKEN %s: %s", rule, c.broke)
}

// leaveIsGiven notes that a daemon lets a write begin.
func (c *checks) leaveIsGiven(a *agent, p *process, job string) {
	given := p.allowed[job] // the agent hears of the leave later
	given.at, given.by, given.job, given.inputs = c.w.now, p, job, c.w.inputsOf(a.config.Host)
	c.leaves[a.writer] = given
}

// stepBegins checks that the agent of a step is of a later boot than the script before, where that one reboots, and that
// nothing goes past a hold without an operator.
func (c *checks) stepBegins(a *agent, job wire.Job) {
	op := operationOf(job.ID)
	cursor, _, _ := strings.Cut(strings.TrimPrefix(job.ID, op+"."), ".")
	attempt, reserved := fmt.Sprint(op, " ", job.Attempt), c.w.people.now.reserved
	first := "1"
	if c.w.people.now.plugins {
		if first = "2"; job.Steps[0].Script != nil && !c.described[op] && job.Steps[0].Name != "wait" {
			c.breaks("plug-ins are asked before they run", "%s begins job %s, and no plug-in was asked", a.m, job.ID)
		}
	}
	if cursor == first && job.Steps[0].Name == "check" {
		c.passed[attempt] = passed{a.config.Boot, c.resumed[a.config.Host]}
		return
	}
	before, ran := c.passed[attempt]
	switch {
	case !ran:
	case before.boot == a.config.Boot && (reserved == "reboots" || reserved == "reboot"):
		c.breaks("a boot behind a step that reboots", "%s begins job %s in the boot of the step before", a.m, job.ID)
	case reserved == "hold" && c.resumed[a.config.Host] == before.resumed:
		c.breaks("a hold ends by a person", "%s begins job %s, and nobody resumed %s", a.m, job.ID, a.config.Host)
	}
}

// passed is the beginning of a script in front of a reserved step.
type passed struct {
	boot    string
	resumed int // how often an operator had resumed the host
}

// operationOf is the operation of a job's id.
func operationOf(job string) string {
	op, _, _ := strings.Cut(job, ".")
	return op
}

// diskIsWritten checks every write of an install: S1 one writer, S2 leave and permission, S8 the declared disk, and no
// write after a verified write of the same operation.
func (c *checks) diskIsWritten(d *disk, who *writer) {
	if d.writer == who {
		return
	}
	op, m := operationOf(who.job), who.machine
	if old := d.writer; old != nil && !old.dead {
		c.breaks("S1 one writer", "two processes write to disk %s: %s of %s, and %s", d.serial, old.job, old.machine, who.job)
	}
	if c.verified[op] && !d.data {
		c.breaks("no write after a verified write", "operation %s writes disk %s again", op, d.serial)
	}
	given, there := c.leaves[who]
	if !there || given.job != who.job {
		c.breaks("S2 leave", "%s writes disk %s for %s without leave", m, d.serial, who.job)
		return
	}
	c.mayWrite(d, who, given)
	c.twoHaveSigned(d, given)
	c.isBegun(d, who, given)
	c.w.say("%s begins to write disk %s for %s: %s is gone", m, d.serial, who.job, d.label())
	d.writer = who
	c.begun[op]++
	c.w.history.operationWrites(m.agent.config.Host, op)
	if d.data {
		d.wipe()
		d.holds, d.install = aPrepared, op
		return
	}
	if d.holds == aSystem && d.install != op {
		c.replaced[d.install] = op
	}
	if d.holds != aPartial || d.install != op {
		halves := d.halves
		if d.holds == aPartial {
			halves = append(halves, d.install)
		}
		d.wipe()
		d.holds, d.install, d.halves = aPartial, op, halves
	}
}

// isHidden reports whether the newest commit is refused, and the newest commit that is not was never seen: it was followed
// while no daemon looked. The last accepted commit then stays.
func (c *checks) isHidden() bool {
	p := c.w.people
	return p.last != p.good && !c.everSeen[p.good]
}

// mayWrite checks a leave against the commit that was accepted when the leave was given, and against what was really on
// the disk.
func (c *checks) mayWrite(d *disk, who *writer, given leave) {
	op, host := operationOf(who.job), who.machine.agent.config.Host
	fleet, known := c.w.people.commits[given.commit]
	h, there := fleet.hosts[host]
	old, gone := c.w.people.superseded[given.commit]
	switch {
	case gone && given.at-old > longestStale && !c.w.people.rewritten[c.w.people.last] && !c.isHidden():
		c.breaks("S2 a fresh look", "%s: leave at %s on commit %.8s, which was superseded at %s", op, stamp(given.at),
			given.commit, stamp(old))
	case !known:
		c.breaks("S2 permission", "%s: leave on commit %q, which nobody made", op, given.commit)
	case !there:
		c.breaks("S10 orphan", "host %s is not in commit %.8s, and disk %s is written", host, given.commit, d.serial)
	case h.protect || h.lifecycle != "" && h.lifecycle != "Managed":
		c.breaks("S10 protected", "host %s is protected in commit %.8s, and disk %s is written", host, given.commit, d.serial)
	case fleet.paused:
		c.breaks("S10 paused", "the fleet is paused in commit %.8s, and disk %s is written", given.commit, d.serial)
	case h.workload == "":
		c.breaks("S2 permission", "host %s has no workload in commit %.8s", host, given.commit)
	case d.data && (h.data != d.serial || !fleet.workloads[h.workload].data):
		c.breaks("S8 the declared disk", "host %s writes to the disk %s in commit %.8s, and %s is written", host, h.data,
			given.commit, d.serial)
	case d.data && (d.holds == nothing || d.install == op):
		return
	case d.data:
		c.needsConsent(d, h, given)
	case !h.fits(d):
		c.breaks("S8 the declared disk", "host %s declares disk %s, and %s is written", host, h.rootDisk(), d.serial)
	case who.machine.countFitting(h) > 1:
		c.breaks("S8 the declared disk", "host %s declares disk %s, which %d disks are, and %s is written", host,
			h.rootDisk(), who.machine.countFitting(h), d.serial)
	case h.serial != who.machine.serial:
		c.breaks("S8 the declared machine", "host %s declares %s, and %s is written", host, h.serial, who.machine)
	case d.holds == nothing || d.holds == aPartial && d.install == op:
		return
	default:
		c.needsConsent(d, h, given)
	}
}

// isBegun checks that the journal knew of the write before the yes, and the budget of writes at a time.
func (c *checks) isBegun(d *disk, who *writer, given leave) {
	host := inventory.MachineID(who.machine.agent.config.Host)
	record := journal.ReadRecord(host, given.by.d.dir.records[host].bytes)
	by := given.by
	same := by.journal.dir() == by.d.dir && by.journal.fence == by.d.dir.fence // the directory was not put back since
	isOf := func(known inventory.OperationDisk) bool { return known.Begun != 0 && known.Disk.Serial == d.serial }
	if op := record.Operation; same && (op == nil || op.ID != operationOf(who.job) || !slices.ContainsFunc(op.Disks, isOf)) {
		c.breaks("begun before the yes", "%s writes for %s, and the journal does not say so", who.machine, who.job)
	}
	writing := 0
	for _, m := range c.w.machines {
		if m != who.machine && m.agent != nil && m.root().writer == m.agent.writer && !m.agent.writer.dead {
			writing++
		}
	}
	if writing >= c.w.places() && len(c.w.daemons) == 1 {
		c.breaks("S6 the budget", "%d machines are written at a time, and %s besides: the fleet allows %d", writing, who.machine,
			c.w.places())
	}
}

// callIsTaken checks S12: the daemon believes no agent of a boot before the one that it expects.
func (c *checks) callIsTaken(a *agent, p *process, path string) {
	if expected := p.expected[a.config.Host]; a.config.Epoch < expected {
		c.breaks("S12 the newest boot", "%s is believed at %s by the agent of epoch %d, and epoch %d is expected", a.m, path,
			a.config.Epoch, expected)
	}
}

// needsConsent checks that a consent names what was really on the disk, and covered no other operation.
func (c *checks) needsConsent(d *disk, h hostSpec, by leave) {
	op, inputs := operationOf(by.job), by.inputs
	labels := []string{"content:" + d.content().Signature}
	switch d.holds {
	case aPrepared:
		labels = append(labels, "unmarked:"+d.install)
	case aSystem, aPartial:
		labels = append(labels, "install:"+d.install, "unmarked:"+d.install, "failed:"+d.install)
	}
	forgotten := d.holds == aPartial && c.w.memoryLost && c.w.branchMoved
	if forgotten { // what a half install left tells no installs apart, and nothing but that is lost
		for _, half := range d.halves {
			labels = append(labels, "failed:"+half)
		}
	}
	erase := h.erase
	if d.data {
		erase = h.eraseData
	}
	given := func(label string) bool {
		return erase == inventory.EraseConsent(inventory.MachineID(h.id), inventory.DiskID{Serial: d.serial}, label, inputs)
	}
	if !slices.ContainsFunc(labels, given) {
		c.breaks("S2 consent", "host %s: the consent %q is not for %s, which is erased", h.id, erase, d.label())
		return
	}
	if other := c.spent[erase]; other != "" && other != op && !forgotten {
		c.breaks("a consent covers one operation", "consent %s of %s covered operation %s, and now %s", erase, h.id, other, op)
	}
	c.spent[erase] = op
}

// writerEnds is the end of a process that may have written.
func (c *checks) writerEnds(who *writer) {
	delete(c.leaves, who)
}

// diskIsComplete is a whole install.
func (c *checks) diskIsComplete(d *disk, who *writer) {
	c.installs++
	d.install = operationOf(who.job)
}

// resultIsTaken is the end of a job that the daemon has acknowledged.
func (c *checks) resultIsTaken(who *writer, job string) {
	c.verified[operationOf(job)] = true
	for _, d := range who.machine.disks {
		if d.writer == who {
			d.writer = nil
		}
	}
}

// bytesAreBootable checks S11: a disk whose install did not end starts nothing.
func (c *checks) bytesAreBootable(m *machine) {
	if d := m.root(); d.holds == aPartial && d.pages[0] != nil && !isZero(d.pages[0]) {
		c.breaks("S11 first MiB last", "disk %s of %s would start half an install of %s", d.serial, m, d.install)
	}
}

func (c *checks) machineServes(*machine) {}

func (c *checks) systemCalled(m *machine, s system) {
	c.called[s.install], m.called = true, m.boots
	if c.calledFrom[s.install] == nil {
		c.calledFrom[s.install] = map[string]bool{}
	}
	c.calledFrom[s.install][m.serial] = true
}

// hostOf is the host of a slot as a process has it from its accepted commit.
func (c *checks) hostOf(p *process, s *slot) (hostSpec, bool) {
	commit, _ := p.loop.AcceptedCommit()
	for _, h := range c.w.people.commits[commit].hosts {
		if h.slot == s.index {
			return h, true
		}
	}
	return hostSpec{}, false
}

// machineIsReset checks S10, and that a machine in service is disturbed for a reason.
func (c *checks) machineIsReset(p *process, m *machine, kind string) {
	h, there := c.hostOf(p, m.slot)
	if kind == "On" {
		c.started[hostAt{p.d.name, h.id}] = c.w.now
	}
	switch {
	case !there:
		c.breaks("S10 orphan", "%s: %s, and no host of the accepted commit is there", m, kind)
		return
	case h.protect || h.lifecycle != "" && h.lifecycle != "Managed":
		c.breaks("S10 protected", "%s: %s, and host %s is protected", m, kind, h.id)
		return
	case h.serial != m.serial && c.w.now-m.moved > 2*time.Minute && !c.w.people.takeovers[h.id+m.serial] &&
		!c.w.met(bmcOmitsSerial, m.slot.index):
		c.breaks("S8 the declared machine", "%s: %s for host %s, which is %s", m, kind, h.id, h.serial)
	}
	view, _ := p.loop.ViewHost(inventory.MachineID(h.id))
	record := view.Observed.Record
	op, boot := record.Operation, record.Boot
	keptOff := h.offBy != ""
	switch {
	case keptOff && kind == "On" && (op == nil || !op.HasBegun()):
		c.breaks("kept off", "%s: %s, and host %s is kept off by %s", m, kind, h.id, h.offBy)
	case kind == "On" || m.runs != serving && m.runs != booting:
		return
	}
	takenOver := c.w.people.takeovers[h.id+m.serial]
	sent, asked := c.rebooting[h.id] // a moment ago: the BMC took its time
	requested := asked && c.w.now-sent < 2*time.Minute && (kind == "GracefulShutdown" || kind == "ForceRestart")
	delete(c.rebooting, h.id)
	forgotten := c.w.memoryLost && c.w.branchMoved // nobody can remember a call
	ours := boot != nil && boot.Target == inventory.FromRamdisk && (m.called != m.boots || forgotten)
	if ours && (kind == "GracefulShutdown" || m.starter == p.d.name) {
		return // our boot into the ramdisk: nobody said that a system runs. What a person started is asked, not cut
	}
	switch {
	case op != nil && !c.isPublished(h.id, op.ID):
		c.breaks("published before arming", "%s: %s for operation %s, which is not on the status branch", m, kind, op.ID)
	case record.Settings.IsMaintained() && kind == "GracefulShutdown":
	case op != nil, h.power == "Off", keptOff, takenOver, requested, c.asked[h.id] > 0:
	case boot != nil && boot.Target == inventory.FromRamdisk && kind == "GracefulShutdown" && h.erase+h.eraseData != "": // a look before the erase
	case boot != nil && boot.Request != nil && kind == "GracefulShutdown" && h.inspect != "": // a look that the file asks for
	default:
		c.breaks("a machine in service", "%s is %s: %s without operation, power state or takeover", m, m.runs, kind)
	}
	byName := h.power == "Off" || keptOff || requested || record.Settings.IsMaintained() // the fleet asks for it of a machine that it takes for its own
	if m.root().holds == aForeign && !takenOver && op == nil && !byName {
		c.breaks("a machine found running", "%s runs %s: %s without takeover", m, m.root().label(), kind)
	}
}

// machineIsArmed checks that an operation is on the status branch before the machine gets its medium.
func (c *checks) machineIsArmed(p *process, m *machine, what string) {
	if m == nil {
		return
	}
	h, there := c.hostOf(p, m.slot)
	if !there || h.protect {
		c.breaks("S10 orphan", "%s: %s, and the accepted commit forbids it", m, what)
		return
	}
	view, _ := p.loop.ViewHost(inventory.MachineID(h.id))
	if op := view.Observed.Record.Operation; op != nil && !c.isPublished(h.id, op.ID) {
		c.breaks("published before arming", "%s: %s for operation %s, which is not on the status branch", m, what, op.ID)
	}
}

// driveIsChanged checks that a machine that is left alone loses our medium and override at most, while it is off, and that
// a machine of no host loses nothing.
func (c *checks) driveIsChanged(p *process, s *slot, what string) {
	h, there := c.hostOf(p, s)
	m := s.machine
	if !there {
		c.breaks("S10 orphan", "slot %d: %s, and no host of the accepted commit is there", s.index, what)
		return
	}
	if !h.protect && (h.lifecycle == "" || h.lifecycle == "Managed") {
		return
	}
	view, _ := p.loop.ViewHost(inventory.MachineID(h.id))
	op := view.Observed.Record.Operation
	lies := c.w.met(saysOff, s.index) || c.w.met(powerStale, s.index) || c.w.now-s.changed < 2*time.Minute
	switch {
	case what != "eject" && what != "boot override None":
		c.breaks("S10 protected", "slot %d: %s, and host %s is protected", s.index, what, h.id)
	case m != nil && m.isOn() && !lies:
		c.breaks("S10 protected", "slot %d: %s while %s is on, and host %s is protected", s.index, what, m, h.id)
	case op != nil && op.HasBegun():
		c.breaks("S10 protected", "slot %d: %s, host %s is protected, and its write has begun", s.index, what, h.id)
	default:
		c.w.reach("hands off: our medium goes")
	}
}

// isPublished reports whether the status branch has shown an operation.
func (c *checks) isPublished(host, operation string) bool {
	if c.w.branchMoved { // what was shown may be gone
		return true
	}
	return bytes.Contains(c.w.git.file(statusBranch, status.Path(inventory.MachineID(host))), []byte(operation))
}

// turnEnds checks what a daemon says after it did something.
func (c *checks) turnEnds(p *process) {
	c.commitDescends(p)
	c.releaseIsGood(p)
	id := p.looked
	p.looked = ""
	view, known := p.loop.ViewHost(id)
	if id == "" || !known {
		return
	}
	c.begunStays(p, view)
	c.settingsAreNoInputs(string(id), view.Desired)
	c.receiptsAreTrue(view.Observed.Record)
	c.deadlineWasHeard(p, string(id), view)
	c.causeIsKnown(p, view)
	waits := view.Plan.Waits != "" || view.Plan.Hold != nil || view.Plan.Action != nil || view.Outcome.Why != ""
	switch phase := view.Plan.Phase; phase {
	case plan.Active:
		c.isActive(view.Observed.Record, view.Desired)
		c.systemIsHere(view)
	default:
		if !waits {
			c.breaks("L2 a reason", "host %s is %s without a reason", id, phase)
		}
	}
}

// causeIsKnown checks that `ingot why` has a cause for what the look found, and counts the cause.
func (c *checks) causeIsKnown(p *process, view reconcile.HostView) {
	fleet := p.loop.ViewFleet()
	found := cause.Find(cause.Case{Desired: &view.Desired, Observed: &view.Observed, Plan: &view.Plan, Action: view.Action, Outcome: view.Outcome,
		Looked: view.Looked, Fleet: &cause.Fleet{Commit: fleet.Commit, Another: fleet.Another, Source: fleet.Source, Refused: fleet.Refused, Publish: fleet.Publish}})
	switch c.w.causes[found.Cause]++; found.Cause {
	case "Unknown", "OtherHold", "OtherWait", "OtherTurn":
		c.breaks("L2 a reason that is known", "host %s is %s because of %s: %s", view.ID, view.Plan.Phase, found.Cause, found.Why)
	}
}

// receiptsAreTrue checks that a receipt of an erase is of a disk that was erased to its end.
func (c *checks) receiptsAreTrue(record inventory.Record) {
	for _, op := range []*inventory.Operation{record.Operation, record.Last} {
		if op == nil {
			continue
		}
		for _, step := range op.Steps {
			for _, receipt := range step.Erased {
				if !c.erased[op.ID+" "+receipt.Serial] {
					c.breaks("a receipt is true", "host %s has a receipt of disk %s by operation %s, which did not erase it", record.ID,
						receipt.Serial, op.ID)
				}
			}
		}
	}
}

// isActive checks that a host is Active only by an install that called after it was written.
func (c *checks) isActive(record inventory.Record, desired inventory.Desired) {
	if record.Installed == nil || desired.Workload == nil || desired.Workload.PhoneHome == "Disabled" {
		return
	}
	if !c.called[record.Installed.ID] && !record.Installed.PhoneHome.IsZero() {
		c.breaks("Active after a call", "host %s is Active by install %s, which never called", record.ID, record.Installed.ID)
	}
}

// commitDescends checks S9: the accepted commit only advances along the history.
func (c *checks) commitDescends(p *process) {
	now, _ := p.loop.AcceptedCommit()
	before := c.accepted[p.d.name]
	if c.w.memoryLost && c.w.branchMoved {
		before = "" // nobody can remember
	}
	if now == "" || now == before {
		return
	}
	c.accepted[p.d.name], c.everSeen[now] = now, true
	if before != "" && !c.w.people.repinned && !c.w.git.contains(plumbing.NewHash(now), plumbing.NewHash(before)) {
		c.breaks("S9 the commit descends", "%s accepts %.8s after %.8s, which is not in its history", p.d.name, now, before)
	}
}
