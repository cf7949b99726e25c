package upkeep_test

import (
	"strings"
	"testing"
	"time"

	"github.com/gitmetal/ingot/inventory/settings"
	"github.com/gitmetal/ingot/reconcile/plan/upkeep"
)

var want = settings.Wanted{Steps: []string{"bios"}, Bios: map[string]any{"Virtualization": "Enabled"}, Seconds: 3600}

// found is a reading of the wanted settings.
func found(edit func(f *settings.Found)) settings.Found {
	f := settings.Found{Asked: true, Digest: want.Digest()}
	if edit != nil {
		edit(&f)
	}
	return f
}

func differs(f *settings.Found) {
	f.Differs = []settings.Difference{{Name: "Virtualization", Want: "Enabled", Found: "Disabled"}}
}

func job(state, status string, more ...func(f *settings.Found)) func(f *settings.Found) {
	return func(f *settings.Found) {
		f.Job = &settings.Job{Path: "/tasks/1", State: state, Status: status}
		for _, edit := range more {
			edit(f)
		}
	}
}

func at(stage settings.Stage) *settings.State {
	return &settings.State{Work: &settings.Work{Stage: stage, Steps: want.Steps, Bios: want.Bios, Digest: want.Digest(), Seconds: 3600, Job: "/tasks/1"}}
}

