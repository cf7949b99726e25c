package plan

import (
	"fmt"
	"strings"
	"time"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/plan/change"
	"github.com/gitmetal/ingot/schemas"
)

// Deadlines. They are generous: a machine may be emulated in software on a busy host, and a server's memory test takes minutes.
const (
	readsDeadline    = 5 * time.Minute  // from power on to the first read of the medium
	enrolDeadline    = 20 * time.Minute // from power on to the agent
	silenceDeadline  = 5 * time.Minute  // without a word from an agent
	powerOffDeadline = 90 * time.Second // for the agent to power its machine off
	gracefulDeadline = 2 * time.Minute  // for an installed system to shut down
	homeDeadline     = 30 * time.Minute // from power on to the phone call
	idleDeadline     = 15 * time.Minute // how long a held machine stays in the ramdisk
	takeDeadline     = 10 * time.Minute // for an agent to take its job up
	settle           = 20 * time.Second // after power on, before Off means that it went off again
	maxBoots         = 3                // in a row that get nowhere
	maxAttempts      = 3                // of one operation
)

// host is one decision in the making.
type host struct {
	d      inventory.Desired
	o      inventory.Observed
	rec    inventory.Record
	now    time.Time
	change change.Change
}

// Next decides what happens to a host next. The first question that has an answer decides:
//
//	question                                   answer
//	is it ours to touch?                       hands off, or on
//	is it known what its agent said?           wait: not knowing is not silence
//	is it from the status branch alone?        the machine's word, or hold (recalled.go)
//	is an operation under way?                 carry it on (operation.go)
//	is there something to install?             hold, look, or open an operation
//	is its power as asked?                     power it on from its disk, or off
//	nothing is asked of it                     Active, or Unmanaged
//
// Same values, same plan. A plan has at most one action; the next look decides about the next.
func Next(d inventory.Desired, o inventory.Observed, now time.Time) Plan {
	h := host{d: d, o: o, rec: o.Record, now: now, change: change.Decide(d, o.Standing, o.Record)}
	if op := o.Record.Operation; op != nil && op.Unwritten() && op.Replaces != nil { // an attempt that was noted, and not handed out: the disk has it still
		h.rec.Installed = op.Replaces
	}
	p := h.decide()
	p.Host, p.Change = d.ID, h.change
	return p
}

func (h host) decide() Plan {
	switch {
	case h.change.Verdict == change.HandsOff:
		return h.handsOff()
	case h.o.Agent.Unknown != "" && (h.rec.Operation != nil || h.rec.Boot != nil && h.rec.Boot.Target == inventory.FromRamdisk):
		return Plan{Phase: Waiting, Waits: h.o.Agent.Unknown, Again: 5 * time.Second}
	}
	if p, answered := h.recalled(); answered {
		return p
	}
	switch {
	case h.rec.Operation != nil:
		return h.operation()
	case h.change.Verdict == change.Install || h.change.Verdict == change.Reinstall:
		return h.begin()
	case h.change.Verdict == change.Nothing:
		return h.power()
	default:
		panic("plan: unknown verdict " + string(h.change.Verdict))
	}
}

// handsOff does nothing to a machine. A job that has not begun to write is taken back.
func (h host) handsOff() Plan {
	phase := Unmanaged
	switch {
	case h.rec.Unreadable != "":
		phase = Held
	case h.d.Lifecycle == "":
		phase = Orphaned
	case h.d.Protect:
		phase = Protected
	case h.change.Hold != nil:
		phase = Held
	}
	why := strings.Join(h.change.Why, "; ")
	p := Plan{Phase: phase, Hold: h.change.Hold, Waits: why + ": nothing is done to the machine"}
	if op := h.rec.Operation; op != nil && op.Stage == inventory.Working {
		switch job := h.job(*op); {
		case job.State == inventory.JobRunning && job.Begun:
			p.Waits = why + ": the write that has begun ends or fails, then nothing is done to the machine"
		case job.State == inventory.JobAssigned, job.State == inventory.JobRunning:
			p.Action = h.withdraw(*op, why).Action
		}
	}
	return p
}

