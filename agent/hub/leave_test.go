package hub_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/gitmetal/ingot/agent/hub"
	"github.com/gitmetal/ingot/agent/wire"
	"github.com/gitmetal/ingot/inventory"
)

// pollFor polls until the job is as wanted, and fails when it gets a job.
func (c *caller) pollFor(question wire.Poll, wanted func(inventory.Job) bool) {
	t := c.rig.t
	t.Helper()
	answer := c.send(wire.PathNextJob, question)
	c.rig.until(wanted)
	if status := answer.stop(); status != 0 {
		t.Errorf("the poll was answered with %d", status)
	}
}

// until waits until the job is as wanted.
func (r *rig) until(wanted func(inventory.Job) bool) {
	r.t.Helper()
	for !wanted(r.state("web-03").Job) {
		select {
		case <-r.notified:
		case <-time.After(20 * time.Second):
			r.t.Fatalf("job = %+v, want another one", r.state("web-03").Job)
		}
	}
}

// call is a call under way.
type call struct {
	cancel context.CancelFunc
	status chan int // 0 for a call that was cut
}

// send begins a call.
func (c *caller) send(path string, body any) call {
	c.rig.t.Helper()
	data, err := json.Marshal(body)
	if err != nil {
		c.rig.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(c.rig.t.Context())
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.rig.server.URL+path, bytes.NewReader(data))
	if err != nil {
		c.rig.t.Fatal(err)
	}
	client, answer := c.client, call{cancel, make(chan int, 1)}
	go func() {
		response, err := client.Do(request)
		if err != nil {
			answer.status <- 0
			return
		}
		_ = response.Body.Close()
		answer.status <- response.StatusCode
	}()
	return answer
}

// stop cuts the call, and gives its answer.
func (a call) stop() int {
	a.cancel()
	return <-a.status
}

// wait gives the answer of the call.
func (a call) wait() int {
	defer a.cancel()
	return <-a.status
}

func (r *rig) wantJob(want inventory.Job) {
	r.t.Helper()
	got := r.state("web-03").Job
	if got.State != want.State || got.Begun != want.Begun || got.Over != want.Over || got.Error != want.Error {
		r.t.Errorf("job = %+v, want %+v", got, want)
	}
}

// asker is an agent with a JobWrite, at the moment in which it asks for leave.
func asker(t *testing.T) (*rig, *caller) {
	t.Helper()
	r := newRig(t)
	agent := r.agent("web-03", "boot1", 4)
	r.assign("web-03", install("op1", 1, 4))
	agent.want(wire.PathNextJob, wire.Poll{}, http.StatusOK)
	return r, agent
}

// ask sends a question, and waits until the hub has it.
func (c *caller) ask(nonce string, number uint64) (call, inventory.Question) {
	c.rig.t.Helper()
	answer := c.send("/v1/jobs/op1/leave", question(nonce, number))
	var asked inventory.Question
	c.rig.until(func(j inventory.Job) bool {
		if j.Question != nil && j.Question.Nonce == nonce {
			asked = *j.Question
			return true
		}
		return false
	})
	return answer, asked
}

func question(nonce string, number uint64) wire.LeaveQuestion {
	return wire.LeaveQuestion{Attempt: 1, Step: "install", Nonce: nonce, Number: number, Disks: facts().Disks}
}

func (r *rig) give(q inventory.Question) error {
	return r.GiveLeave(r.t.Context(), "web-03", hub.Leave{Job: "op1", Attempt: 1, Nonce: q.Nonce, Asked: q.At})
}

// letWrite has the agent ask for leave, and gives it.
func (r *rig) letWrite(agent *caller) {
	r.t.Helper()
	answer, asked := agent.ask("a", 1)
	if err := r.give(asked); err != nil {
		r.t.Fatal(err)
	}
	if status := answer.wait(); status != http.StatusOK {
		r.t.Fatalf("answer = %d, want leave", status)
	}
}

const imagePath = wire.PathImages

// wantImage asserts whether the image is served.
func (c *caller) wantImage(want int) {
	c.rig.t.Helper()
	if status, _ := c.do(http.MethodGet, imagePath+digestOf(content), nil, ""); status != want {
		c.rig.t.Errorf("the image is answered with %d, want %d", status, want)
	}
}

