package plan_test

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/runs"
	"github.com/gitmetal/ingot/reconcile/act"
	"github.com/gitmetal/ingot/reconcile/plan"
	"github.com/gitmetal/ingot/reconcile/plan/bootmethod"
	"github.com/gitmetal/ingot/schemas"
)

// kernelRun is a machine with a run of a kernel of a user: powered on a while ago, and its last initrd not read yet.
func kernelRun(change func(*inventory.Record, *inventory.Observed)) plan.Plan {
	now := time.Date(2026, 11, 29, 4, 12, 0, 0, time.UTC)
	const url = "https://daemon/media/x/boot.iso"
	work := runs.Work{Workload: "own", Batch: "b1", Kernel: &runs.Kernel{}, Deadline: time.Hour}
	d := inventory.Desired{ID: "m1", Name: "m1", Commit: "c1", Lifecycle: schemas.Managed, Claimable: true, BMC: &schemas.BMC{}, Run: &work}
	run := work.BeginRun(runs.Run{ID: "r-1", Workload: "own", Batch: "b1", Machine: "m1", Attempt: 1}, "c1")
	run.Stage = runs.Booting
	record := inventory.Record{ID: "m1", Epoch: 3, Run: &run, Ran: "b1", Facts: &inventory.Facts{Epoch: 2},
		Boot: &inventory.Boot{ID: "b", Epoch: 3, Target: inventory.FromRamdisk, Stage: inventory.Running, Attempt: 1, Commit: "c1",
			Started: now.Add(-2 * time.Minute), Ours: true}}
	o := inventory.Observed{
		BMC: inventory.BMCState{At: now, Reach: inventory.Reached, Power: inventory.PoweredOn, Override: inventory.Override{Target: "Cd", Enabled: "Continuous"},
			Media: []inventory.Slot{{ID: "Cd", Inserted: true, Image: url}}},
		Media:    inventory.MediaState{URL: url, Reads: 1, Last: now.Add(-time.Minute)},
		Order:    runs.Order{Workload: "own", Work: &work},
		Attended: inventory.Ages{Start: time.Hour, Opened: 3 * time.Minute, Started: 2 * time.Minute},
	}
	for _, part := range []string{inventory.MediumKernel, inventory.MediumOverlay} {
		o.Media.Parts = append(o.Media.Parts, inventory.MediumPart{Name: part, Size: 100})
	}
	change(&record, &o)
	o.Record = record
	p := plan.Next(d, o, now)
	if p.Action != nil && p.Action.Kind == act.PinIdentity {
		o.Record.Pinned = *p.Action.Pinned
		p = plan.Next(d, o, now)
	}
	if !bootmethod.NeedsDrives(o.Record, o.Agent, o.BMC.Power) {
		if o.BMC.Media = nil; !reflect.DeepEqual(p, plan.Next(d, o, now)) {
			panic("the plan rests on drives that are not read")
		}
	}
	return p
}