// begin takes a host that shall be installed to an operation: everything that can be known before a machine is touched comes first.
func (h host) begin() Plan {
	if h.change.Hold != nil {
		return h.held(*h.change.Hold)
	}
	for _, question := range []func() (Plan, bool){h.reach, h.identity, h.alarm, h.image, h.config, h.takeover} {
		if p, answered := question(); answered {
			return p
		}
	}
	if p, answered := h.tried(); answered {
		return p
	}
	if h.change.Content == inventory.ContentUnseen {
		return h.inspect()
	}
	return act(Installing, Action{Kind: OpenOperation, Operation: h.newOperation(), Reason: "the disk is known and may be written: " + h.change.Summary})
}

func (h host) newOperation() *inventory.Operation {
	w := h.d.Workload
	op := inventory.Operation{
		Workload: w.Name, Inputs: w.Inputs, Parts: w.Parts, Commit: h.d.Release, Image: w.Image.SHA256, Update: w.Update,
		Kind: inventory.Install, Steps: inventory.NewSteps(*w),
	}
	disk := inventory.OperationDisk{Disk: h.change.Disk, Content: h.change.Content, Erases: h.change.Erases}
	if h.change.Erases {
		disk.Consent = h.change.Given
	}
	op.Disks = []inventory.OperationDisk{disk}
	return &op
}

// reach answers while the BMC does not: unreachable, refused and unknown are never read as off.
func (h host) reach() (Plan, bool) {
	hold := change.Hold{Message: h.o.BMC.Error}
	switch h.o.BMC.Reach {
	case inventory.Reached:
		if h.o.BMC.Power != inventory.PowerUnknown {
			return Plan{}, false
		}
		hold = change.Hold{Reason: change.BMCRefused, Message: "the BMC does not say whether the machine is on"}
	case inventory.NotAsked:
		return Plan{Phase: Waiting, Waits: "a look at the BMC"}, true
	case inventory.Unreachable:
		hold.Reason = change.BMCUnreachable
	case inventory.Unauthorized:
		hold.Reason = change.BMCUnauthorized
	case inventory.Refused:
		hold.Reason = change.BMCRefused
	default:
		panic("plan: unknown reach " + string(h.o.BMC.Reach))
	}
	return Plan{Phase: Waiting, Hold: &hold, Waits: "the BMC"}, true
}

// alarm answers when the token of the current boot was used by two keys: nothing that agent says counts, until a later commit.
func (h host) alarm() (Plan, bool) {
	b := h.rec.Boot
	if h.o.Agent.Alarm == "" || b == nil || h.o.Agent.Epoch != b.Epoch || b.Commit != h.d.Commit {
		return Plan{}, false
	}
	return h.held(change.Hold{Reason: change.TokenAlarm, Message: h.o.Agent.Alarm + ": find out who read the boot medium; any later commit of the fleet starts another boot"}), true
}

// image answers until the workload's image is in the mirror and verified: nothing is booted for an image that cannot be had.
func (h host) image() (Plan, bool) {
	switch i := h.o.Image; i.State {
	case inventory.ImageReady:
		return Plan{}, false
	case inventory.ImageMissing:
		return act(Waiting, Action{Kind: FetchImage, Reason: "the image must be verified before anything boots for it"}), true
	case inventory.ImageFetching:
		return Plan{Phase: Waiting, Waits: "the image to be fetched and verified", Again: 2 * time.Second}, true
	case inventory.ImageFailed:
		p := act(Held, Action{Kind: FetchImage, Reason: "try again what failed"})
		p.Hold = &change.Hold{Reason: change.ImageUnusable, Message: i.Error + ": nothing was booted"}
		return p, true
	default:
		panic("plan: unknown image phase " + string(i.State))
	}
}

// config answers while the host's config cannot be rendered: nothing is booted for a config that cannot be had.
func (h host) config() (Plan, bool) {
	if h.o.Config.Error == "" {
		return Plan{}, false
	}
	return h.held(change.Hold{Reason: change.ConfigUnusable, Message: h.o.Config.Error + ": nothing was booted"}), true
}

