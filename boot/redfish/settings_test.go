package redfish_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/gitmetal/ingot/boot/redfish"
	"github.com/gitmetal/ingot/internal/lab/bmc"
	"github.com/gitmetal/ingot/internal/lab/rules"
	"github.com/gitmetal/ingot/inventory/settings"
)

func enabled() settings.Wanted {
	return settings.Wanted{Bios: map[string]any{"ProcVirtualization": "Enabled", "PerformanceCores": "16", "ProcessorMode": "Custom"}}
}

// runs reports whether a BMC lists a job that runs.
func runs(t *testing.T, c *redfish.Client) string {
	t.Helper()
	jobs, err := c.Jobs(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return settings.WhyNoPower(jobs, nil)
}

// TestSettingsOfEveryHabit writes settings, resets the machine once, and reads them back, at BMCs of every habit. A second
// write writes nothing.
func TestSettingsOfEveryHabit(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		faults bmc.Faults
		vendor string
		job    bool // the BMC has a job
		work   bool // the job runs while the machine starts
	}{
		{"a task", bmc.Faults{TaskPolls: 2}, "", true, true},
		{"a task, with weak ETags", bmc.Faults{TaskPolls: 2, WeakETags: true}, "", true, true},
		{"a task that vanishes", bmc.Faults{TaskPolls: 2, JobVanishes: true}, "", true, true},
		{"HPE: at the next reset, without a task", bmc.Faults{BIOS: bmc.AtReset}, "HPE", false, false},
		{"Dell: by a job that is asked for", bmc.Faults{BIOS: bmc.AsJob, TaskPolls: 2}, "Dell Inc.", true, true},
		{"no registry", bmc.Faults{NoRegistry: true}, "", true, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			b := serve(t, func(c *bmc.Config) {
				c.Faults = test.faults
				if test.vendor != "" {
					c.Identity.Manufacturer = test.vendor
				}
			})
			c := open(t, b, nil)
			found := c.Settings(t.Context(), enabled(), nil)
			if found.Error != "" || len(found.Differs) != 3 || found.Unchecked != test.faults.NoRegistry {
				t.Fatalf("before: %+v", found)
			}
			job, err := c.WriteSettings(t.Context(), enabled())
			if err != nil || (job != "") != test.job {
				t.Fatalf("WriteSettings = %q, %v, want a job: %v", job, err, test.job)
			}
			work := &settings.Work{Job: job}
			if found = c.Settings(t.Context(), enabled(), work); !found.IsPending() || runs(t, c) != "" || found.Holds() {
				t.Fatalf("written: %+v, %s", found, runs(t, c))
			}
			if again, err := c.WriteSettings(t.Context(), enabled()); err != nil || again != "" || b.Log().Counts().Settings != 1 {
				t.Fatalf("a second write: %q, %v, %d writes", again, err, b.Log().Counts().Settings)
			}
			if err := c.Reset(t.Context(), redfish.PowerOn); err != nil {
				t.Fatal(err)
			}
			if why := runs(t, c); (why != "") != test.work {
				t.Errorf("while the machine starts: %q", why)
			}
			for range 4 {
				found = c.Settings(t.Context(), enabled(), work)
			}
			gone := test.faults.JobVanishes || test.job == false
			if !found.Holds() || (found.Job == nil) != gone || found.Job != nil && found.Job.Runs() {
				t.Errorf("after the reset: %+v, job %v", found, found.Job)
			}
			if why := runs(t, c); why != "" {
				t.Errorf("after the reset: %s", why)
			}
			if _, err := c.WriteSettings(t.Context(), enabled()); err != nil || b.Log().Counts().Settings != 1 {
				t.Errorf("settings that hold were written: %v, %d writes", err, b.Log().Counts().Settings)
			}
		})
	}
}

// TestJobsThatLie: the job says that it has ended, and what was to change tells.
func TestJobsThatLie(t *testing.T) {
	t.Parallel()
	for name, faults := range map[string]bmc.Faults{"Critical": {JobCritical: true}, "Completed": {JobLies: true}, "gone": {JobLies: true, JobVanishes: true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := serve(t, func(c *bmc.Config) { c.Faults = faults })
			c := open(t, b, nil)
			job, err := c.WriteSettings(t.Context(), enabled())
			if err != nil {
				t.Fatal(err)
			}
			if err := c.Reset(t.Context(), redfish.PowerOn); err != nil {
				t.Fatal(err)
			}
			var found settings.Found
			for range 2 {
				found = c.Settings(t.Context(), enabled(), &settings.Work{Job: job})
			}
			if found.Holds() || found.IsPending() || len(found.Differs) != 3 {
				t.Errorf("found %+v", found)
			}
			said := found.Job != nil && found.Job.HasFailed()
			if said != faults.JobCritical || (found.Job == nil) != faults.JobVanishes {
				t.Errorf("the job says %v", found.Job)
			}
		})
	}
}