// Leave goes to the process that asked, once; the image is served from then on, also by a hub that was restarted.
func TestLeaveIsGivenOnce(t *testing.T) {
	t.Parallel()
	r, agent := asker(t)
	agent.wantImage(http.StatusNotFound)
	answer, asked := agent.ask("a", 1)
	if len(asked.Disks) != 1 || asked.Disks[0].WWN != "5000c500a1b2c3d4" || !asked.Disks[0].Content.Blank {
		t.Errorf("asked %+v, want the disk as it was seen", asked)
	}
	agent.wantImage(http.StatusNotFound)
	if err := r.give(asked); err != nil {
		t.Fatal(err)
	}
	if status := answer.wait(); status != http.StatusOK {
		t.Errorf("answer = %d, want leave", status)
	}
	r.wantJob(inventory.Job{State: inventory.JobRunning, Begun: true})
	agent.wantImage(http.StatusOK)
	if err := r.give(asked); !errors.Is(err, hub.ErrStale) {
		t.Errorf("leave given again = %v, want ErrStale", err)
	}
	if err := r.Withdraw(t.Context(), "web-03", hub.Withdrawal{Job: "op1", Attempt: 1, Why: "no"}); !errors.Is(err, hub.ErrBegun) {
		t.Errorf("Withdraw = %v, want ErrBegun", err)
	}
	r.start()
	agent.use(agent.leaf)
	agent.wantImage(http.StatusOK)
}

// The answer was lost: the same process asks again, nothing is written, and leave is asked for as before.
func TestLeaveAfterALostAnswer(t *testing.T) {
	t.Parallel()
	r, agent := asker(t)
	answer, asked := agent.ask("a", 1)
	if err := r.give(asked); err != nil {
		t.Fatal(err)
	}
	answer.wait()
	r.advance(time.Second)
	again, later := agent.ask("a", 2)
	if !later.At.After(asked.At) {
		t.Errorf("asked at %s, then at %s; want a new question", asked.At, later.At)
	}
	if err := r.give(asked); !errors.Is(err, hub.ErrStale) {
		t.Errorf("leave for the first question = %v, want ErrStale", err)
	}
	if err := r.Withdraw(t.Context(), "web-03", hub.Withdrawal{Job: "op1", Attempt: 1, Why: "spec.protect is true"}); err != nil {
		t.Errorf("Withdraw = %v: an agent that asks does not write", err)
	}
	if status := again.wait(); status != http.StatusGone {
		t.Errorf("answer = %d, want a refusal", status)
	}
}

// A message that comes late, after a later one of the same process, asks nothing and takes no leave.
func TestALateQuestion(t *testing.T) {
	t.Parallel()
	r, agent := asker(t)
	answer, asked := agent.ask("a", 2)
	agent.want("/v1/jobs/op1/leave", question("a", 1), http.StatusConflict)
	agent.want("/v1/jobs/op1/leave", question("a", 2), http.StatusConflict)
	if err := r.give(asked); err != nil {
		t.Fatal(err)
	}
	if status := answer.wait(); status != http.StatusOK {
		t.Errorf("answer = %d, want leave", status)
	}
}

// Two messages with one question: one of them takes the leave.
func TestOneMessageTakesTheLeave(t *testing.T) {
	t.Parallel()
	r, agent := asker(t)
	first, asked := agent.ask("a", 1)
	second := agent.send("/v1/jobs/op1/leave", question("a", 2))
	agent.wantTaken(t, r, asked)
	var statuses []int
	var mu sync.Mutex
	var waiting sync.WaitGroup
	for _, c := range []call{first, second} {
		waiting.Go(func() {
			status := c.wait()
			mu.Lock()
			defer mu.Unlock()
			statuses = append(statuses, status)
		})
	}
	waiting.Wait()
	given := 0
	for _, status := range statuses {
		if status == http.StatusOK {
			given++
		}
	}
	if given != 1 {
		t.Errorf("answers = %v, want leave once", statuses)
	}
}

// wantTaken gives leave to a question.
func (c *caller) wantTaken(t *testing.T, r *rig, asked inventory.Question) {
	t.Helper()
	if err := r.give(asked); err != nil {
		t.Fatal(err)
	}
}

