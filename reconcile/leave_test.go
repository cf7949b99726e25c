package reconcile_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile"
	"github.com/gitmetal/ingot/reconcile/plan"
	"github.com/gitmetal/ingot/reconcile/plan/change"
	"github.com/gitmetal/ingot/schemas"
)

// stops are the ways in which a person, or trouble, takes leave back, with the phase of the host then; "": whatever.
var stops = map[string]struct {
	stop, goOn func(*rollout, inventory.MachineID)
	phase      plan.Phase
}{
	"protect":        {asked(func(d *inventory.Desired) { d.Protect = true }), asked(func(d *inventory.Desired) { d.Protect = false }), plan.Protected},
	"unmanaged":      {asked(func(d *inventory.Desired) { d.Lifecycle = schemas.Unmanaged }), asked(func(d *inventory.Desired) { d.Lifecycle = schemas.Managed }), plan.Unmanaged},
	"consent":        {asked(func(d *inventory.Desired) { d.Reinstallable = false }), asked(func(d *inventory.Desired) { d.Reinstallable = true }), plan.Held},
	"signers":        {asked(func(d *inventory.Desired) { d.Signatures = &inventory.Signatures{Tag: "v2", Signer: "jo"} }), asked(func(d *inventory.Desired) { d.Signatures = nil }), plan.Held},
	"reverted":       {inputs("1111"), inputs("2222"), plan.Active},
	"frozen history": {trouble("tag v2 was moved"), trouble(""), plan.Held},
	"fleet paused":   {pausedFleet(true), pausedFleet(false), plan.Pending},
	"ring paused":    {pausedRing(true), pausedRing(false), plan.Pending},
	"file deleted": {func(r *rollout, host inventory.MachineID) {
		r.gone = r.fleet.Hosts[host]
		delete(r.fleet.Hosts, host)
		r.newCommit()
	},
		func(r *rollout, host inventory.MachineID) { r.fleet.Hosts[host] = r.gone; r.newCommit() }, plan.Orphaned},
}

func (r *rollout) newCommit() { r.sources.Trunk.Commit = fmt.Sprintf("%040d", r.ids) }

func asked(how func(*inventory.Desired)) func(*rollout, inventory.MachineID) {
	return func(r *rollout, host inventory.MachineID) {
		d := r.fleet.Hosts[host]
		how(&d)
		r.fleet.Hosts[host] = d
		r.newCommit()
	}
}

func inputs(inputs string) func(*rollout, inventory.MachineID) {
	return asked(func(d *inventory.Desired) {
		w := *d.Workload
		w.Inputs, w.Parts = inputs, map[string]string{"image": inputs}
		d.Workload = &w
	})
}

func trouble(why string) func(*rollout, inventory.MachineID) {
	return func(r *rollout, _ inventory.MachineID) {
		ring := r.fleet.Rings["canary"]
		ring.Trouble = why
		r.fleet.Rings["canary"] = ring
		r.newCommit()
	}
}

func pausedFleet(paused bool) func(*rollout, inventory.MachineID) {
	return func(r *rollout, _ inventory.MachineID) { r.fleet.Settings.Paused = paused; r.newCommit() }
}

func pausedRing(paused bool) func(*rollout, inventory.MachineID) {
	return func(r *rollout, _ inventory.MachineID) {
		ring := r.fleet.Rings["canary"]
		ring.Spec.Paused = paused
		r.fleet.Rings["canary"] = ring
		r.newCommit()
	}
}

// serving is a fleet whose machines run 1111; the first canary shall get 2222 next.
func serving(t *testing.T, prepare func(*machine)) (*rollout, *daemon, inventory.MachineID) {
	t.Helper()
	r := newRollout()
	r.release(nil, "v1", "1111", nil)
	d := r.daemon(t, reconcile.Limits{Installs: 30})
	after(time.Hour)
	host := r.fleet.Rings["canary"].Hosts[0]
	r.mu.Lock()
	prepare(r.machines[host])
	r.mu.Unlock()
	r.release(d, "v2", "2222", nil)
	return r, d, host
}

