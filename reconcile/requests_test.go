package reconcile_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/requests"
	"github.com/gitmetal/ingot/inventory/settings"
	"github.com/gitmetal/ingot/reconcile"
	"github.com/gitmetal/ingot/reconcile/act"
	"github.com/gitmetal/ingot/reconcile/journal"
	"github.com/gitmetal/ingot/reconcile/plan"
	"github.com/gitmetal/ingot/reconcile/status"
	"github.com/gitmetal/ingot/schemas"
)

// ask commits a reboot of all hosts.
func (w *world) ask(d *daemon, id, mode string) {
	w.mu.Lock()
	commit := fmt.Sprintf("%040d", len(w.pushes)+w.calls)
	w.sources.Trunk.Commit, w.fleet.Commit = commit, commit
	for name, h := range w.fleet.Hosts {
		h.Commit, h.Requests.Reboot = commit, &schemas.RebootRequest{ID: id, Mode: mode}
		w.fleet.Hosts[name] = h
	}
	w.mu.Unlock()
	if d != nil {
		d.RefreshSource()
	}
}

// reboots counts the commands of reboots that reached each machine.
func (w *world) reboots() (counts []int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, m := range w.machines {
		sent := 0
		for _, kind := range m.done {
			if kind == act.Reboot {
				sent++
			}
		}
		counts = append(counts, sent)
	}
	slices.Sort(counts)
	return counts
}

// TestRebootsKeepToTheirRings asks 30 machines of three rings for a reboot at once: no ring waits for another one, no more
// than maxUnavailable are down, and each machine is rebooted once.
func TestRebootsKeepToTheirRings(t *testing.T) {
	run(t, func(t *testing.T) {
		r := newRollout()
		r.release(nil, "v1", "1111", nil)
		d := r.daemon(t, reconcile.Limits{Installs: 30})
		after(2 * time.Hour)
		clear(r.worst)
		r.ask(d, "fw-7", schemas.RebootSoft)
		after(5 * time.Second)
		if view := d.View(); !slices.ContainsFunc(view.Hosts, func(h reconcile.HostView) bool {
			return h.Plan.Phase == plan.Active && slices.ContainsFunc(h.Plan.Requests, func(line string) bool {
				return strings.HasPrefix(line, "reboot fw-7 (Soft) waits: ring ")
			})
		}) {
			t.Errorf("no host is Active and says that its reboot waits for its ring")
		}
		after(3 * time.Hour)
		if got := r.reboots(); got[0] != 1 || got[29] != 1 {
			t.Errorf("reboots %v, want one of each machine", got)
		}
		for ring, most := range map[string]int{"canary": 1, "early": 2, "broad": 3} {
			if r.worst[ring] == 0 || r.worst[ring] > most {
				t.Errorf("ring %s: %d down at a time, want at most %d", ring, r.worst[ring], most)
			}
		}
		if phases := d.phases(); phases[plan.Active] != 30 {
			t.Errorf("phases %v", phases)
		}
		r.ask(d, "fw-8", schemas.RebootHard)
		after(3 * time.Hour)
		if got := r.reboots(); got[0] != 2 || got[29] != 2 {
			t.Errorf("reboots %v after another value, want two of each machine", got)
		}
		d.end(t)
	})
}

// TestAPauseHoldsReboots has the fleet paused: nothing is sent before the pause ends.
func TestAPauseHoldsReboots(t *testing.T) {
	run(t, func(t *testing.T) {
		w := newWorld(2)
		d := w.daemon(t, reconcile.Limits{})
		after(30 * time.Minute)
		w.mu.Lock()
		w.fleet.Settings.Paused = true
		w.mu.Unlock()
		w.ask(d, "fw-7", "")
		after(time.Hour)
		if got := w.reboots(); got[1] != 0 {
			t.Errorf("reboots %v while the fleet is paused", got)
		}
		page := w.branch[status.Path("host-0000")]
		if !bytes.Contains(page, []byte("reboot fw-7 (Soft) waits: the fleet is paused")) || !bytes.Contains(page, []byte("phase: Active")) {
			t.Errorf("the page says\n%s", page)
		}
		w.mu.Lock()
		w.fleet.Settings.Paused = false
		w.mu.Unlock()
		w.ask(d, "fw-7", "")
		after(time.Hour)
		if got := w.reboots(); got[0] != 1 || got[1] != 1 {
			t.Errorf("reboots %v after the pause, want one of each machine", got)
		}
		d.end(t)
	})
}

// TestALostJournalRepeatsNoRequest loses the journal, or puts an older one back, after a reboot: with the page's list, and
// with a page that has none.
func TestALostJournalRepeatsNoRequest(t *testing.T) {
	const host = "host-0000"
	for name, test := range map[string]struct {
		older bool                // the journal of before the reboot is put back
		page  func([]byte) []byte // the page that is left
		want  func(requests.Done) bool
	}{
		"the page has the list": {false, nil, func(d requests.Done) bool { return slices.Equal(d.Reboot, []string{"fw-7"}) && d.Notes == nil }},
		"the page has no list": {false, func(page []byte) []byte {
			return bytes.Replace(page, []byte("done:\n  reboot:\n  - fw-7\n"), nil, 1)
		}, func(d requests.Done) bool {
			return slices.Equal(d.Reboot, []string{"fw-7"}) && strings.Contains(d.Notes[requests.Reboot], "is taken as done")
		}},
		"an older journal": {true, nil, func(d requests.Done) bool { return slices.Equal(d.Reboot, []string{"fw-7"}) }},
	} {
		t.Run(name, func(t *testing.T) {
			run(t, func(t *testing.T) {
				w := newWorld(1)
				d := w.daemon(t, reconcile.Limits{})
				after(30 * time.Minute)
				before := w.records[host]
				w.ask(d, "fw-7", "")
				after(30 * time.Minute)
				d.end(t)
				clear(w.records)
				if test.older {
					w.records[host] = before
				} else {
					w.accepted = journal.Accepted{}
				}
				path := status.Path(host)
				if page := w.branch[path]; test.page != nil {
					if w.branch[path] = test.page(page); bytes.Equal(page, w.branch[path]) {
						t.Fatalf("the page has no list:\n%s", page)
					}
				}
				d = w.daemon(t, reconcile.Limits{})
				after(2 * time.Hour)
				d.end(t)
				got := w.records[host].Record
				if sent := w.reboots(); sent[0] != 1 || got.Done == nil || !test.want(*got.Done) || got.Installed == nil {
					t.Errorf("%d reboots, done %+v, record %+v", sent[0], got.Done, got)
				}
			})
		})
	}
}

