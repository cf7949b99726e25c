package reconcile_test

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile"
	"github.com/gitmetal/ingot/reconcile/act"
	"github.com/gitmetal/ingot/reconcile/journal"
	"github.com/gitmetal/ingot/reconcile/journal/journaltest"
	"github.com/gitmetal/ingot/reconcile/plan"
	"github.com/gitmetal/ingot/reconcile/plan/change"
	"github.com/gitmetal/ingot/reconcile/status"
)

// TestForget has an operator forget a host of which something else is known each time. The machine is not touched by
// it; epoch and revision go on, and spent consents stay spent.
func TestForget(t *testing.T) {
	t.Parallel()
	const id = inventory.MachineID("host-0000")
	underWay := func(stage inventory.Stage, begun int) inventory.Record {
		return inventory.Record{ID: id, Revision: 4, Epoch: 3, Spent: []string{"a"}, Operation: &inventory.Operation{
			ID: "op", Kind: inventory.Install, Stage: stage, Attempt: 1,
			Inputs: "0123456789abcdef",
			Disks:  []inventory.OperationDisk{{Begun: begun, Content: "content:x", Consent: "c"}},
		}}
	}
	unreadable := inventory.Record{ID: id, Revision: 4, Epoch: 3, Spent: []string{"a", "c"},
		Unreadable: "a newer ingot wrote it"}
	pageOf := func(r inventory.Record) []byte {
		return status.Summarize(status.Document{}, status.Result{Desired: new(desired(id)),
			Observed: &inventory.Observed{Record: r}, Plan: &plan.Plan{Phase: plan.Installing}}).Encode()
	}
	for name, test := range map[string]struct {
		journal *inventory.Record
		page    []byte
		begin   func(*world)
		refused string
		epoch   inventory.Epoch // from
		spent   []string
	}{
		"nothing is under way": {journal: &inventory.Record{ID: id, Revision: 4, Epoch: 3,
			Spent: []string{"a"}}, epoch: 4, spent: []string{"a"}},
		"it is not in the fleet any more": {journal: &inventory.Record{ID: id, Revision: 4, Epoch: 3},
			begin: func(w *world) { delete(w.fleet.Hosts, id) }, epoch: 4},
		"the source is away": {journal: &inventory.Record{ID: id, Revision: 4, Epoch: 3},
			begin: away, epoch: 4},
		"an operation that was not armed": {journal: new(underWay(inventory.Published, 0)), begin: away,
			epoch: 4, spent: []string{"a"}},
		"an operation that may be handed out": {journal: new(underWay(inventory.Working, 0)), begin: away,
			epoch: 4, spent: []string{"a", "c"}},
		"an operation that has begun": {journal: new(underWay(inventory.Working, 1)), begin: away,
			refused: "may be writing: wait for its end"},
		"an operation that is verified": {journal: new(underWay(inventory.Confirming, 1)), begin: away,
			refused: "`ingot retry` starts it again"},
		"an operation that has begun, recovered": {page: pageOf(underWay(inventory.Working, 1)), epoch: 4,
			spent: []string{"a", "c"}},
		"the journal's record cannot be read": {journal: &unreadable, epoch: 4, spent: []string{"a", "c"}},
		"... and its page knows a higher epoch": {journal: &unreadable, page: pageOf(inventory.Record{ID: id,
			Epoch: 7, Spent: []string{"b"}}), epoch: 8, spent: []string{"b", "a", "c"}},
		"the page cannot be read": {page: bytes.Replace(pageOf(underWay(inventory.Working, 1)),
			[]byte("minReader: 2\n"), []byte("minReader: 99\n"), 1), epoch: 4, spent: []string{"a", "c"}},
		"nothing of the page can be read": {page: []byte("not a document"), epoch: 1},
		"nothing was ever known of it":    {epoch: 1},
		"... and the status branch is not pushed": {begin: func(w *world) { w.refused = errors.New("no") },
			refused: "nothing begins before the status branch can be pushed"},
	} {
		t.Run(name, func(t *testing.T) {
			run(t, func(t *testing.T) {
				w := newWorld(1)
				m := w.machines[id]
				m.power, m.disk = inventory.PoweredOn, "somebody's"
				if test.journal != nil {
					w.records[id], w.revision = journal.Entry{Record: *test.journal, Revision: 1}, 1
				}
				if test.page != nil {
					w.branch[status.Path(id)] = test.page
				}
				if test.begin != nil {
					test.begin(w)
				}
				d := w.daemon(t, reconcile.Limits{})
				after(time.Minute)
				done, before := len(m.done), w.records[id].Record
				err := d.ForgetHost(t.Context(), id)
				after(time.Minute)
				h, _ := d.ViewHost(id)
				d.end(t)
				got := w.records[id].Record
				if test.refused != "" {
					if err == nil || !strings.Contains(err.Error(), test.refused) || got.Forgotten != 0 {
						t.Fatalf("Forget = %v, record %+v, want it refused: %s", err, got, test.refused)
					}
					return
				}
				if err != nil || got.Forgotten < test.epoch || got.Epoch < test.epoch ||
					got.Revision <= before.Revision || !slices.Equal(got.Spent, test.spent) || got.Operation != nil {
					t.Fatalf("Forget = %v, record %+v, want it forgotten at epoch %d, spent %v", err, got,
						test.epoch, test.spent)
				}
				if w.refused == nil {
					if page, err := status.Page(status.Path(id), w.branch[status.Path(id)]); err != nil ||
						page.Forgotten != got.Forgotten || page.Operation != nil {
						t.Errorf("the page says %+v, %v", page, err)
					}
				}
				touches := func(k act.Kind) bool { return k != act.FetchImage }
				if slices.ContainsFunc(m.done[done:], touches) || h.Document.Hold != nil &&
					h.Document.Hold.Reason == change.NotBelieved {
					t.Errorf("done %v, hold %+v", m.done[done:], h.Document.Hold)
				}
			})
		})
	}
}

