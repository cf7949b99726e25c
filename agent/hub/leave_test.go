package hub_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/gitmetal/ingot/agent/hub"
	"github.com/gitmetal/ingot/agent/wire"
	"github.com/gitmetal/ingot/inventory"
)

// scripted is a job with a script before its install.
func scripted(id string, attempt int, epoch inventory.Epoch) wire.Job {
	job := install(id, attempt, epoch)
	job.Steps = append([]wire.Step{{Name: "burn-in", Script: &wire.Script{Body: []byte("#!/bin/sh\n")}}}, job.Steps...)
	return job
}

// asks is a poll of an agent that begins no install step before it was answered.
var asks = wire.Poll{Asks: true}

// pollUntil polls until the job is in a state, and fails when it gets a job.
func (c *caller) pollUntil(question wire.Poll, state inventory.JobState) {
	c.rig.t.Helper()
	c.pollFor(question, func(job inventory.Job) bool { return job.State == state })
}

// pollFor polls until the job is as wanted, and fails when it gets a job.
func (c *caller) pollFor(question wire.Poll, wanted func(inventory.Job) bool) {
	t := c.rig.t
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		body, err := json.Marshal(question)
		if err != nil {
			t.Error(err)
			return
		}
		request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.rig.server.URL+wire.PathNextJob,
			bytes.NewReader(body))
		if err != nil {
			t.Error(err)
			return
		}
		if response, err := c.client.Do(request); err == nil {
			t.Errorf("the poll was answered with %s", response.Status)
			_ = response.Body.Close()
		}
	}()
	for !wanted(c.rig.state("web-03").Job) {
		select {
		case <-c.rig.notified:
		case <-time.After(20 * time.Second):
			t.Fatalf("job = %+v, want another one", c.rig.state("web-03").Job)
		}
	}
	cancel()
	<-ended
}

func (r *rig) wantJob(want inventory.Job) {
	r.t.Helper()
	got := r.state("web-03").Job
	if got.State != want.State || got.Begun != want.Begun || got.Over != want.Over || got.Untouched != want.Untouched ||
		got.Error != want.Error {
		r.t.Errorf("job = %+v, want %+v", got, want)
	}
}

// A job whose leave is gone is answered with 410 at once, whether it waits to be fetched, was fetched, or is between
// two steps; and is known to have written nothing.
func TestLeaveThatIsGone(t *testing.T) {
	t.Parallel()
	const why = "spec.protect is true"
	t.Run("assigned", func(t *testing.T) {
		t.Parallel()
		r := newRig(t)
		agent := r.agent("web-03", "boot1", 4)
		r.assign("web-03", scripted("op1", 1, 4))
		r.lets(why, nil)
		agent.pollUntil(asks, inventory.JobWithdrawn)
		r.wantJob(inventory.Job{State: inventory.JobWithdrawn, Over: true, Untouched: true, Error: why})
	})
	for name, at := range map[string]string{"fetched": "", "in a script": "burn-in", "between two steps": "install"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			agent := r.agent("web-03", "boot1", 4)
			r.assign("web-03", scripted("op1", 1, 4))
			agent.want(wire.PathNextJob, asks, http.StatusOK)
			if at == "install" {
				agent.want("/v1/jobs/op1/progress", wire.Progress{Attempt: 1, Step: "burn-in"}, http.StatusNoContent)
			}
			r.lets(why, nil)
			agent.want("/v1/jobs/op1/progress", wire.Progress{Attempt: 1, Step: at}, http.StatusGone)
			r.wantJob(inventory.Job{State: inventory.JobWithdrawn, Untouched: true, Error: why})
			agent.want("/v1/jobs/op1/progress", wire.Progress{Attempt: 1, Step: "install"}, http.StatusGone)
			agent.want("/v1/jobs/op1/result", wire.Result{Attempt: 1, Error: "the job was withdrawn before this step",
				Untouched: true}, http.StatusNoContent)
			r.wantJob(inventory.Job{State: inventory.JobWithdrawn, Untouched: true, Over: true, Error: why})
			r.start() // and it stays so
			agent.use(agent.leaf)
			agent.want("/v1/jobs/op1/progress", wire.Progress{Attempt: 1, Step: "install"}, http.StatusGone)
		})
	}
}

