package attended_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/attended"
)

var noon = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

// booting is a look at a machine whose ramdisk was powered on, and whose agent has a job.
func booting() inventory.Observed {
	return inventory.Observed{
		Record: inventory.Record{Boot: &inventory.Boot{ID: "b", Epoch: 1, Stage: inventory.Running, Started: noon}},
		BMC:    inventory.BMCState{Reach: inventory.Reached},
		Agent: inventory.AgentState{Boot: "b", Seen: noon,
			Job: inventory.Job{ID: "j", Attempt: 1, State: inventory.JobRunning}},
	}
}

// all are ages that have lasted equally long since the start, and before the start. The boot was open at the start.
func all(since, before time.Duration) inventory.Ages {
	age := since + before
	return inventory.Ages{Start: since, Opened: age, Started: age, Silent: age, Job: age, Interrupted: true}
}

// TestAttendedTime looks at a machine: twice as usual, a minute apart, then a minute later as the test says, then once
// more as usual.
func TestAttendedTime(t *testing.T) {
	t.Parallel()
	const m = time.Minute
	except := func(ages inventory.Ages, change func(*inventory.Ages)) inventory.Ages {
		change(&ages)
		return ages
	}
	for name, test := range map[string]struct {
		third func(*inventory.Observed)
		want  inventory.Ages
	}{
		"as usual":             {func(*inventory.Observed) {}, all(3*m, 0)},
		"its BMC is away":      {func(o *inventory.Observed) { o.BMC.Reach = inventory.Unreachable }, all(m, 0)},
		"its BMC refuses":      {func(o *inventory.Observed) { o.BMC.Reach = inventory.Refused }, all(m, 0)},
		"its BMC was not read": {func(o *inventory.Observed) { o.BMC.Reach = inventory.NotAsked }, all(m, 0)},
		"its BMC is away, the agent spoke": {func(o *inventory.Observed) {
			o.BMC.Reach, o.Agent.Seen = inventory.Unreachable, noon.Add(time.Second)
		}, except(all(3*m, 0), func(a *inventory.Ages) { a.Silent = 0 })},
		"its BMC is away, the medium was read": {func(o *inventory.Observed) {
			o.BMC.Reach, o.Media.Last = inventory.Unreachable, noon.Add(time.Second)
		}, all(3*m, 0)},
		"the agent spoke": {func(o *inventory.Observed) { o.Agent.Seen = noon.Add(time.Second) },
			except(all(3*m, 0), func(a *inventory.Ages) { a.Silent = 0 })},
		"the wall clock of the agent's message was set": {func(o *inventory.Observed) {
			o.Agent.Quiet, o.Agent.Seen = true, noon.Add(time.Hour)
		}, all(3*m, 0)},
		"another agent enrolled": {func(o *inventory.Observed) { o.Agent.Boot, o.Agent.Quiet = "c", true },
			except(all(3*m, 0), func(a *inventory.Ages) { a.Silent = 0 })},
		"the job ended": {func(o *inventory.Observed) { o.Agent.Job.State = inventory.JobFailed },
			except(all(3*m, 0), func(a *inventory.Ages) { a.Job = 0 })},
		"another boot": {func(o *inventory.Observed) {
			o.Record.Boot = &inventory.Boot{ID: "c", Epoch: 2, Stage: inventory.Preparing}
		}, except(all(3*m, 0), func(a *inventory.Ages) { a.Opened, a.Started, a.Interrupted = 0, 0, false })},
		"powered on again": {func(o *inventory.Observed) {
			boot := *o.Record.Boot
			boot.Started = noon.Add(time.Hour)
			o.Record.Boot = &boot
		}, except(all(3*m, 0), func(a *inventory.Ages) { a.Started = 0 })},
	} {
		var measured attended.Time
		measured = measured.Look(time.Hour, 0, booting()).Look(m, 0, booting())
		o := booting()
		test.third(&o)
		measured = measured.Look(m, 0, o)
		after := measured.Ages()
		if o.BMC.Reach != inventory.Reached && o.Agent.Seen.Equal(noon) && o.Media.Last.IsZero() && after != all(m, 0) {
			t.Errorf("%s: ages %+v, want none beyond the first minute", name, after)
		}
		// what is there at both ends goes on
		usual := booting()
		usual.Record, usual.Agent, usual.Media = o.Record, o.Agent, o.Media
		measured = measured.Look(m, 0, usual)
		if name == "its BMC is away, the agent spoke" || name == "its BMC is away, the medium was read" ||
			o.BMC.Reach == inventory.Reached {
			for _, age := range []*time.Duration{&test.want.Opened, &test.want.Started, &test.want.Silent, &test.want.Job} {
				if *age == 0 {
					*age = m
				}
			}
			if o.Record.Boot.Stage == inventory.Preparing {
				test.want.Started = 0
			}
		}
		if diff := cmp.Diff(test.want, measured.Ages()); diff != "" {
			t.Errorf("%s: ages (-want +got):\n%s", name, diff)
		}
	}
}

