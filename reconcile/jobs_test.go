package reconcile_test

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/settings"
	"github.com/gitmetal/ingot/reconcile"
	"github.com/gitmetal/ingot/reconcile/act"
	"github.com/gitmetal/ingot/reconcile/plan"
	"github.com/gitmetal/ingot/schemas"
)

// countPower counts the power commands that a machine got.
func (w *world) countPower(m *machine) (count int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, kind := range m.done {
		if kind.ChangesPower() {
			count++
		}
	}
	return count
}

// While a job runs at a BMC, or the jobs are not known, no power command is sent, whatever it is for. The page names the
// job. After its end everything goes on, and the time of the job was no time of the machine's own.
func TestNoPowerCommandWhileAJobRuns(t *testing.T) {
	job := []settings.Job{{Path: "/tasks/7", Name: "Firmware update", State: "Running", Percent: 40}}
	for name, test := range map[string]struct {
		asks   func(d *inventory.Desired)
		jobs   []settings.Job
		unread error
		says   string
	}{
		"power: Off":       {func(d *inventory.Desired) { d.Power = schemas.PowerOff }, job, nil, "job /tasks/7 of the BMC (Firmware update) says Running at 40%"},
		"another install":  {func(d *inventory.Desired) { *d = reinstalled(*d) }, job, nil, "job /tasks/7"},
		"jobs not read":    {func(d *inventory.Desired) { d.Power = schemas.PowerOff }, nil, errors.New("503"), "the BMC's jobs cannot be read"},
		"an unknown state": {func(d *inventory.Desired) { d.Power = schemas.PowerOff }, []settings.Job{{Path: "/tasks/7", State: "Odd"}}, nil, "says Odd"},
	} {
		t.Run(name, func(t *testing.T) {
			run(t, func(t *testing.T) {
				w := newReinstallable(1)
				d := w.daemon(t, reconcile.Limits{})
				defer d.end(t)
				after(time.Hour)
				id := slices.Collect(maps.Keys(w.machines))[0]
				m := w.machines[id]
				if got := d.phases()[plan.Active]; got != 1 {
					t.Fatalf("phases = %v", d.phases())
				}
				sent := w.countPower(m)
				w.mu.Lock()
				m.jobs, m.jobsUnread = test.jobs, test.unread
				host := w.fleet.Hosts[id]
				test.asks(&host)
				w.fleet.Hosts[id] = host
				w.sources.Trunk.Commit = strings.Repeat("a", 40)
				w.mu.Unlock()
				d.RefreshSource()
				after(3 * time.Hour)
				view, _ := d.ViewHost(id)
				if got := w.countPower(m); got != sent || view.Observed.BMC.Power != inventory.PoweredOn {
					t.Errorf("%d power commands were sent, the machine is %s", got-sent, view.Observed.BMC.Power)
				}
				said := view.Document.Waits + view.Document.Error
				if !strings.Contains(said, test.says) {
					t.Errorf("the page says %q, want %q", said, test.says)
				}
				w.mu.Lock()
				m.jobs, m.jobsUnread = nil, nil
				m.done = nil
				w.mu.Unlock()
				after(time.Hour)
				if got := w.countPower(m); got == 0 {
					t.Errorf("after the job's end no power command was sent: %v", m.done)
				}
				if first := slices.IndexFunc(m.done, act.Kind.ChangesPower); first >= 0 && m.done[first] != act.PowerOff {
					t.Errorf("after the job's end the machine got %v", m.done)
				}
			})
		})
	}
}

// reinstalled is a host that asks for another system.
func reinstalled(d inventory.Desired) inventory.Desired {
	workload := *d.Workload
	workload.Inputs, workload.Parts, workload.Update = "other", map[string]string{"image": "other"}, schemas.Reinstall
	d.Workload, d.Reinstallable = &workload, true
	return d
}