// away has the source not answer: nothing is looked at, and what is under way stays as it is.
func away(w *world) { w.source = errors.New("no answer") }

// TestForgottenConsents enrols a machine with the consent over a disk that nobody looked at, and has it forgotten
// before that is used: the consent does not count, then or after the loss of the journal.
func TestForgottenConsents(t *testing.T) {
	run(t, func(t *testing.T) {
		w := newWorld(1)
		w.fleet.Hosts["host-0000"] = enrols(w.fleet.Hosts["host-0000"])
		m := w.machines["host-0000"]
		m.hangs = true
		d := w.observed(t, used{w}, reconcile.Limits{})
		after(time.Minute)
		if err := d.ForgetHost(t.Context(), "host-0000"); err != nil {
			t.Fatal(err)
		}
		w.mu.Lock()
		m.hangs = false
		w.mu.Unlock()
		for range 2 {
			after(24 * time.Hour)
			h, _ := d.ViewHost("host-0000")
			if hold := h.Plan.Hold; m.installs != 0 || hold == nil || hold.Reason != change.ConsentForOther ||
				len(hold.Consents) == 0 {
				t.Errorf("%d installs, %s, hold %+v, done %v: want it held, and the consent to give", m.installs,
					h.Plan.Phase, hold, m.done)
			}
			d.end(t)
			clear(w.records)
			w.accepted, m.power, m.agent = journal.Accepted{}, inventory.PoweredOff, inventory.AgentState{}
			d = w.observed(t, used{w}, reconcile.Limits{})
		}
		d.end(t)
	})
}

