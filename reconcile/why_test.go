package reconcile_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/runs"
	"github.com/gitmetal/ingot/reconcile"
	"github.com/gitmetal/ingot/reconcile/act"
	"github.com/gitmetal/ingot/reconcile/cause"
	"github.com/gitmetal/ingot/reconcile/journal"
	"github.com/gitmetal/ingot/reconcile/status"
	"github.com/gitmetal/ingot/schemas"
)

// findCause is what `ingot why` says of a host.
func (d *daemon) findCause(h reconcile.HostView) cause.Answer {
	fleet := d.ViewFleet()
	if len(fleet.Findings) > 0 {
		fleet.Refused = fleet.Findings[0].String()
	}
	return cause.Find(cause.Case{Desired: &h.Desired, Observed: &h.Observed, Plan: &h.Plan, Action: h.Action, Outcome: h.Outcome, Looked: h.Looked,
		Fleet: &cause.Fleet{Commit: fleet.Commit, Another: fleet.Another, Source: fleet.Source, Refused: fleet.Refused, Publish: fleet.Publish}})
}

// countCauses counts the causes of all hosts.
func (d *daemon) countCauses() map[cause.Name]int {
	causes := map[cause.Name]int{}
	for _, h := range d.View().Hosts {
		causes[d.findCause(h).Cause]++
	}
	return causes
}

// awaitCause looks each second, and seldomer in many hours, until a host has the cause, and gives what `ingot why` says of the host.
func (d *daemon) awaitCause(t *testing.T, want cause.Name, within time.Duration) cause.Answer {
	t.Helper()
	for end := time.Now().Add(within); ; after(max(time.Second, within/10000)) {
		for _, h := range d.View().Hosts {
			if found := d.findCause(h); found.Cause == want {
				return found
			}
		}
		if !time.Now().Before(end) {
			t.Errorf("after %s the causes are %v, want %s", within, d.countCauses(), want)
			return cause.Answer{}
		}
	}
}

// ports are the ports of a loop that the tests of causes bend: what is observed, and what becomes of power-offs.
type bentPorts struct {
	*world
	observe func(*inventory.Observed)
	ignores bool // power-offs, which are accepted
}

func (p bentPorts) Observe(ctx context.Context, desired inventory.Desired, record inventory.Record) inventory.Observed {
	o := p.world.Observe(ctx, desired, record)
	if p.observe != nil {
		p.observe(&o)
	}
	return o
}

func (p bentPorts) Do(ctx context.Context, desired inventory.Desired, record inventory.Record, action act.Action) act.Outcome {
	if p.ignores && (action.Kind == act.PowerOff || action.Kind == act.AssignPowerOff) {
		return act.Outcome{Result: act.Done}
	}
	return p.world.Do(ctx, desired, record, action)
}