// TestJobsOfOthers: a job that nobody of ours began is seen while it runs, and the BMC's answer is no "none".
func TestJobsOfOthers(t *testing.T) {
	t.Parallel()
	b := serve(t, nil)
	c := open(t, b, nil)
	id := b.StartJob("Firmware update")
	if why := runs(t, c); !strings.Contains(why, "(Firmware update) says Running") {
		t.Errorf("while it runs: %q", why)
	}
	b.Inject(func(f *bmc.Faults) { f.Unavailable = 20 })
	if jobs, err := c.Jobs(t.Context()); err == nil {
		t.Errorf("a BMC that does not answer has the jobs %v", jobs)
	}
	b.Inject(func(f *bmc.Faults) { f.Unavailable = 0 })
	b.EndJob(id)
	before := b.Log().Counts().Requests
	for range 3 {
		if why := runs(t, c); why != "" {
			t.Errorf("after its end: %q", why)
		}
	}
	if sent := b.Log().Counts().Requests - before; sent != 4 { // the ended job is read once
		t.Errorf("%d requests for three readings of the jobs, want 4", sent)
	}
}

// TestJobsThatAreNotSeenAtOnce: what a BMC refuses to show is not taken for "no job runs".
func TestJobsThatAreNotSeenAtOnce(t *testing.T) {
	t.Parallel()
	const tasks = "/redfish/v1/TaskService/Tasks"
	const expands = `{"match": {"path": "/redfish/v1"},
		"then": {"merge": {"ProtocolFeaturesSupported": {"ExpandQuery": {"Levels": true, "NoLinks": true}}}}}`
	for name, test := range map[string]struct {
		rules    string
		unseen   int // readings in which the BMC says that there are no jobs
		failures int // readings that end with an error
	}{
		"$expand is declared and refused": {expands + `, {"match": {"path": "` + tasks + `"}, "times": 1, "then": {"status": 501}}`, 0, 0},
		"the next page is gone": {`{"match": {"path": "` + tasks + `"}, "times": 1,
			"then": {"merge": {"Members@odata.nextLink": "` + tasks + `/page/2"}}}`, 0, 1},
		"the service starts late": {`{"match": {"path": "/redfish/v1/TaskService"}, "times": 1, "then": {"status": 404}}`, 1, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := serve(t, nil)
			c := open(t, b, nil)
			list, err := rules.Read([]byte("[" + test.rules + "]"))
			must(t, err)
			b.Rules().Put(list)
			b.StartJob("Firmware update")
			for range test.unseen {
				if jobs, err := c.Jobs(t.Context()); err != nil || len(jobs) > 0 {
					t.Errorf("before the service is there: %v, %v", jobs, err)
				}
			}
			for range test.failures {
				if jobs, err := c.Jobs(t.Context()); err == nil {
					t.Errorf("half of the list is read as %v, want an error", jobs)
				}
			}
			if why := runs(t, c); !strings.Contains(why, "(Firmware update) says Running") {
				t.Errorf("the job that runs: %q", why)
			}
		})
	}
}

func TestCheckSaysWhetherSettingsAreOffered(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		faults  bmc.Faults
		verdict redfish.Verdict
		text    string
	}{
		"offered":     {bmc.Faults{}, redfish.Good, "7 attributes, applied OnReset, registry LabBios.v1_0_0"},
		"no registry": {bmc.Faults{NoRegistry: true}, redfish.Limited, "no registry"},
		"none":        {bmc.Faults{NoBIOS: true}, redfish.Limited, "not offered"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := open(t, serve(t, func(c *bmc.Config) { c.Faults = test.faults }), nil)
			report, err := c.Check(t.Context())
			i := slices.IndexFunc(report.Findings, func(f redfish.Finding) bool { return f.Topic == "BIOS settings" })
			if err != nil || i < 0 || report.Findings[i].Verdict != test.verdict || !strings.Contains(report.Findings[i].Text, test.text) {
				t.Errorf("Check = %v, %+v", err, report.Findings)
			}
		})
	}
}