// TestACrashWhileTheJournalIsRebuilt loses the journal of some machines in service, and has each start of the daemon
// die at one of the first writes: no machine is touched before all that the pages know is in the journal, and no
// revision goes back.
func TestACrashWhileTheJournalIsRebuilt(t *testing.T) {
	t.Parallel()
	for at := 1; at <= 6; at++ {
		for _, late := range []bool{false, true} {
			t.Run(fmt.Sprintf("write %d, late %v", at, late), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := newWorld(5)
					d := w.daemon(t, reconcile.Limits{})
					after(time.Hour)
					d.end(t)
					before := maps.Clone(w.records)
					clear(w.records)
					w.accepted, w.calls, w.crashAt, w.late = journal.Accepted{}, 0, at, late
					for _, m := range w.machines {
						m.power, m.agent, m.done = inventory.PoweredOff, inventory.AgentState{}, nil
					}
					d = w.daemon(t, reconcile.Limits{})
					after(time.Hour)
					_ = d.stop()
					for id, m := range w.machines {
						if _, known := w.records[id]; len(m.done) > 0 && (!known || len(w.records) < 5) {
							t.Errorf("%s: done %v with %d records in the journal", id, m.done, len(w.records))
						}
					}
					w.crashAt, w.dead = 0, false
					d = w.daemon(t, reconcile.Limits{})
					after(time.Hour)
					d.end(t)
					for id, m := range w.machines {
						got, was := w.records[id].Record, before[id].Record
						if m.installs != 1 || m.power != inventory.PoweredOn || got.Revision <= was.Revision ||
							got.Epoch <= was.Epoch || got.Life.Number <= was.Life.Number ||
							got.Life.ID == was.Life.ID {
							t.Errorf("%s: %d installs, %s, record %+v, before %+v", id, m.installs, m.power, got, was)
						}
					}
				})
			})
		}
	}
}

// TestLifeAndRevision: each start of a daemon is a life of its own, each write of a record raises its revision by
// one, and neither alone has a page pushed.
func TestLifeAndRevision(t *testing.T) {
	run(t, func(t *testing.T) {
		w := newWorld(1)
		const id = inventory.MachineID("host-0000")
		writes := uint64(0)
		for life := uint64(1); life <= 3; life++ {
			d := w.daemon(t, reconcile.Limits{})
			after(time.Hour)
			if life == 3 {
				if err := d.ForgetHost(t.Context(), id); err != nil {
					t.Fatal(err)
				}
			}
			after(time.Minute)
			d.end(t)
			got := w.records[id].Record
			if life == 1 {
				writes = got.Revision
				if got.Life.Number != 1 || got.Life.ID == "" || writes < 5 {
					t.Fatalf("record %+v, want the first life, and its writes counted", got)
				}
				if pins := got.Pinned; pins.BMC == nil || pins.BMC.Serial != serial(id) || pins.SMBIOS == nil ||
					pins.SMBIOS.Serial != serial(id) {
					t.Errorf("pinned: %+v", pins)
				}
			}
			if life == 2 && (got.Life.Number != 1 || got.Revision != writes) {
				t.Errorf("record %+v: a start that writes nothing changes nothing", got)
			}
			if life == 3 && (got.Life.Number != 3 || got.Revision <= writes) {
				t.Errorf("record %+v, want the next life, and a higher revision than %d", got, writes)
			}
			page, err := status.Page(status.Path(id), w.branch[status.Path(id)])
			if err != nil || page.Revision > got.Revision || page.Epoch != got.Epoch {
				t.Errorf("the page has revision %d, the record %d: %v", page.Revision, got.Revision, err)
			}
		}
	})
}