// Leave that nobody took in its time is no leave any more: the next message asks anew.
func TestLeaveThatCameTooLate(t *testing.T) {
	t.Parallel()
	r, agent := asker(t)
	answer, asked := agent.ask("a", 1)
	answer.stop()
	if err := r.give(asked); err != nil {
		t.Fatal(err)
	}
	r.advance(wire.LeaveValid)
	again, later := agent.ask("a", 2)
	if !later.At.After(asked.At) {
		t.Errorf("asked at %s, then at %s; want a new question", asked.At, later.At)
	}
	if status := again.stop(); status != 0 {
		t.Errorf("answer = %d, want none", status)
	}
}

// An agent that began anew asks as another process; leave for the first process is not the second one's.
func TestLeaveIsForOneProcess(t *testing.T) {
	t.Parallel()
	r, agent := asker(t)
	first, asked := agent.ask("a", 1)
	second, other := agent.ask("b", 1)
	if err := r.give(asked); !errors.Is(err, hub.ErrStale) {
		t.Errorf("leave for the process that is gone = %v, want ErrStale", err)
	}
	if err := r.give(other); err != nil {
		t.Fatal(err)
	}
	if status := second.wait(); status != http.StatusOK {
		t.Errorf("answer = %d, want leave", status)
	}
	if status := first.stop(); status == http.StatusOK {
		t.Error("the process that is gone got leave too")
	}
}

// A restarted hub has forgotten the question: no leave is given before the agent has asked again.
func TestAHubThatIsRestartedBetweenQuestionAndAnswer(t *testing.T) {
	t.Parallel()
	r, agent := asker(t)
	answer, asked := agent.ask("a", 1)
	answer.stop()
	r.start()
	agent.use(agent.leaf)
	if err := r.give(asked); !errors.Is(err, hub.ErrStale) {
		t.Errorf("leave = %v, want ErrStale", err)
	}
	agent.wantImage(http.StatusNotFound)
	again, later := agent.ask("a", 2)
	if err := r.give(later); err != nil {
		t.Fatal(err)
	}
	if status := again.wait(); status != http.StatusOK {
		t.Errorf("answer = %d, want leave", status)
	}
}

// A job that was taken back is answered with 410 and the reason, whether the agent asks then or asked before.
func TestLeaveThatIsRefused(t *testing.T) {
	t.Parallel()
	const why = "spec.protect is true"
	r, agent := asker(t)
	answer, _ := agent.ask("a", 1)
	if err := r.Withdraw(t.Context(), "web-03", hub.Withdrawal{Job: "op1", Attempt: 1, Why: why}); err != nil {
		t.Fatal(err)
	}
	if status := answer.wait(); status != http.StatusGone {
		t.Errorf("answer = %d, want a refusal", status)
	}
	if said := agent.want("/v1/jobs/op1/leave", question("a", 2), http.StatusGone); !bytes.Contains(said, []byte(why)) {
		t.Errorf("answer = %s, want the reason", said)
	}
	agent.wantImage(http.StatusNotFound)
	agent.want("/v1/jobs/op1/result", wire.Result{Attempt: 1, Error: "no leave"}, http.StatusNoContent)
	r.wantJob(inventory.Job{State: inventory.JobWithdrawn, Over: true, Error: why})
}

// A question that makes no sense is refused, and another attempt's is late.
func TestQuestionsThatAreRefused(t *testing.T) {
	t.Parallel()
	r, agent := asker(t)
	agent.want("/v1/jobs/op1/leave", wire.LeaveQuestion{Attempt: 1, Number: 1, Disks: facts().Disks}, http.StatusBadRequest)
	agent.want("/v1/jobs/op1/leave", wire.LeaveQuestion{Attempt: 1, Number: 1, Nonce: "a"}, http.StatusBadRequest)
	other := question("a", 1)
	other.Attempt = 2
	agent.want("/v1/jobs/op1/leave", other, http.StatusGone)
	agent.want("/v1/jobs/op2/leave", question("a", 1), http.StatusGone)
	if q := r.state("web-03").Job.Question; q != nil {
		t.Errorf("question = %+v, want none", q)
	}
}