// TestADaemonDiesAtEachPointOfAReboot has the daemon die before and after each write, push and command of a reboot, and
// another one go on: the command is sent at most once, the machine ends on, and the value counts as done.
func TestADaemonDiesAtEachPointOfAReboot(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{schemas.RebootSoft, schemas.RebootHard} {
		lost := 0
		for _, late := range []bool{false, true} {
			for call := 1; call < 20; call++ {
				synctest.Test(t, func(t *testing.T) {
					w := newWorld(1)
					d := w.daemon(t, reconcile.Limits{})
					after(30 * time.Minute)
					w.mu.Lock()
					w.crashAt, w.late = w.calls+call, late
					w.mu.Unlock()
					w.ask(d, "fw-7", mode)
					after(time.Hour)
					_ = d.stop()
					m := w.machines["host-0000"]
					w.crashAt = 0
					d = w.daemon(t, reconcile.Limits{})
					after(2 * time.Hour)
					d.end(t)
					sent, record := w.reboots()[0], w.records["host-0000"].Record
					if sent > 1 || m.power != inventory.PoweredOn || record.Boot != nil && record.Boot.Request != nil ||
						!record.Done.Has(requests.Request{Kind: requests.Reboot, Value: "fw-7"}) {
						t.Errorf("%s, dead at call %d (late %t): sent %d times, %s, done %+v, boot %+v", mode, call, late, sent, m.power, record.Done, record.Boot)
					}
					if lost += 1 - sent; sent == 0 && record.Done.Notes[requests.Reboot] == "" {
						t.Errorf("%s, dead at call %d (late %t): nothing was sent, and the page does not say so", mode, call, late)
					}
				})
			}
		}
		if lost == 0 || lost > 8 {
			t.Errorf("%s: %d reboots were lost by a death between the record and the command, want a few", mode, lost)
		}
	}
}

// TestARebootWaitsForItsPage cannot push the status branch: nothing is sent before the page says that it will be.
func TestARebootWaitsForItsPage(t *testing.T) {
	run(t, func(t *testing.T) {
		w := newWorld(1)
		d := w.daemon(t, reconcile.Limits{})
		after(30 * time.Minute)
		w.mu.Lock()
		w.refused = fmt.Errorf("a hook says no")
		w.mu.Unlock()
		w.ask(d, "fw-7", "")
		after(time.Hour)
		if got := w.reboots(); got[0] != 0 {
			t.Errorf("%d reboots without a page", got[0])
		}
		w.mu.Lock()
		w.refused = nil
		w.mu.Unlock()
		after(time.Hour)
		if got := w.reboots(); got[0] != 1 {
			t.Errorf("%d reboots after the push, want 1", got[0])
		}
		d.end(t)
	})
}

// TestARebootWaitsForTheJobsOfItsBMC has a job run at the BMC: the command is kept back, and sent once after the job's end.
func TestARebootWaitsForTheJobsOfItsBMC(t *testing.T) {
	run(t, func(t *testing.T) {
		w := newWorld(1)
		d := w.daemon(t, reconcile.Limits{})
		after(30 * time.Minute)
		w.mu.Lock()
		m := w.machines["host-0000"]
		m.jobs = []settings.Job{{Path: "/tasks/7", Name: "Firmware update", State: "Running", Percent: 40}}
		w.mu.Unlock()
		w.ask(d, "fw-7", schemas.RebootHard)
		after(2 * time.Hour)
		view, _ := d.ViewHost("host-0000")
		if got := w.reboots(); got[0] != 0 || !strings.Contains(view.Document.Waits, "job /tasks/7") {
			t.Errorf("%d reboots, and the page says %q; want nothing sent, and the job", got[0], view.Document.Waits)
		}
		w.mu.Lock()
		m.jobs = nil
		w.mu.Unlock()
		after(2 * time.Hour)
		if got := w.reboots(); got[0] != 1 || w.records["host-0000"].Record.Done.Notes != nil {
			t.Errorf("%d reboots after the job, done %+v; want one", got[0], w.records["host-0000"].Record.Done)
		}
		d.end(t)
	})
}

// TestAForgottenHostRepeatsNothing forgets a host whose file has a reboot.
func TestAForgottenHostRepeatsNothing(t *testing.T) {
	run(t, func(t *testing.T) {
		w := newWorld(1)
		d := w.daemon(t, reconcile.Limits{})
		after(30 * time.Minute)
		w.ask(d, "fw-7", "")
		after(time.Hour)
		if err := d.ForgetHost(t.Context(), "host-0000"); err != nil {
			t.Fatal(err)
		}
		after(time.Hour)
		got := w.records["host-0000"].Record.Done
		if sent := w.reboots(); sent[0] != 1 || got == nil || !strings.Contains(got.Notes[requests.Reboot], "is taken as done") {
			t.Errorf("%d reboots, done %+v", sent[0], got)
		}
		d.end(t)
	})
}