// While nobody can tell, an install step waits and nothing is withdrawn.
func TestLeaveThatNobodyCanTell(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	agent := r.agent("web-03", "boot1", 4)
	r.assign("web-03", scripted("op1", 1, 4))
	agent.want(wire.PathNextJob, asks, http.StatusOK)
	r.lets("", errors.New("no commit was accepted since the start"))
	agent.want("/v1/jobs/op1/progress", wire.Progress{Attempt: 1, Step: "install"}, http.StatusServiceUnavailable)
	r.wantJob(inventory.Job{State: inventory.JobRunning})
	r.lets("", nil)
	agent.want("/v1/jobs/op1/progress", wire.Progress{Attempt: 1, Step: "install"}, http.StatusNoContent)
	r.wantJob(inventory.Job{State: inventory.JobRunning, Begun: true})
}

// A write that has begun is not asked for leave again, and not taken back.
func TestAWriteThatHasBegunGoesOn(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	agent := r.agent("web-03", "boot1", 4)
	r.assign("web-03", scripted("op1", 1, 4))
	agent.want(wire.PathNextJob, asks, http.StatusOK)
	agent.want("/v1/jobs/op1/progress", wire.Progress{Attempt: 1, Step: "install"}, http.StatusNoContent)
	r.lets("spec.protect is true", nil)
	if err := r.Withdraw(t.Context(), "web-03", hub.Withdrawal{Job: "op1", Attempt: 1, Why: "no"}); !errors.Is(err, hub.ErrBegun) {
		t.Errorf("Withdraw = %v, want ErrBegun", err)
	}
	r.start()
	agent.use(agent.leaf)
	r.lets("spec.protect is true", nil)
	agent.want("/v1/jobs/op1/progress", wire.Progress{Attempt: 1, Step: "install", Done: 1, Total: 2}, http.StatusNoContent)
	agent.want("/v1/jobs/op1/progress", wire.Progress{Attempt: 1, Step: "after"}, http.StatusNoContent)
	agent.want("/v1/jobs/op1/result", wire.Result{Attempt: 1, OK: true}, http.StatusNoContent)
	r.wantJob(inventory.Job{State: inventory.JobSucceeded, Begun: true, Over: true})
}

// Who says that nothing was written is believed when no other process can have: a job that was handed out twice, or
// that an agent had before the hub's memory began, may have been written by the other.
func TestWhoseWordCounts(t *testing.T) {
	t.Parallel()
	untouched := wire.Result{Attempt: 1, Error: "the disk is not blank", Untouched: true}
	t.Run("one process", func(t *testing.T) {
		t.Parallel()
		r := newRig(t)
		agent := r.agent("web-03", "boot1", 4)
		r.assign("web-03", install("op1", 1, 4))
		agent.want(wire.PathNextJob, asks, http.StatusOK)
		agent.want("/v1/jobs/op1/result", untouched, http.StatusNoContent)
		r.wantJob(inventory.Job{State: inventory.JobFailed, Over: true, Untouched: true, Error: untouched.Error})
	})
	t.Run("an agent that began anew in the middle of the write", func(t *testing.T) {
		t.Parallel()
		r := newRig(t)
		agent := r.agent("web-03", "boot1", 4)
		r.assign("web-03", install("op1", 1, 4))
		agent.want(wire.PathNextJob, asks, http.StatusOK)
		agent.want("/v1/jobs/op1/progress", wire.Progress{Attempt: 1, Step: "install", Asks: true}, http.StatusNoContent)
		agent.want(wire.PathNextJob, asks, http.StatusOK)
		agent.want("/v1/jobs/op1/result", untouched, http.StatusNoContent)
		r.wantJob(inventory.Job{State: inventory.JobFailed, Begun: true, Over: true, Error: untouched.Error})
	})
	t.Run("two that do not ask", func(t *testing.T) {
		t.Parallel()
		r := newRig(t)
		agent := r.agent("web-03", "boot1", 4)
		r.assign("web-03", install("op1", 1, 4))
		agent.want(wire.PathNextJob, wire.Poll{}, http.StatusOK)
		agent.want(wire.PathNextJob, wire.Poll{}, http.StatusOK)
		agent.want("/v1/jobs/op1/result", untouched, http.StatusNoContent)
		r.wantJob(inventory.Job{State: inventory.JobFailed, Over: true, Error: untouched.Error})
	})
	t.Run("a lost memory", func(t *testing.T) {
		t.Parallel()
		r := newRig(t)
		agent := r.agent("web-03", "boot1", 4)
		r.assign("web-03", install("op1", 1, 4))
		agent.pollUntil(wire.Poll{Running: "op1", Asks: true}, inventory.JobRunning)
		if err := r.Withdraw(t.Context(), "web-03", hub.Withdrawal{Job: "op1", Attempt: 1, Why: "no"}); !errors.Is(err, hub.ErrBegun) {
			t.Errorf("Withdraw = %v, want ErrBegun", err)
		}
		agent.want("/v1/jobs/op1/result", untouched, http.StatusNoContent)
		r.wantJob(inventory.Job{State: inventory.JobFailed, Begun: true, Over: true, Error: untouched.Error})
	})
	t.Run("an agent that does not ask", func(t *testing.T) {
		t.Parallel()
		r := newRig(t)
		agent := r.agent("web-03", "boot1", 4)
		r.assign("web-03", scripted("op1", 1, 4))
		agent.want(wire.PathNextJob, wire.Poll{}, http.StatusOK)
		if err := r.Withdraw(t.Context(), "web-03", hub.Withdrawal{Job: "op1", Attempt: 1, Why: "no"}); err != nil {
			t.Fatal(err)
		}
		r.wantJob(inventory.Job{State: inventory.JobWithdrawn, Error: "no"})
		agent.want("/v1/jobs/op1/result", wire.Result{Attempt: 1, OK: true}, http.StatusNoContent) // it had gone on
		r.wantJob(inventory.Job{State: inventory.JobSucceeded, Over: true, Error: ""})
	})
}