// TestARunOfAKernel has a row for what a run without an agent may come to.
func TestARunOfAKernel(t *testing.T) {
	t.Parallel()
	type change = func(*inventory.Record, *inventory.Observed)
	handed := func(r *inventory.Record, _ *inventory.Observed) {
		run := *r.Run
		run.Stage, run.Handed, run.Boot = runs.Running, true, "b"
		r.Run = &run
	}
	off := func(_ *inventory.Record, o *inventory.Observed) {
		o.BMC.Power, o.Evidence.WentOff = inventory.PoweredOff, true
	}
	said := func(report runs.Report) change {
		return func(_ *inventory.Record, o *inventory.Observed) { o.Run = report }
	}
	restarted := func(_ *inventory.Record, o *inventory.Observed) {
		o.Attended.Interrupted, o.Media = true, inventory.MediaState{URL: o.Media.URL}
	}
	overdue := func(_ *inventory.Record, o *inventory.Observed) { o.Attended.Job = time.Hour + time.Second }
	gone := func(_ *inventory.Record, o *inventory.Observed) {
		o.BMC = inventory.BMCState{Reach: inventory.Unreachable}
	}
	long := func(r *inventory.Record, _ *inventory.Observed) { r.Boot.Started = r.Boot.Started.Add(-2 * time.Hour) }
	read := func(r *inventory.Record, o *inventory.Observed) {
		o.Media.Parts[1].Read, o.Media.Parts[1].Last = 100, r.Boot.Started.Add(time.Second)
	}
	isISO := func(_ *inventory.Record, o *inventory.Observed) {
		o.Media.Parts = []inventory.MediumPart{{Name: inventory.MediumISO, Size: 1 << 30, Read: 4 << 20}}
	}
	endsWithOff := func(r *inventory.Record, _ *inventory.Observed) {
		run := *r.Run
		run.Booted = &runs.Booted{Deadline: run.Booted.Deadline, EndsWithOff: true}
		r.Run = &run
	}
	late := func(_ *inventory.Record, o *inventory.Observed) { o.Attended.Started = 21 * time.Minute }
	for name, test := range map[string]struct {
		changes []change
		want    act.Kind
		outcome runs.Outcome
		text    string // in the reason, or what is waited for
	}{
		"its kernel is being read":              {nil, "", "", "the machine to read the kernel and the initrds"},
		"its last initrd was read":              {[]change{read}, act.AssignRun, "", ""},
		"it spoke before that was seen":         {[]change{restarted, said(runs.Report{Heard: time.Now()})}, act.AssignRun, "", ""},
		"it did not start in time":              {[]change{late}, act.OpenBoot, "", "the firmware looked at the medium"},
		"it runs":                               {[]change{handed, read}, "", "", "the end of item 0 of workload own"},
		"it runs, and the daemon began anew":    {[]change{handed, restarted}, "", "", "the end of item 0 of workload own"},
		"it is over its deadline":               {[]change{handed, overdue}, act.WithdrawRun, "", "the run took longer than 1h"},
		"it was given up":                       {[]change{handed, said(runs.Report{Orphan: "Failed: the run took longer than 1h0m0s"})}, act.EndRun, runs.Failed, "longer"},
		"it ended well":                         {[]change{handed, said(runs.Report{Ended: &runs.Ended{}})}, act.EndRun, runs.Succeeded, ""},
		"it ended well, and the machine is off": {[]change{handed, off, said(runs.Report{Ended: &runs.Ended{}})}, act.EndRun, runs.Succeeded, ""},
		"it ended with another code":            {[]change{handed, said(runs.Report{Ended: &runs.Ended{Exit: 3}})}, act.EndRun, runs.Failed, ""},
		"it lacks a result":                     {[]change{handed, said(runs.Report{Ended: &runs.Ended{Error: "no file matches"}})}, act.EndRun, runs.Failed, ""},
		"its machine went off":                  {[]change{handed, off}, act.WithdrawRun, "", "the machine went off"},
		"its machine went off before it began":  {[]change{off}, act.OpenBoot, "", "the machine went off"},
		"its BMC is away":                       {[]change{handed, gone}, "", "", "the BMC"},
		"its BMC is away, long after the end":   {[]change{handed, gone, long}, act.WithdrawRun, "", "its BMC does not answer"},
		"its BMC is away, and it was not begun": {[]change{gone}, act.EndRun, runs.Withdrawn, ""},
		"its Workload is gone, and it runs": {[]change{handed, func(_ *inventory.Record, o *inventory.Observed) {
			o.Order = runs.Order{Workload: "own", TakeBack: "gone"}
		}}, "", "", "the end of item 0"},
		"its Workload is gone, over its deadline": {[]change{handed, overdue, func(_ *inventory.Record, o *inventory.Observed) {
			o.Order = runs.Order{Workload: "own", TakeBack: "gone"}
		}}, act.WithdrawRun, "", "longer"},
		"it looked at its ISO":                 {[]change{isISO, late}, act.OpenBoot, "", "looked at the ISO and did not start it"},
		"its ISO is to be read":                {[]change{isISO}, "", "", "the machine to read the ISO of its run"},
		"its ISO was read":                     {[]change{isISO, func(_ *inventory.Record, o *inventory.Observed) { o.Media.Parts[0].Read = 8 << 20 }}, act.AssignRun, "", ""},
		"it ends with off, and is on":          {[]change{handed, endsWithOff}, "", "", "the end of item 0"},
		"it ends with off, which happened":     {[]change{handed, endsWithOff, off}, act.FinishRun, "", "the machine went off"},
		"it ends with off, after a short run":  {[]change{read, endsWithOff, off}, act.FinishRun, "", "the machine went off"},
		"it ends with off, and was not begun":  {[]change{endsWithOff, off}, act.OpenBoot, "", "the machine went off"},
		"it ends with off, and lacks a result": {[]change{handed, endsWithOff, off, said(runs.Report{Ended: &runs.Ended{Error: "no file"}})}, act.EndRun, runs.Failed, ""},
		"it ends with off, over its deadline":  {[]change{handed, endsWithOff, overdue}, act.WithdrawRun, "", "longer"},
		"it is cancelled at once": {[]change{handed, func(_ *inventory.Record, o *inventory.Observed) {
			o.Order.TakeBack, o.Order.Now = "the batch was cancelled", true
		}}, act.WithdrawRun, "", "cancelled"},
	} {
		p := kernelRun(func(r *inventory.Record, o *inventory.Observed) {
			for _, change := range test.changes {
				change(r, o)
			}
		})
		var got act.Kind
		text := p.Waits
		if p.Action != nil {
			got, text = p.Action.Kind, p.Action.Reason
		}
		if got != test.want || !strings.Contains(text, test.text) || test.want == act.EndRun && p.Action.Run.Outcome != test.outcome {
			t.Errorf("%s: %q, %q; want %q, %s, %q", name, got, text, test.want, test.outcome, test.text)
		}
	}
}