// takeover answers when the machine runs and we did not start it. A power-on of ours that found it on is waited for: had it been ours, the machine would read
// its medium.
//
//	the machine, when we know of no reason why it should run     due
//	is off, and was at an earlier look                           go on: it may be started
//	is off, at the first look                                    wait for the second
//	is on, and a power-on of ours found it so                    wait for its medium to be read; then it is not ours
//	is on, and consent.takeover names it                         RecordTakeover
//	is on                                                        hold
func (h host) takeover() (Plan, bool) {
	off := h.o.BMC.Power == inventory.PoweredOff
	switch counts := h.o.BMC.OffCounts; {
	case h.ours(), off && !h.now.Before(counts):
		return Plan{}, false
	case off:
		return Plan{Phase: Waiting, Waits: "a second look that finds the machine off", Due: counts, Again: counts.Sub(h.now)}, true
	}
	if b := h.rec.Boot; b != nil && b.Found && !h.now.After(b.Started.Add(readsDeadline)) {
		return Plan{Phase: Waiting, Waits: "the machine, which was on already when it was to be powered on, to read its boot medium", Due: b.Started.Add(readsDeadline), Again: 2 * time.Second}, true
	} else if b != nil && b.Found {
		return act(Held, Action{Kind: CloseBoot, Reason: "the machine ran before it was powered on for this boot: it is not ours"}), true
	}
	serial := h.serial()
	if given := h.d.Consent.Takeover; given != "" && strings.EqualFold(given, serial) {
		return act(Waiting, Action{Kind: RecordTakeover, Serial: serial, Reason: "spec.consent.takeover names this machine"}), true
	}
	return h.held(change.Hold{Reason: change.FoundRunning, Message: fmt.Sprintf(
		"the machine runs and ingot did not start it: it is not powered off. To take it over, run `ingot consent --takeover %s` (spec.consent.takeover: %q)", h.d.Name, serial)}), true
}

// serial is the machine's, as its BMC says, or else as the fleet does.
func (h host) serial() string {
	if said := h.o.BMC.System.Serial; !inventory.IsPlaceholder(said) {
		return said
	}
	return h.d.Identity.Serial
}

// ours reports whether the machine, when it runs, runs because of us.
func (h host) ours() bool {
	r := h.rec
	if h.elsewhere() {
		r.Boot = nil
	}
	adopted := r.Adopted != "" && strings.EqualFold(r.Adopted, h.serial())
	return adopted || change.Started(r) || r.Boot != nil && r.Boot.Stage != inventory.Preparing && h.arrived(*r.Boot)
}

// arrived reports whether the machine was seen to start from a boot's medium: it was read after the power-on, or the boot's agent enrolled.
func (h host) arrived(b inventory.Boot) bool {
	return h.o.Agent.Boot == b.ID || h.o.Media.Reads > 0 && h.o.Media.Last.After(b.Started)
}

// inspect boots the ramdisk to look at a machine whose disk nobody has seen.
func (h host) inspect() Plan {
	p, ready := h.ramdisk(Inspecting)
	if !ready {
		return p
	}
	return h.facts(Inspecting)
}

// facts takes what the agent of this boot reports, if it is the declared machine.
func (h host) facts(phase Phase) Plan {
	seen := h.o.Agent.Facts
	if seen == nil || seen.Epoch != h.rec.Boot.Epoch {
		return Plan{Phase: phase, Waits: "the agent's report on the hardware"}
	}
	if why := inventory.SameMachine(h.d.Identity, *seen); why != "" {
		return h.held(change.Hold{Reason: change.IdentityMismatch, Message: why})
	}
	if h.d.Boot.SecureBoot && !seen.Firmware.SecureBoot {
		return h.held(change.Hold{Reason: change.SecureBootOff, Message: "spec.boot.secureBoot is true, the ramdisk reports that Secure Boot is not enforced: turn it on in the firmware"})
	}
	return act(phase, Action{Kind: RecordFacts, Facts: seen, Reason: "the agent of this boot looked at the machine"})
}