// TestWhyInTheLoop makes the causes that no rack shows in a short time, with a loop of its own each.
func TestWhyInTheLoop(t *testing.T) {
	const host = inventory.MachineID("host-0000")
	known := func(w *world, record inventory.Record) {
		record.ID = host
		w.records[host], w.revision = journal.Entry{Record: record, Revision: 1}, 1
	}
	for _, test := range []struct {
		want  cause.Name
		says  string
		begin func(*world, *bentPorts)
		then  func(*testing.T, *world, *daemon)
	}{
		{want: "NoCommitReadable", says: "No machine is touched before the daemon can read the fleet: connection refused.", begin: func(w *world, _ *bentPorts) {
			known(w, inventory.Record{Epoch: 3})
			w.source = errors.New("connection refused")
		}},
		{want: "NoCommitAccepted", says: "No machine is touched before a commit of the fleet is accepted: hosts/x.yaml:1: error: no.", begin: func(w *world, _ *bentPorts) {
			known(w, inventory.Record{Epoch: 3})
			w.findings = []schemas.Finding{{Position: schemas.Position{File: "hosts/x.yaml", Line: 1}, Severity: schemas.Error, Message: "no"}}
		}},
		{want: "NotLooked", begin: func(w *world, _ *bentPorts) { w.machines[host].hangs = true }},
		{want: "BMCNotAsked", begin: func(_ *world, p *bentPorts) { p.observe = func(o *inventory.Observed) { o.BMC = inventory.BMCState{} } }},
		{want: "MediumServed", begin: func(_ *world, p *bentPorts) { p.observe = func(o *inventory.Observed) { o.Media.URL = "" } }},
		{want: "RamdiskUnusable", says: "The ramdisk is of version 1.", begin: func(_ *world, p *bentPorts) {
			p.observe = func(o *inventory.Observed) { o.Ramdisk = "the ramdisk is of version 1" }
		}},
		{want: "AgentTakesBoot", begin: func(w *world, p *bentPorts) {
			w.machines[host].power = inventory.PoweredOn
			p.observe = func(o *inventory.Observed) { o.Waiting = "key" }
		}},
		{want: "GivenUp", says: "The install was given up: the disk went away.", begin: func(w *world, _ *bentPorts) {
			known(w, inventory.Record{Epoch: 3, Last: &inventory.Operation{ID: "op", Kind: inventory.Install, Stage: inventory.Ended, Workload: "web",
				Outcome: inventory.Quarantined, Inputs: "0123456789abcdef", Attempt: 3, Error: "the disk went away"}})
		}},
		{want: "KeptOn", begin: func(w *world, _ *bentPorts) {
			d := w.fleet.Hosts[host]
			kept := *d.Workload
			kept.StaysOn, d.Workload = true, &kept
			w.fleet.Hosts[host] = d
			w.machines[host].fails = true
		}},
		{want: "StaysOn", begin: func(w *world, p *bentPorts) { p.ignores, w.machines[host].post = true, 1000*time.Hour }},
		{want: "IdleStaysOn", begin: func(w *world, p *bentPorts) {
			p.ignores = true
			d := w.fleet.Hosts[host]
			d.Workload, d.Claimable = nil, true // so that it is inspected
			w.fleet.Hosts[host] = d
			w.machines[host].mute = true
		}},
		{want: "Forgotten", then: func(t *testing.T, w *world, d *daemon) {
			after(time.Hour)
			w.mu.Lock()
			w.machines[host].hangs = true
			w.mu.Unlock()
			if err := d.ForgetHost(t.Context(), host); err != nil {
				t.Error(err)
			}
		}},
		{want: "JournalUnread", says: "The daemon cannot look at the machine, because the journal does not give its record: read the record of host-0000: the journal hangs.", begin: func(w *world, _ *bentPorts) {
			w.rival = func(r inventory.Record) inventory.Record { return r }
			w.unread = errors.New("the journal hangs")
		}},
	} {
		t.Run(string(test.want), func(t *testing.T) {
			run(t, func(t *testing.T) {
				w := newWorld(1)
				ports := &bentPorts{world: w}
				if test.begin != nil {
					test.begin(w, ports)
				}
				d := w.run(t, reconcile.Config{Source: w, Load: w.load, Journal: w, Observer: ports, Executor: ports, Publisher: w})
				if test.then != nil {
					test.then(t, w, d)
				}
				got := d.awaitCause(t, test.want, 30*time.Hour)
				t.Logf("%s %s", got.Why, got.Do)
				if test.says != "" && got.Why != test.says {
					t.Errorf("%s says %q, want %q", test.want, got.Why, test.says)
				}
				d.end(t)
			})
		})
	}
}

// TestWhyOfAClaimedMachine has one run hang: the other machine of the Workload has no item left, and stays claimed.
func TestWhyOfAClaimedMachine(t *testing.T) {
	run(t, func(t *testing.T) {
		f := newFarm(2, pi(2, 2))
		for _, m := range f.machines {
			m.fates = func(r runs.Run) fate {
				if r.Item == 1 {
					return hangs
				}
				return succeeds
			}
		}
		d := f.serve(t)
		d.awaitCause(t, "RunUnderWay", time.Hour)
		d.awaitCause(t, "Claimed", time.Hour)
		d.end(t)
	})
}

// TestWhyOfAnEarlierPage asks a page without a cause, as an ingot wrote it that kept none.
func TestWhyOfAnEarlierPage(t *testing.T) {
	run(t, func(t *testing.T) {
		r := newRollout()
		ring := r.fleet.Rings["canary"]
		ring.Spec.Paused = true
		r.fleet.Rings["canary"] = ring
		r.release(nil, "v1", "1111", nil)
		d := r.daemon(t, reconcile.Limits{Installs: 30})
		after(time.Hour)
		id := ring.Hosts[0]
		page, err := status.Page(status.Path(id), r.branch[status.Path(id)])
		if err != nil {
			t.Fatal(err)
		}
		wantCause := func(want cause.Name) {
			if got, _ := page.Explain(); got.Cause != want || got.Why == "" {
				t.Errorf("the page of %s says %+v, want %s", id, got, want)
			}
		}
		wantCause("RingPaused")
		page.Cause = nil
		wantCause("Pending")
		d.end(t)
	})
}