// TestAttendedTimeOverRestarts keeps what lasts over restarts: the time between does not count, and a lost document
// begins anew.
func TestAttendedTimeOverRestarts(t *testing.T) {
	t.Parallel()
	var measured attended.Time
	for restart := range 3 {
		quiet := booting()
		quiet.Agent.Quiet, quiet.Agent.Seen = true, noon.Add(time.Duration(restart)*time.Hour)
		measured = measured.Look(10*time.Hour, 0, quiet).Look(time.Minute, 0, quiet)
		if want := all(time.Minute, time.Duration(restart)*time.Minute); measured.Ages() != want {
			t.Errorf("after restart %d: ages %+v, want %+v", restart, measured.Ages(), want)
		}
		document, err := json.Marshal(measured)
		if err != nil {
			t.Fatal(err)
		}
		measured = attended.Time{}
		if err := json.Unmarshal(document, &measured); err != nil {
			t.Fatal(err)
		}
	}
	if again := (attended.Time{}).Look(time.Hour, 0, booting()).Ages(); again != (inventory.Ages{Interrupted: true}) {
		t.Errorf("without a document: ages %+v, want none", again)
	}
}

// How long a machine takes from its power-on to its agent is learned at each boot that comes so far, and outlives the boot
// and the daemon.
func TestABootIsMeasured(t *testing.T) {
	t.Parallel()
	var measured attended.Time
	look := func(boot string, enrolled bool, pass time.Duration) time.Duration {
		o := booting()
		o.Record.Boot.ID, o.Agent.Boot = boot, ""
		if enrolled {
			o.Agent.Boot = boot
		}
		measured = measured.Look(pass, 0, o)
		document, err := json.Marshal(measured)
		if err != nil {
			t.Fatal(err)
		}
		var kept attended.Time
		if err := json.Unmarshal(document, &kept); err != nil || kept.Ages().Enrolled != measured.Ages().Enrolled {
			t.Fatalf("a restart keeps %v, %v, want %v", kept.Ages().Enrolled, err, measured.Ages().Enrolled)
		}
		return measured.Ages().Enrolled
	}
	for i, test := range []struct {
		boot     string
		enrolled bool
		want     time.Duration
	}{
		{"a", false, 0}, {"a", false, 0}, {"a", true, 2 * time.Minute}, {"a", true, 2 * time.Minute},
		{"b", false, 2 * time.Minute}, {"b", false, 2 * time.Minute}, // it got nowhere
		{"c", false, 2 * time.Minute}, {"c", true, time.Minute}, {"c", true, time.Minute},
	} {
		if got := look(test.boot, test.enrolled, time.Minute); got != test.want {
			t.Errorf("look %d: %v, want %v", i, got, test.want)
		}
	}
}