// held leaves the machine as it is, but for a ramdisk of ours in which it idles.
func (h host) held(hold change.Hold) Plan {
	if hold.Reason == change.IdentityMismatch {
		h.rec.Installed = nil // what is known to be installed is on another machine
	}
	p := h.aside(Held, idleDeadline, "it waits for a person")
	p.Hold = &hold
	return p
}

// aside takes a machine out of a ramdisk in which it has idled for the given time, and starts the system that it ran, if it has one and shall be on.
func (h host) aside(phase Phase, after time.Duration, why string) Plan {
	serves := h.rec.Installed != nil && h.shallRun()
	a := h.leaveRamdisk(after, why)
	switch b := h.rec.Boot; {
	case a != nil && a.Kind == CloseBoot && serves:
		return h.open(phase, inventory.FromDisk, 1, why)
	case a != nil:
		return h.leaving(phase, *a)
	case serves && b != nil && b.Target == inventory.FromDisk && b.Stage != inventory.Running && h.o.BMC.Reach == inventory.Reached && h.stranger() == "":
		p, _ := h.disk(phase)
		return p
	default:
		return Plan{Phase: phase}
	}
}

// shallRun reports whether the machine shall be on: as the fleet says, or as it was found where the fleet says nothing about it.
func (h host) shallRun() bool {
	switch b := h.rec.Boot; h.d.Power {
	case "", schemas.PowerOn:
		return true
	case schemas.PowerUnmanaged:
		return b != nil && b.WasOn
	default:
		return false
	}
}

// otherwise adds to a plan what is due when its action may not be done now: a machine that was taken down for it goes back to what it ran.
func (h host) otherwise(p Plan) Plan {
	if h.rec.Installed == nil {
		return p
	}
	if back := h.aside(p.Phase, 0, "what it was taken down for may not go on now"); back.Action != nil || back.Waits != "" {
		p.Otherwise = &back
	}
	return p
}

// power sees to the power of a host that runs what it shall, or has nothing to run.
func (h host) power() Plan {
	if h.rec.Installed == nil {
		p := Plan{Phase: Unmanaged, Waits: "a workload"}
		if h.d.Pending != "" {
			p = Plan{Phase: Pending, Waits: h.d.Pending}
		}
		if a := h.leaveRamdisk(idleDeadline, "there is nothing to run"); a != nil {
			return h.leaving(p.Phase, *a)
		}
		return p
	}
	p, answered := h.reach()
	if answered {
		p.Phase = Active
		return p
	}
	if p, answered := h.identity(); answered {
		return p
	}
	if a := h.backFromRamdisk(); a != nil && a.Kind == CloseBoot && h.o.BMC.Power == inventory.PoweredOff && h.d.Power == schemas.PowerUnmanaged && h.shallRun() {
		return h.open(Starting, inventory.FromDisk, 1, a.Reason)
	} else if a != nil {
		return h.leaving(Starting, *a)
	}
	on := h.o.BMC.Power == inventory.PoweredOn
	switch want := h.d.Power; want {
	case "", schemas.PowerOn:
		if on && h.settled() {
			return Plan{Phase: Active}
		}
		started, _ := h.disk(Starting)
		return started
	case schemas.PowerOff:
		if on {
			return act(Active, Action{Kind: PowerOff, Graceful: true, Reason: "spec.power is Off"})
		}
		return Plan{Phase: Active}
	case schemas.PowerUnmanaged:
		if h.shallRun() && !h.settled() {
			started, _ := h.disk(Starting)
			return started
		}
		return Plan{Phase: Active}
	default:
		panic("plan: unknown power " + want)
	}
}

// settled reports whether no boot of ours is on its way.
func (h host) settled() bool {
	return h.rec.Boot == nil || (h.rec.Boot.Target == inventory.FromDisk && h.rec.Boot.Stage == inventory.Running)
}

func act(phase Phase, a Action) Plan { return Plan{Phase: phase, Action: &a} }