// TestTheMachineOfAKernelIsFreed: off, the medium out, the override away, free; a machine that a restarted daemon knows nothing
// of is not powered off.
func TestTheMachineOfAKernelIsFreed(t *testing.T) {
	t.Parallel()
	over := func(r *inventory.Record, o *inventory.Observed) {
		run := *r.Run
		run.Stage, run.Handed, run.Outcome = runs.Over, true, runs.Succeeded
		r.Run, o.Order.Counted = &run, true
		o.Run = runs.Report{Ended: &runs.Ended{}, Heard: r.Boot.Started.Add(time.Minute)}
	}
	off := func(o *inventory.Observed) { o.BMC.Power, o.Evidence.WentOff = inventory.PoweredOff, true }
	for name, test := range map[string]struct {
		change func(*inventory.Record, *inventory.Observed)
		want   act.Kind
	}{
		"on": {func(*inventory.Record, *inventory.Observed) {}, act.PowerOff},
		"on, the daemon began anew, and it was heard": {func(_ *inventory.Record, o *inventory.Observed) { o.Attended.Interrupted = true }, act.PowerOff},
		"on, the daemon began anew, and it was not heard": {func(_ *inventory.Record, o *inventory.Observed) {
			o.Attended.Interrupted, o.Run, o.Media.Reads, o.Attended.Started = true, runs.Report{Orphan: "Failed: x"}, 0, time.Hour
		}, ""},
		"off": {func(_ *inventory.Record, o *inventory.Observed) { off(o) }, act.EjectMedia},
		"off, and out": {func(_ *inventory.Record, o *inventory.Observed) {
			off(o)
			o.BMC.Media[0] = inventory.Slot{ID: "Cd"}
		}, act.BootFromDisk},
		"all is so": {func(_ *inventory.Record, o *inventory.Observed) {
			off(o)
			o.BMC.Media[0], o.BMC.Override = inventory.Slot{ID: "Cd"}, inventory.Override{Target: "None", Enabled: "Disabled"}
		}, act.FreeRun},
	} {
		p := kernelRun(func(r *inventory.Record, o *inventory.Observed) { over(r, o); test.change(r, o) })
		if (p.Action == nil) != (test.want == "") || p.Action != nil && p.Action.Kind != test.want {
			t.Errorf("%s: %+v, waits for %q, want %q", name, p.Action, p.Waits, test.want)
		}
	}
}