// TestDecide is the table of Decide.
func TestDecide(t *testing.T) {
	t.Parallel()
	failed := &settings.State{Failed: &settings.Failure{Digest: want.Digest(), Error: "the job said no"}}
	held := &settings.State{Held: want.Digest()}
	late := func(l *upkeep.Look) { l.Started, l.Passed, l.Since = true, true, time.Hour }
	called := func(l *upkeep.Look) { l.Started, l.Passed, l.Since = true, true, time.Minute }
	started := func(l *upkeep.Look) { l.Started = true }
	overdue := func(l *upkeep.Look) { l.Started, l.Overdue = true, true }
	for _, test := range []struct {
		name  string
		look  upkeep.Look
		edit  func(l *upkeep.Look)
		due   upkeep.Due
		words string
	}{
		{"nothing is wanted", upkeep.Look{}, nil, upkeep.Nothing, ""},
		{"not asked yet", upkeep.Look{Want: want}, nil, upkeep.Wait, "a look"},
		{"asked for other settings", upkeep.Look{Want: want, Found: settings.Found{Asked: true, Digest: "other"}}, nil, upkeep.Wait, "a look"},
		{"unreadable is not as wanted", upkeep.Look{Want: want, Found: found(func(f *settings.Found) { f.Error = "503" })}, nil, upkeep.Unread, "503"},
		{"no settings", upkeep.Look{Want: want, Found: found(func(f *settings.Found) { f.Missing = true })}, nil, upkeep.Refuse, "offers no BIOS settings"},
		{"a value that is refused", upkeep.Look{Want: want, Found: found(func(f *settings.Found) { f.Refused = []string{"it takes Enabled"} })}, nil, upkeep.Refuse, "it takes Enabled: nothing was changed"},
		{"as wanted, and not recorded", upkeep.Look{Want: want, Found: found(nil)}, nil, upkeep.Record, ""},
		{"as wanted", upkeep.Look{Want: want, Found: found(nil), State: held}, nil, upkeep.Nothing, ""},
		{"changed by hand after that", upkeep.Look{Want: want, Found: found(differs), State: held}, nil, upkeep.Open, "want Enabled, found Disabled"},
		{"another", upkeep.Look{Want: want, Found: found(differs)}, nil, upkeep.Open, "want Enabled, found Disabled"},
		{"failed before", upkeep.Look{Want: want, Found: found(differs), State: failed}, nil, upkeep.GiveUp, "the job said no"},
		{"failed before, and a person retries", upkeep.Look{Want: want, Found: found(differs), State: failed, Retry: true}, nil, upkeep.Open, ""},
		{"failed before, and it is as wanted now", upkeep.Look{Want: want, Found: found(nil), State: failed}, nil, upkeep.Record, ""},

		{"intended", upkeep.Look{Want: want, Found: found(differs), State: at(settings.Intended)}, nil, upkeep.Write, ""},
		{"intended, and unreadable", upkeep.Look{Want: want, State: at(settings.Intended)}, nil, upkeep.Write, ""},
		{"intended, and not wanted any more", upkeep.Look{State: at(settings.Intended)}, nil, upkeep.Drop, ""},

		{"written, the job waits", upkeep.Look{Want: want, Found: found(job("Pending", "OK", differs)), State: at(settings.Written)}, nil, upkeep.Reset, ""},
		{"written, the job says Starting until the reset", upkeep.Look{Want: want, Found: found(job("Starting", "OK", differs)), State: at(settings.Written)}, nil, upkeep.Reset, ""},
		{"written, without a job", upkeep.Look{Want: want, Found: found(differs), State: at(settings.Written)}, nil, upkeep.Reset, ""},
		{"written, the job runs at once", upkeep.Look{Want: want, Found: found(job("Running", "OK", differs)), State: at(settings.Written)}, nil, upkeep.Wait, "says Running"},
		{"written, and applied at once", upkeep.Look{Want: want, Found: found(job("Completed", "OK")), State: at(settings.Written)}, nil, upkeep.Succeed, ""},
		{"written, and the job failed at once", upkeep.Look{Want: want, Found: found(job("Exception", "Critical", differs)), State: at(settings.Written)}, nil, upkeep.Fail, "says Exception/Critical"},
		{"written, not wanted any more: what is written is seen through", upkeep.Look{Found: found(differs), State: at(settings.Written)}, nil, upkeep.Reset, ""},

		{"resetting, not on yet, the job waits", upkeep.Look{Want: want, Found: found(job("Pending", "OK", differs)), State: at(settings.Resetting)}, nil, upkeep.Boot, ""},
		{"resetting, the job runs", upkeep.Look{Want: want, Found: found(job("Running", "OK", differs)), State: at(settings.Resetting)}, started, upkeep.Wait, "says Running"},
		{"resetting, the job runs though the values are there", upkeep.Look{Want: want, Found: found(job("Running", "OK")), State: at(settings.Resetting)}, late, upkeep.Wait, "says Running"},
		{"resetting, the job is not readable", upkeep.Look{Want: want, Found: found(func(f *settings.Found) { f.Jobs = "503" }), State: at(settings.Resetting)}, late, upkeep.Wait, "503"},
		{"as wanted", upkeep.Look{Want: want, Found: found(job("Completed", "OK")), State: at(settings.Resetting)}, started, upkeep.Succeed, ""},
		{"as wanted, the job is gone", upkeep.Look{Want: want, Found: found(nil), State: at(settings.Resetting)}, started, upkeep.Succeed, ""},
		{"as wanted, though the job says that it failed", upkeep.Look{Want: want, Found: found(job("Completed", "Critical")), State: at(settings.Resetting)}, started, upkeep.Succeed, ""},
		{"Completed with Critical, and not changed", upkeep.Look{Want: want, Found: found(job("Completed", "Critical", differs)), State: at(settings.Resetting)}, started, upkeep.Fail, "Virtualization: want Enabled, found Disabled; job /tasks/1 of the BMC says Completed/Critical"},
		{"Completed, and not changed, the machine starts still", upkeep.Look{Want: want, Found: found(job("Completed", "OK", differs)), State: at(settings.Resetting)}, started, upkeep.Boot, ""},
		{"Completed, and not changed, the machine has just called", upkeep.Look{Want: want, Found: found(job("Completed", "OK", differs)), State: at(settings.Resetting)}, called, upkeep.Boot, ""},
		{"Completed, and not changed, long after the call", upkeep.Look{Want: want, Found: found(job("Completed", "OK", differs)), State: at(settings.Resetting)}, late, upkeep.Fail, "want Enabled, found Disabled"},
		{"the job vanished, and not changed", upkeep.Look{Want: want, Found: found(differs), State: at(settings.Resetting)}, late, upkeep.Fail, "want Enabled, found Disabled"},
		{"unreadable proves nothing", upkeep.Look{Want: want, Found: found(func(f *settings.Found) { f.Error = "503" }), State: at(settings.Resetting)}, late, upkeep.Boot, ""},
		{"hidden while the firmware works", upkeep.Look{Want: want, Found: found(func(f *settings.Found) { f.Refused = []string{"not shown"} }), State: at(settings.Resetting)}, late, upkeep.Boot, ""},
		{"overdue", upkeep.Look{Want: want, Found: found(job("Running", "OK", differs)), State: at(settings.Resetting)}, overdue, upkeep.Fail, "within 1h0m0s"},
		{"overdue and as wanted", upkeep.Look{Want: want, Found: found(nil), State: at(settings.Resetting)}, overdue, upkeep.Succeed, ""},
	} {
		if test.edit != nil {
			test.edit(&test.look)
		}
		got := upkeep.Decide(test.look)
		if got.Due != test.due || !strings.Contains(got.Why, test.words) {
			t.Errorf("%s: Decide = %s %q, want %s %q", test.name, got.Due, got.Why, test.due, test.words)
		}
	}
}