// A question that nobody asks any more is forgotten: the loop looks at the machine again.
func TestAQuestionOfAnAgentThatIsGone(t *testing.T) {
	t.Parallel()
	r, agent := asker(t)
	answer, _ := agent.ask("a", 1)
	answer.stop()
	r.advance(time.Minute)
	for range 200 {
		if r.state("web-03").Job.Question == nil {
			return
		}
		agent.want("/v1/jobs/op1/progress", wire.Progress{Attempt: 1, Step: "install"}, http.StatusNoContent)
	}
	t.Error("the question is kept")
}

// A job of protocol 1 goes on, and no agent gets one: nobody writes a disk without leave.
func TestAJobOfProtocol1(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	agent := r.agent("web-03", "boot1", 4)
	job := install("op1", 1, 4)
	job.Kind = wire.JobInstall
	r.assign("web-03", job)
	agent.pollFor(wire.Poll{Running: "op1"}, func(j inventory.Job) bool { return j.State == inventory.JobRunning && j.Begun })
	agent.wantImage(http.StatusOK)
	agent.want("/v1/jobs/op1/progress", wire.Progress{Attempt: 1, Step: "install", Done: 1, Total: 2}, http.StatusNoContent)
	agent.pollFor(wire.Poll{}, func(j inventory.Job) bool { return j.State == inventory.NoJob })
}

// A job that nobody took up is ended as failed; one that was taken up is not.
func TestAJobThatNobodyTakesUp(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	agent := r.agent("web-03", "boot1", 4)
	untaken := hub.Withdrawal{Job: "op1", Attempt: 1, Why: "not taken up", Untaken: true}
	r.assign("web-03", install("op1", 1, 4))
	if err := r.Withdraw(t.Context(), "web-03", untaken); err != nil {
		t.Fatal(err)
	}
	r.wantJob(inventory.Job{State: inventory.JobFailed, Over: true, Error: "not taken up"})
	r.assign("web-03", install("op1", 2, 4))
	agent.want(wire.PathNextJob, wire.Poll{}, http.StatusOK)
	untaken.Attempt = 2
	if err := r.Withdraw(t.Context(), "web-03", untaken); !errors.Is(err, hub.ErrBegun) {
		t.Errorf("Withdraw = %v, want ErrBegun", err)
	}
}

// The answer that handed the job out was lost, or the agent began anew, and the job was taken back since: nobody works
// on it.
func TestAWithdrawnJobThatItsAgentLacksIsOver(t *testing.T) {
	t.Parallel()
	r, agent := asker(t)
	if err := r.Withdraw(t.Context(), "web-03", hub.Withdrawal{Job: "op1", Attempt: 1, Why: "no"}); err != nil {
		t.Fatal(err)
	}
	r.wantJob(inventory.Job{State: inventory.JobWithdrawn, Error: "no"})
	agent.pollFor(wire.Poll{}, func(j inventory.Job) bool { return j.Over })
	r.wantJob(inventory.Job{State: inventory.JobWithdrawn, Over: true, Error: "no"})
}

// The attempt was taken back, and its agent has not heard so yet: the next attempt waits for the end of that one.
func TestABusyAgentGetsNoOtherJob(t *testing.T) {
	t.Parallel()
	for name, w := range map[string]hub.Withdrawal{
		"withdrawn": {Why: "spec.protect is true"},
		"lost":      {Why: "the agent began anew", Lost: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, agent := asker(t)
			w.Job, w.Attempt = "op1", 1
			if err := r.Withdraw(t.Context(), "web-03", w); err != nil {
				t.Fatal(err)
			}
			r.assign("web-03", install("op1b", 2, 4))
			r.advance(time.Second)
			busy := agent.send(wire.PathNextJob, wire.Poll{Running: "op1"})
			deadline, tick := time.After(20*time.Second), time.NewTicker(time.Millisecond)
			defer tick.Stop()
			for !r.state("web-03").Seen.Equal(r.clock()) {
				select {
				case <-tick.C:
				case <-deadline:
					t.Fatal("the hub did not see the poll")
				}
			}
			if status := busy.stop(); status != 0 {
				t.Errorf("the busy agent's poll was answered with %d", status)
			}
			r.wantJob(inventory.Job{State: inventory.JobAssigned})
			agent.want("/v1/jobs/op1/result", wire.Result{Attempt: 1, Error: "withdrawn"}, http.StatusGone)
			agent.want(wire.PathNextJob, wire.Poll{}, http.StatusOK)
			r.wantJob(inventory.Job{State: inventory.JobRunning})
		})
	}
}