// TestForgetAfterTheRecordIsSpoiled has a record become unreadable while the daemon runs, and the host forgotten: its
// epoch does not go back, and the consents that were spent stay spent.
func TestForgetAfterTheRecordIsSpoiled(t *testing.T) {
	run(t, func(t *testing.T) {
		w := newWorld(1)
		const id = inventory.MachineID("host-0000")
		w.records[id] = journal.Entry{Record: inventory.Record{ID: id, Epoch: 40, Spent: []string{"a", "b"}}, Revision: 1}
		w.revision = 1
		d := w.daemon(t, reconcile.Limits{})
		after(time.Second)
		w.mu.Lock()
		before := w.records[id].Record
		w.store(id, []byte("spoiled"))
		w.mu.Unlock()
		after(time.Hour)
		if h, _ := d.ViewHost(id); h.Plan.Hold == nil || h.Plan.Hold.Reason != change.NotBelieved {
			t.Fatalf("%s, hold %+v, want it held", h.Plan.Phase, h.Plan.Hold)
		}
		if err := d.ForgetHost(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		d.end(t)
		got := w.records[id].Record
		if got.Epoch <= before.Epoch || got.Revision <= before.Revision || !slices.Equal(got.Spent, before.Spent) {
			t.Errorf("record %+v, before %+v: want epoch and revision higher, and the same consents spent", got, before)
		}
	})
}

// TestForgetTakesNothingOver has a machine in service forgotten, while its file has the takeover still that was used
// long ago: the value counts no more, and the machine is held as found running, with a value of its own.
func TestForgetTakesNothingOver(t *testing.T) {
	run(t, func(t *testing.T) {
		w := newWorld(1)
		const id = inventory.MachineID("host-0000")
		m := w.machines[id]
		m.power = inventory.PoweredOn
		d := w.daemon(t, reconcile.Limits{})
		after(time.Hour)
		h, _ := d.ViewHost(id)
		if hold := h.Plan.Hold; hold == nil || hold.Reason != change.FoundRunning || m.power != inventory.PoweredOn || m.boots > 0 {
			t.Fatalf("%s, hold %+v, done %v, want it held as found running", h.Plan.Phase, h.Plan.Hold, m.done)
		}
		asks := desired(id)
		for _, given := range []string{serial(id), h.Plan.Hold.Takeover} {
			asks.Consent.Takeover = given
			w.commit(strconv.Itoa(len(given)%10), asks)
			d.RefreshSource()
			after(time.Hour)
			if used := given != serial(id); (m.installs == 1) != used {
				t.Fatalf("takeover %q: %d installs", given, m.installs)
			}
		}
		done := len(m.done)
		if err := d.ForgetHost(t.Context(), id); err != nil {
			t.Error(err)
		}
		after(time.Hour)
		h, _ = d.ViewHost(id)
		d.end(t)
		if hold := h.Plan.Hold; hold == nil || hold.Reason != change.FoundRunning || len(m.done) != done ||
			hold.Takeover == asks.Consent.Takeover || m.power != inventory.PoweredOn {
			t.Errorf("%s, hold %+v, done %v, want it held as found running", h.Plan.Phase, h.Plan.Hold, m.done[done:])
		}
	})
}

// TestForgetWhileTheWriteBegins has the journal lose the answer to the write behind the leave, while the agent writes:
// the host is not forgotten, and the install ends.
func TestForgetWhileTheWriteBegins(t *testing.T) {
	run(t, func(t *testing.T) {
		w := newWorld(1)
		const id = inventory.MachineID("host-0000")
		m, begun := w.machines[id], false
		m.script = true
		w.watch = func() {
			if !begun && m.agent.Job.Begun {
				begun = true
				w.writes.SetFates(journaltest.Lost)
			}
		}
		d := w.daemon(t, reconcile.Limits{})
		for m.agent.Job.State != inventory.JobRunning {
			after(time.Second)
		}
		w.mu.Lock()
		m.ask("process")
		w.mu.Unlock()
		d.RequestLook(id)
		after(10 * time.Second)
		if !begun {
			t.Fatal("no leave was given")
		}
		err := d.ForgetHost(t.Context(), id)
		w.mu.Lock()
		m.agent.Job.State = inventory.JobSucceeded
		w.mu.Unlock()
		after(time.Hour)
		h, _ := d.ViewHost(id)
		d.end(t)
		if err == nil || !strings.Contains(err.Error(), "may be writing") || h.Plan.Phase != plan.Active || m.installs != 1 {
			t.Errorf("Forget = %v; %s, hold %+v, %d installs, want it refused, and one install", err, h.Plan.Phase,
				h.Plan.Hold, m.installs)
		}
	})
}