// Leave that is taken back while a script runs before the install counts at the next question, and the machine keeps what it had. When it is given back, the
// install goes on.
func TestLeaveTakenBackWhileAScriptRuns(t *testing.T) {
	for name, test := range stops {
		t.Run(name, func(t *testing.T) {
			run(t, func(t *testing.T) {
				r, d, host := serving(t, func(m *machine) { m.script = true })
				after(10 * time.Minute)
				r.mu.Lock()
				if job := r.machines[host].agent.Job; job.State != inventory.JobRunning {
					t.Errorf("the job is %+v, want it running", job)
				}
				r.mu.Unlock()
				r.change(d, func(r *rollout) { test.stop(r, host) })
				after(2 * time.Second)
				if refusal := r.scriptEnds(t, d, host); refusal == "" {
					t.Error("the install step was let begin")
				}
				after(time.Hour)
				r.wantKept(t, d, host, test.phase)
				r.mu.Lock()
				r.machines[host].script = false
				r.mu.Unlock()
				r.change(d, func(r *rollout) { test.goOn(r, host) })
				after(2 * time.Hour)
				if rec := r.record(host); rec.Installed == nil || rec.Installed.Inputs != "2222" || rec.Last.Attempt-rec.Last.Withdrawn > 1 {
					t.Errorf("given back: record %+v, last %+v", rec, rec.Last)
				}
				d.end(t)
			})
		})
	}
}

// A commit that can be read and cannot be written to the journal is not what the daemon goes by: no leave is given on the
// commit before it, until the journal takes the new one.
func TestNoLeaveWhileTheNewestCommitCannotBeAccepted(t *testing.T) {
	run(t, func(t *testing.T) {
		r, d, host := serving(t, func(m *machine) { m.script = true })
		after(20 * time.Minute) // longer than maxStale
		r.change(d, func(r *rollout) { r.spoiled = errors.New("no such record") })
		r.change(d, func(r *rollout) { asked(func(d *inventory.Desired) { d.Protect = true })(r, host) })
		after(time.Hour)
		if r.scriptEnds(t, d, host) == "" {
			t.Fatal("the install step was let begin")
		}
		after(time.Hour)
		r.mu.Lock()
		job, op := r.machines[host].agent.Job, r.records[host].Record.Operation
		r.mu.Unlock()
		if op.HasBegun() || job.Question == nil {
			t.Errorf("the operation is %+v, the job %+v; want a question that waits", op, job)
		}
		r.change(d, func(r *rollout) { r.spoiled = nil })
		after(time.Hour)
		r.wantKept(t, d, host, plan.Protected)
		d.end(t)
	})
}

// A retry of an attempt that wrote nothing asks again for all that stands against it, the ring's window too.
func TestARetryOfWhatWroteNothingAsksAgain(t *testing.T) {
	closed := func(r *rollout, _ inventory.MachineID) {
		ring := r.fleet.Rings["canary"]
		opens := time.Now().UTC().Add(6 * time.Hour)
		ring.Spec.Windows = []schemas.Window{{Start: fmt.Sprintf("%d %d * * *", opens.Minute(), opens.Hour()), Duration: "1h"}}
		r.fleet.Rings["canary"] = ring
		r.newCommit()
	}
	opened := func(r *rollout, _ inventory.MachineID) {
		ring := r.fleet.Rings["canary"]
		ring.Spec.Windows = nil
		r.fleet.Rings["canary"] = ring
		r.newCommit()
	}
	all := map[string]struct {
		stop, goOn func(*rollout, inventory.MachineID)
		phase      plan.Phase
	}{"closed window": {closed, opened, plan.Pending}}
	for name, test := range stops {
		all[name] = test
	}
	for name, test := range all {
		t.Run(name, func(t *testing.T) {
			run(t, func(t *testing.T) {
				r, d, host := serving(t, func(m *machine) {
					m.fails = true
				})
				r.watch = func() { // it is lost sight of when its first attempt has failed, until the stop is accepted
					if r.machines[host].agent.Job.State == inventory.JobFailed {
						r.machines[host].hangs = true
					}
				}
				after(10 * time.Minute)
				r.change(d, func(r *rollout) { test.stop(r, host) })
				after(time.Minute)
				r.mu.Lock()
				r.watch, r.machines[host].hangs, r.machines[host].fails = nil, false, false
				rec := r.records[host].Record
				r.mu.Unlock()
				superseded := rec.Operation == nil && rec.Last != nil && rec.Last.Outcome == inventory.Superseded
				if op := rec.Operation; !superseded && (op == nil || op.Attempt != 1 || op.HasBegun()) {
					t.Errorf("the operation is %+v, want its first attempt made, and nothing written", op)
				}
				after(time.Hour)
				r.wantKept(t, d, host, test.phase)
				r.change(d, func(r *rollout) { test.goOn(r, host) })
				after(2 * time.Hour)
				if rec := r.record(host); rec.Installed == nil || rec.Installed.Inputs != "2222" {
					t.Errorf("given back: record %+v", rec)
				}
				d.end(t)
			})
		})
	}
}