// A job that nobody took up is ended as failed, and nothing was written; one that was taken up is not.
func TestAJobThatNobodyTakesUp(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	agent := r.agent("web-03", "boot1", 4)
	untaken := hub.Withdrawal{Job: "op1", Attempt: 1, Why: "not taken up", Untaken: true}
	r.assign("web-03", install("op1", 1, 4))
	if err := r.Withdraw(t.Context(), "web-03", untaken); err != nil {
		t.Fatal(err)
	}
	r.wantJob(inventory.Job{State: inventory.JobFailed, Over: true, Untouched: true, Error: "not taken up"})
	r.assign("web-03", install("op1", 2, 4))
	agent.want(wire.PathNextJob, asks, http.StatusOK)
	untaken.Attempt = 2
	if err := r.Withdraw(t.Context(), "web-03", untaken); !errors.Is(err, hub.ErrBegun) {
		t.Errorf("Withdraw = %v, want ErrBegun", err)
	}
}

// A job was let begin, and its agent and the daemon were started again: that it began is told, though nobody works on
// it.
func TestThatAJobBeganIsToldThoughItsAgentLacksIt(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	agent := r.agent("web-03", "boot1", 4)
	r.assign("web-03", scripted("op1", 1, 4))
	agent.want(wire.PathNextJob, asks, http.StatusOK)
	agent.want("/v1/jobs/op1/progress", wire.Progress{Attempt: 1, Step: "install"}, http.StatusNoContent)
	r.start()
	agent.use(agent.leaf)
	agent.pollFor(asks, func(j inventory.Job) bool { return j.State == inventory.NoJob })
	if j := r.state("web-03").Job; j.ID != "op1" || j.Attempt != 1 || !j.Begun {
		t.Errorf("job = %+v, want it known to have begun", j)
	}
}

// The answer to an agent that asked was lost; leave is taken back before it asks again.
func TestLeaveIsAskedForAgainAfterALostAnswer(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	agent := r.agent("web-03", "boot1", 4)
	r.assign("web-03", scripted("op1", 1, 4))
	agent.want(wire.PathNextJob, asks, http.StatusOK)
	agent.want("/v1/jobs/op1/progress", wire.Progress{Attempt: 1, Step: "install", Asks: true}, http.StatusNoContent)
	r.lets("spec.protect is true", nil)
	agent.want("/v1/jobs/op1/progress", wire.Progress{Attempt: 1, Step: "install", Asks: true}, http.StatusGone)
	agent.want("/v1/jobs/op1/result", wire.Result{Attempt: 1, Error: "withdrawn", Untouched: true}, http.StatusNoContent)
	r.wantJob(inventory.Job{State: inventory.JobWithdrawn, Begun: true, Over: true, Untouched: true, Error: "spec.protect is true"})
}

