package hub_test

import (
	"net/http"
	"reflect"
	"testing"

	"github.com/gitmetal/ingot/agent/hub"
	"github.com/gitmetal/ingot/agent/wire"
	"github.com/gitmetal/ingot/inventory"
)

// step is the job of one step of operation op1, which has a script, an install and a script.
func step(id string, attempt int) hub.Assignment {
	job := install("op1", attempt, 4)
	job.ID = "op1." + id
	if id[0] != '2' {
		job.Steps = []wire.Step{{Name: "script", Script: &wire.Script{Body: []byte("#!/bin/sh\n")}}}
	}
	return hub.Assignment{Job: job, Operation: "op1", Begun: id[0] == '3'}
}

func (r *rig) assignStep(a hub.Assignment) {
	r.t.Helper()
	if err := r.Assign(r.t.Context(), "web-03", a); err != nil {
		r.t.Fatalf("Assign: %v", err)
	}
}

// A late word about an earlier step or attempt changes nothing, and no earlier attempt of any step is handed out again.
func TestALateWord(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	agent := r.agent("web-03", "boot1", 4)
	r.assignStep(step("1.1", 1))
	agent.want(wire.PathNextJob, wire.Poll{}, http.StatusOK)
	agent.want("/v1/jobs/op1.1.1/result", wire.Result{Attempt: 1, OK: true}, http.StatusNoContent)
	// the first word stands
	agent.want("/v1/jobs/op1.1.1/result", wire.Result{Attempt: 1, OK: true}, http.StatusNoContent)
	r.assignStep(step("2.2", 2))
	agent.want(wire.PathNextJob, wire.Poll{}, http.StatusOK)
	before := r.state("web-03").Job
	for _, id := range []string{"op1.1.1", "op1.2.1", "op1.3.2", "op1"} {
		for _, result := range []wire.Result{{Attempt: 1, OK: true}, {Attempt: 2, OK: true}, {Attempt: 1}} {
			agent.want("/v1/jobs/"+id+"/result", result, http.StatusGone)
		}
		agent.want("/v1/jobs/"+id+"/progress", wire.Progress{Attempt: 1, Step: "install"}, http.StatusGone)
	}
	agent.want("/v1/jobs/op1.2.2/result", wire.Result{Attempt: 1, OK: true}, http.StatusGone)
	if after := r.state("web-03").Job; !reflect.DeepEqual(after, before) {
		t.Errorf("job = %+v, want %+v", after, before)
	}
	for _, old := range []hub.Assignment{step("1.1", 1), step("3.1", 1)} {
		if err := r.Assign(t.Context(), "web-03", old); err == nil {
			t.Errorf("job %s was assigned after attempt 2", old.ID)
		}
	}
}

// A result says that the step failed for good, and the hub tells so.
func TestAFinalResult(t *testing.T) {
	t.Parallel()
	for _, final := range []bool{false, true} {
		r := newRig(t)
		agent := r.agent("web-03", "boot1", 4)
		r.assignStep(step("1.1", 1))
		agent.want(wire.PathNextJob, wire.Poll{}, http.StatusOK)
		agent.want("/v1/jobs/op1.1.1/result", wire.Result{Attempt: 1, Error: "no such controller", Final: final}, http.StatusNoContent)
		if job := r.state("web-03").Job; job.State != inventory.JobFailed || job.Final != final {
			t.Errorf("job = %+v, want it failed, final %t", job, final)
		}
	}
}

// A script that was taken back is answered with 410; so is a step behind the install.
func TestAScriptThatIsTakenBack(t *testing.T) {
	t.Parallel()
	const why = "spec.protect is true"
	r := newRig(t)
	agent := r.agent("web-03", "boot1", 4)
	r.assignStep(step("1.1", 1))
	agent.want(wire.PathNextJob, wire.Poll{}, http.StatusOK)
	agent.want("/v1/jobs/op1.1.1/progress", wire.Progress{Attempt: 1, Step: "script"}, http.StatusNoContent)
	r.wantJob(inventory.Job{State: inventory.JobRunning})
	if err := r.Withdraw(t.Context(), "web-03", hub.Withdrawal{Job: "op1.1.1", Attempt: 1, Why: why}); err != nil {
		t.Fatal(err)
	}
	agent.want("/v1/jobs/op1.1.1/progress", wire.Progress{Attempt: 1, Step: "script"}, http.StatusGone)
	agent.want("/v1/jobs/op1.1.1/result", wire.Result{Attempt: 1, Error: "withdrawn"}, http.StatusNoContent)
	r.wantJob(inventory.Job{State: inventory.JobWithdrawn, Over: true, Error: why})

	r.assignStep(step("3.2", 2))
	agent.want(wire.PathNextJob, wire.Poll{}, http.StatusOK)
	if err := r.Withdraw(t.Context(), "web-03", hub.Withdrawal{Job: "op1.3.2", Attempt: 2, Why: why}); err == nil {
		t.Error("a step behind the install was taken back")
	}
}

// An agent that begins anew in a step gets that step again, and no earlier one; so does the agent of a restarted
// daemon.
func TestAnAgentThatBeginsAnewInAStep(t *testing.T) {
	t.Parallel()
	for _, id := range []string{"1.1", "2.1", "3.1"} {
		r := newRig(t)
		agent := r.agent("web-03", "boot1", 4)
		r.assignStep(step(id, 1))
		for range 2 {
			if got := agent.next(); got.ID != "op1."+id || len(got.Steps) != 1 {
				t.Errorf("job = %+v, want step %s again", got, id)
			}
		}
		r.start()
		agent.use(agent.leaf)
		r.assignStep(step(id, 1))
		if got := agent.next(); got.ID != "op1."+id {
			t.Errorf("job = %+v, want step %s after the restart", got, id)
		}
	}
}

// A hub that lost its memory says what the agent says that it works on, and until the agent spoke that it did not.
func TestWhatAnAgentWorksOn(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	agent := r.agent("web-03", "boot1", 4)
	if state := r.state("web-03"); !state.Quiet || state.Runs != "" {
		t.Errorf("state = %+v, want an agent that did not speak yet", state)
	}
	agent.pollFor(wire.Poll{Running: "op1.2.1"},
		func(inventory.Job) bool { return !r.state("web-03").Quiet })
	if state := r.state("web-03"); state.Runs != "op1.2.1" || state.Job.ID != "" {
		t.Errorf("state = %+v, want the agent's step named", state)
	}
	r.assignStep(step("2.1", 1))
	agent.pollFor(wire.Poll{Running: "op1.2.1"},
		func(j inventory.Job) bool { return j.State == inventory.JobRunning })
	if state := r.state("web-03"); state.Runs != "" || state.Job.Begun {
		t.Errorf("state = %+v, want the step known, and no leave given", state)
	}
}

// A daemon that is restarted knows the job of every kind that it gives an agent.
func TestEveryKindOfJobIsKnownAfterARestart(t *testing.T) {
	t.Parallel()
	for _, kind := range append([]string{"no such kind"}, wire.JobKinds...) {
		r := newRig(t)
		r.agent("web-03", "boot1", 4)
		job := install("op1", 1, 4)
		job.Kind = kind
		err := r.Assign(t.Context(), "web-03", hub.Assignment{Job: job})
		r.start()
		if _, again := r.State(t.Context(), "web-03"); again != nil || (err != nil) != (kind == "no such kind") {
			t.Errorf("%s: Assign = %v, State after the restart = %v", kind, err, again)
		}
	}
}
