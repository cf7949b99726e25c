package effects_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/requests"
	"github.com/gitmetal/ingot/reconcile/act"
	"github.com/gitmetal/ingot/schemas"
)

// A power-on says whether the machine was on already. A power-off that shall wait asks the BMC nothing: the look before
// it has read the power.
func TestPowerIsAskedFor(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	if got := r.do(act.Action{Kind: act.PowerOn}); got.Result != act.Done || got.Found {
		t.Errorf("PowerOn = %+v, want it done, and the machine not found on", got)
	}
	if got := r.do(act.Action{Kind: act.PowerOn}); got.Result != act.Done || !got.Found {
		t.Errorf("PowerOn again = %+v, want it done, and the machine found on", got)
	}
	if got := r.do(act.Action{Kind: act.PowerOff, Wait: true}); got.Result != act.Waits ||
		r.observe().BMC.Power != inventory.PoweredOn {
		t.Errorf("PowerOff that waits = %+v, want nothing sent", got)
	}
	r.wantDone(act.PowerOff, act.PowerOff)
	before := r.bmc.Log().Counts().Requests
	r.do(act.Action{Kind: act.PowerOff, Wait: true})
	if asked := r.bmc.Log().Counts().Requests - before; asked != 0 {
		t.Errorf("a power-off that waits made %d requests", asked)
	}
}

// A requested reboot asks the system to shut down, or resets the machine, and sends nothing else.
func TestARebootIsOneCommand(t *testing.T) {
	t.Parallel()
	for mode, want := range map[string]inventory.PowerState{schemas.RebootSoft: inventory.PoweredOff, schemas.RebootHard: inventory.PoweredOn} {
		r := newRig(t)
		r.wantDone(act.PowerOn)
		before := r.bmc.Log().Counts().Writes
		boot := inventory.Boot{Request: &requests.Run{Kind: requests.Reboot, Value: "fw-7", Mode: mode}}
		if got := r.do(act.Action{Kind: act.Reboot, Boot: &boot}); got.Result != act.Done {
			t.Errorf("%s: %+v, want it done", mode, got)
		}
		if sent := r.bmc.Log().Counts().Writes - before; sent != 1 {
			t.Errorf("%s: %d commands, want one", mode, sent)
		}
		for deadline := time.Now().Add(time.Minute); r.observe().BMC.Power != want; { // a system takes a moment to shut down
			if time.Now().After(deadline) {
				t.Fatalf("%s: the machine is %s, want %s", mode, r.observe().BMC.Power, want)
			}
		}
	}
}

// What a look asks of a BMC is as little as its question needs: the drives only where the decision may rest on them.
func TestALookAsksForLittle(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.wantDone(act.InsertMedia, act.BootFromMedia, act.PowerOn)
	boot := *r.record.Boot
	for _, test := range []struct {
		name   string
		boot   *inventory.Boot
		drives bool
	}{
		{"at rest", &inventory.Boot{ID: boot.ID, Target: inventory.FromDisk, Stage: inventory.Running}, false},
		{"never booted", nil, false},
		{"its ramdisk starts", &inventory.Boot{ID: boot.ID, Target: inventory.FromRamdisk, Stage: inventory.Running}, true},
		{"is set up", &inventory.Boot{ID: boot.ID, Target: inventory.FromDisk, Stage: inventory.Preparing}, true},
	} {
		r.record.Boot = test.boot
		r.observe() // what is learned once
		before := r.bmc.Log().Counts().Requests
		got := r.observe()
		want := 1
		if test.drives {
			want = 2
		}
		if asked := r.bmc.Log().Counts().Requests - before; asked != want || (len(got.BMC.Media) > 0) != test.drives {
			t.Errorf("%s: %d requests and %d drives, want %d requests", test.name, asked, len(got.BMC.Media), want)
		}
	}
}

// A job is taken back from the agent until it has begun to write; one that shall end as untaken, until it was taken up.
func TestAJobIsTakenBack(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.mirrored()
	r.wantDone(act.FetchImage, act.InsertMedia)
	if got := r.do(act.Action{Kind: act.AssignStep, Contents: []string{"blank"}}); got.Result != act.Done {
		t.Fatalf("AssignStep = %+v", got)
	}
	back := act.Action{Kind: act.WithdrawJob, Operation: r.record.Operation, Error: "spec.protect is true",
		Withdrawn: true}
	if got := r.do(back); got.Result != act.Done {
		t.Errorf("WithdrawJob = %+v", got)
	}
	if job := r.observe().Agent.Job; job.State != inventory.JobWithdrawn || !job.Over ||
		job.Error != back.Error {
		t.Errorf("job = %+v, want it withdrawn and over", job)
	}
	if got := r.do(back); got.Result != act.Done {
		t.Errorf("WithdrawJob again = %+v", got)
	}
}

// profiles keeps documents in memory.
type profiles map[inventory.MachineID][]byte

func (p profiles) LoadProfile(_ context.Context, id inventory.MachineID) ([]byte, error) {
	if string(p[id]) == "broken" {
		return nil, errors.New("no answer")
	}
	return p[id], nil
}

func (p profiles) SaveProfile(_ context.Context, id inventory.MachineID, document []byte) error {
	p[id] = document
	return nil
}

// What was learned of a BMC outlives the daemon, and is of one address. A profile that cannot be read costs requests only.
func TestTheProfileOfABMCIsKept(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	kept := profiles{}
	look := func(before string) (requests int) {
		if before != "" {
			kept[r.record.ID] = []byte(before)
		}
		r.profiles = kept
		r.restart()
		at := r.bmc.Log().Counts().Requests
		if got := r.observe(); got.BMC.Reach != inventory.Reached || len(got.BMC.Media) != 1 {
			t.Fatalf("BMC = %+v", got.BMC)
		}
		return r.bmc.Log().Counts().Requests - at
	}
	first := look("")
	document := string(kept[r.record.ID])
	if !strings.Contains(document, `"drives":["/redfish/v1/Managers/`) || !strings.Contains(document, r.desired.BMC.Address) {
		t.Errorf("kept: %s", document)
	}
	if again := look(""); again >= first {
		t.Errorf("%d requests with a profile, %d without", again, first)
	}
	for _, useless := range []string{"broken", "{", strings.ReplaceAll(document, r.desired.BMC.Address, "https://10.0.0.1")} {
		if again := look(useless); again != first {
			t.Errorf("%d requests with the profile %.20s, want %d as without", again, useless, first)
		}
	}
}