// An agent began anew after it was let write, and asks: something may have been written, and no more is written without
// leave.
func TestAnAgentThatBeganAnewAsksForLeave(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	agent := r.agent("web-03", "boot1", 4)
	r.assign("web-03", scripted("op1", 1, 4))
	agent.want(wire.PathNextJob, asks, http.StatusOK)
	agent.want("/v1/jobs/op1/progress", wire.Progress{Attempt: 1, Step: "install", Asks: true}, http.StatusNoContent)
	agent.want(wire.PathNextJob, asks, http.StatusOK)
	r.lets("spec.protect is true", nil)
	agent.want("/v1/jobs/op1/progress", wire.Progress{Attempt: 1, Step: "install", Asks: true}, http.StatusGone)
	agent.want("/v1/jobs/op1/result", wire.Result{Attempt: 1, Error: "withdrawn", Untouched: true}, http.StatusNoContent)
	r.wantJob(inventory.Job{State: inventory.JobWithdrawn, Begun: true, Over: true, Error: "spec.protect is true"})
}

// A job that was handed out twice and not let begin wrote nothing.
func TestAJobThatWasHandedOutTwiceAndNotLetBegin(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	agent := r.agent("web-03", "boot1", 4)
	r.assign("web-03", scripted("op1", 1, 4))
	agent.want(wire.PathNextJob, asks, http.StatusOK)
	agent.want(wire.PathNextJob, asks, http.StatusOK)
	r.lets("no", nil)
	agent.want("/v1/jobs/op1/progress", wire.Progress{Attempt: 1, Step: "install"}, http.StatusGone)
	agent.want("/v1/jobs/op1/result", wire.Result{Attempt: 1, Error: "withdrawn", Untouched: true}, http.StatusNoContent)
	r.wantJob(inventory.Job{State: inventory.JobWithdrawn, Over: true, Untouched: true, Error: "no"})
}

// The answer that handed the job out was lost, or the agent began anew, and the job was taken back since: nobody works
// on it.
func TestAWithdrawnJobThatItsAgentLacksIsOver(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	agent := r.agent("web-03", "boot1", 4)
	r.assign("web-03", scripted("op1", 1, 4))
	agent.want(wire.PathNextJob, asks, http.StatusOK)
	if err := r.Withdraw(t.Context(), "web-03", hub.Withdrawal{Job: "op1", Attempt: 1, Why: "no"}); err != nil {
		t.Fatal(err)
	}
	r.wantJob(inventory.Job{State: inventory.JobWithdrawn, Untouched: true, Error: "no"})
	agent.pollFor(asks, func(j inventory.Job) bool { return j.Over })
	r.wantJob(inventory.Job{State: inventory.JobWithdrawn, Over: true, Untouched: true, Error: "no"})
}

// The agent of an attempt is gone: the attempt failed, and came to no write if it was not let begin one.
func TestAnAgentThatIsGone(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		poll      *wire.Poll
		untouched bool
	}{"before it had the job": {nil, true}, "which asks": {&asks, true}, "which does not ask": {&wire.Poll{}, false}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			agent := r.agent("web-03", "boot1", 4)
			r.assign("web-03", scripted("op1", 1, 4))
			if test.poll != nil {
				agent.want(wire.PathNextJob, *test.poll, http.StatusOK)
			}
			if err := r.Withdraw(t.Context(), "web-03", hub.Withdrawal{Job: "op1", Attempt: 1, Why: "the machine went off", Lost: true}); err != nil {
				t.Fatal(err)
			}
			over := test.poll == nil
			r.wantJob(inventory.Job{State: inventory.JobFailed, Over: over, Untouched: test.untouched, Error: "the machine went off"})
			agent.want("/v1/jobs/op1/progress", wire.Progress{Attempt: 1, Step: "install", Asks: true}, http.StatusGone)
		})
	}
}