func (r *rollout) record(host inventory.MachineID) inventory.Record {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.records[host].Record
}

// wantKept asserts that a machine runs what it ran, that nothing more was written to it, and that its consent is not spent; one that nothing is done to may be left
// in the ramdisk.
func (r *rollout) wantKept(t *testing.T, d *daemon, host inventory.MachineID, phase plan.Phase) {
	t.Helper()
	h, _ := d.ViewHost(host)
	r.mu.Lock()
	defer r.mu.Unlock()
	m, rec := r.machines[host], r.records[host].Record
	if m.installs != 1 || len(rec.Spent) > 0 {
		t.Errorf("%d installs, spent %v", m.installs, rec.Spent)
	}
	if h.Plan.Phase != phase {
		t.Errorf("the host is %+v, want it %s", h.Plan, phase)
	}
	handsOff := []plan.Phase{plan.Protected, plan.Unmanaged, plan.Orphaned}
	if slices.Contains(handsOff, phase) {
		return
	}
	if m.power != inventory.PoweredOn || m.agent.Boot != "" || rec.Installed == nil || rec.Installed.Inputs != "1111" {
		t.Errorf("power %s, agent %+v, record %+v; want it to run what it ran", m.power, m.agent, rec)
	}
}

// The daemon is away for longer than every deadline while the installed system comes up: it is not written again. An operator may have it started again.
func TestADaemonThatWasAwayWritesNothingAgain(t *testing.T) {
	run(t, func(t *testing.T) {
		w := newWorld(1)
		const host = "host-0000"
		w.machines[host].silent = true
		d := w.daemon(t, reconcile.Limits{})
		for range 3600 {
			after(time.Second)
			w.mu.Lock()
			op := w.records[host].Record.Operation
			w.mu.Unlock()
			if op != nil && op.Starts > 0 {
				break
			}
		}
		d.end(t)
		after(40 * time.Minute)
		d = w.daemon(t, reconcile.Limits{})
		after(time.Hour)
		h, _ := d.ViewHost(host)
		if h.Plan.Phase != plan.Held || h.Plan.Hold.Reason != change.NoPhoneHome || w.machines[host].installs != 1 {
			t.Fatalf("the host is %+v after %d installs", h.Plan, w.machines[host].installs)
		}
		if err := d.RetryHost("host-9999"); err == nil {
			t.Error("a host that is not known was tried again")
		}
		w.mu.Lock()
		w.machines[host].silent = false
		w.mu.Unlock()
		if err := d.RetryHost(host); err != nil {
			t.Fatal(err)
		}
		after(10 * time.Minute)
		if h, _ := d.ViewHost(host); h.Plan.Phase != plan.Active || w.machines[host].installs != 1 {
			t.Errorf("retried: the host is %+v after %d installs", h.Plan, w.machines[host].installs)
		}
		if err := d.RetryHost(host); err == nil {
			t.Error("a host that is Active was tried again")
		}
		d.end(t)
	})
}

// Hosts whose BMC does not answer, or refuses, give their places to the next ones, whatever commits come meanwhile, and get them back in turn.
func TestHostsInTroubleHoldNoPlace(t *testing.T) {
	for name, bad := range map[string]func(*machine, bool){
		"silent":  func(m *machine, yes bool) { m.hangs = yes },
		"refuses": func(m *machine, yes bool) { m.refuses = yes },
	} {
		t.Run(name, func(t *testing.T) {
			run(t, func(t *testing.T) {
				w := newWorld(12)
				w.watch = func() { // the first ones are lost as soon as they have begun
					for name, m := range w.machines {
						if name < "host-0002" && w.records[name].Record.Operation != nil {
							bad(m, true)
						}
					}
				}
				d := w.daemon(t, reconcile.Limits{Installs: 2})
				for i := range 30 {
					after(2 * time.Minute)
					w.mu.Lock()
					w.sources.Trunk.Commit = fmt.Sprintf("%040d", i+2)
					w.mu.Unlock()
					d.RefreshSource()
				}
				if got := d.phases()[plan.Active]; got != 10 {
					t.Errorf("phases = %v, want the 10 others Active", d.phases())
				}
				w.mu.Lock()
				w.watch = nil
				for _, m := range w.machines {
					bad(m, false)
				}
				w.mu.Unlock()
				after(time.Hour)
				if got := d.phases()[plan.Active]; got != 12 {
					t.Errorf("phases = %v, want all Active", d.phases())
				}
				d.end(t)
			})
		})
	}
}

// A BMC that refuses every action, or every power-on, holds no place from the third refusal on. Its host says so in
// place of Inspecting, and the refused action is tried less and less often.
func TestABMCThatRefusesForGoodIsShown(t *testing.T) {
	for name, spoil := range map[string]func(*machine){
		"everything": func(m *machine) { m.refuses = true },
		"power-on":   func(m *machine) { m.stays = true },
	} {
		t.Run(name, func(t *testing.T) {
			run(t, func(t *testing.T) {
				w := newWorld(3)
				const bad = "host-0000"
				spoil(w.machines[bad])
				d := w.daemon(t, reconcile.Limits{Installs: 1})
				after(15 * time.Minute)
				shown, told := map[plan.Phase]int{}, 0
				for range 500 {
					after(7 * time.Second)
					h, _ := d.ViewHost(bad)
					shown[h.Plan.Phase]++
					if h.Plan.Hold != nil && h.Plan.Hold.Reason == change.BMCRefused && h.Plan.Hold.Message == "the BMC refuses" {
						told++
					}
				}
				if shown[plan.Waiting] != 500 || told != 500 {
					t.Errorf("phases %v, %d times with the reason; want Waiting with the reason", shown, told)
				}
				if got := d.phases()[plan.Active]; got != 2 {
					t.Errorf("the others: %v", d.phases())
				}
				if tries := w.machines[bad].tries; tries < 10 || tries > 40 {
					t.Errorf("%d tries in 73 minutes, want about 20", tries)
				}
				w.mu.Lock()
				w.machines[bad].refuses, w.machines[bad].stays = false, false
				w.mu.Unlock()
				after(30 * time.Minute)
				if got := d.phases()[plan.Active]; got != 3 {
					t.Errorf("mended: %v", d.phases())
				}
				d.end(t)
			})
		})
	}
}

// Many hosts that lost their places do not come back over the limit.
func TestHostsComeBackInTurn(t *testing.T) {
	run(t, func(t *testing.T) {
		w := newWorld(9)
		lost := func(on bool) {
			w.mu.Lock()
			defer w.mu.Unlock()
			for name, m := range w.machines {
				m.hangs = on && w.records[name].Record.Boot != nil && w.records[name].Record.Installed == nil
			}
		}
		d := w.daemon(t, reconcile.Limits{Installs: 3})
		for range 3 { // three at a time begin, and are lost
			after(5 * time.Second)
			lost(true)
			after(10 * time.Minute)
		}
		lost(false)
		most := 0
		for range 6000 {
			after(100 * time.Millisecond)
			w.mu.Lock()
			booting := 0
			for name, m := range w.machines {
				if m.agent.Boot != "" && m.power == inventory.PoweredOn && w.records[name].Record.Installed == nil {
					booting++
				}
			}
			most = max(most, booting)
			w.mu.Unlock()
		}
		if got := d.phases()[plan.Active]; got != 9 || most > 3 {
			t.Errorf("phases = %v, and %d were in the ramdisk at a time; want all Active, 3 at a time", d.phases(), most)
		}
		d.end(t)
	})
}

// TestAHostThatWasGivenUpIsRetriedWhateverItWaitsFor gives a host up before any write and silences its BMC: the host
// shows that it waits for the BMC, and an operator's retry counts all the same.
func TestAHostThatWasGivenUpIsRetriedWhateverItWaitsFor(t *testing.T) {
	run(t, func(t *testing.T) {
		w := newWorld(1)
		const host = "host-0000"
		m := w.machines[host]
		m.fails = true
		d := w.daemon(t, reconcile.Limits{})
		after(time.Hour)
		if h, _ := d.ViewHost(host); h.Plan.Hold == nil || h.Plan.Hold.Reason != change.InstallFailed || m.installs != 0 {
			t.Fatalf("the host is %+v after %d installs, want it given up", h.Plan, m.installs)
		}
		w.mu.Lock()
		m.fails, m.hangs = false, true
		w.mu.Unlock()
		after(20 * time.Minute)
		if h, _ := d.ViewHost(host); h.Plan.Phase != plan.Waiting {
			t.Fatalf("the host is %+v, want it to wait for its BMC", h.Plan)
		}
		if err := d.RetryHost(host); err != nil {
			t.Error(err)
		}
		w.mu.Lock()
		m.hangs = false
		w.mu.Unlock()
		after(time.Hour)
		if h, _ := d.ViewHost(host); h.Plan.Phase != plan.Active || m.installs != 1 {
			t.Errorf("retried: the host is %+v after %d installs", h.Plan, m.installs)
		}
		d.end(t)
	})
}
