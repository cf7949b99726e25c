package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/gitmetal/ingot/agent/steps"
	"github.com/gitmetal/ingot/agent/wire"
)

// work polls for jobs and runs them one at a time until ctx ends. While a job runs the polls go on, so that the daemon knows that the agent
// lives and, after a restart, what it is working on.
func (a *agent) work(ctx context.Context) error {
	var running sync.WaitGroup
	defer running.Wait()
	w := worker{agent: a, idle: make(chan struct{}, 1)}
	for pause := firstPause; ; {
		job, err := w.poll(ctx)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, errFacts):
			if err := a.report(ctx); err != nil {
				return err
			}
			continue
		case err != nil:
			a.Log.Warn("ask for a job: trying again", "error", err)
			if !wait(ctx, pause) {
				return ctx.Err()
			}
			pause = min(2*pause, maxPause)
			continue
		}
		pause = firstPause
		if job == nil || !w.take(*job) {
			continue
		}
		running.Go(func() { w.run(ctx, *job) })
		// Give a job that ends at once the chance to be reported before the next poll.
		select {
		case <-w.idle:
		case <-time.After(firstPause):
		}
	}
}

// worker runs one job at a time.
type worker struct {
	agent *agent
	idle  chan struct{}

	mu      sync.Mutex
	current string // job id, "" when idle
	last    string // id and attempt of the newest job taken
}

func (w *worker) poll(ctx context.Context) (*wire.Job, error) {
	w.mu.Lock()
	current := w.current
	w.mu.Unlock()
	var job wire.Job
	if err := w.agent.client.post(ctx, wire.PathNextJob, wire.Poll{Running: current}, &job); err != nil {
		return nil, err
	}
	if job.ID == "" {
		return nil, nil
	}
	return &job, nil
}

// take reports whether a job is new; the one that runs, or ran, is not taken twice, and never two at a time.
func (w *worker) take(job wire.Job) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	key := fmt.Sprintf("%s/%s/%d", job.Kind, job.ID, job.Attempt)
	if w.current != "" || key == w.last {
		return false
	}
	w.current, w.last = job.ID, key
	return true
}

// run does a job and posts its result until the daemon has it.
func (w *worker) run(ctx context.Context, job wire.Job) {
	a := w.agent
	a.Log.Info("job", "id", job.ID, "attempt", job.Attempt, "kind", job.Kind)
	result := w.do(ctx, job)
	result.Attempt = job.Attempt
	err := a.persist(ctx, "report the result", func(ctx context.Context) error {
		return a.client.post(ctx, fmt.Sprintf(wire.PathResult, job.ID), result, nil)
	})
	if err != nil && ctx.Err() == nil {
		a.Log.Error("result not taken", "job", job.ID, "error", err)
	}
	w.mu.Lock()
	w.current = ""
	w.mu.Unlock()
	w.idle <- struct{}{}
	if job.Kind == wire.JobPowerOff && result.OK {
		a.Log.Info("powering off")
		if err := a.Machine.PowerOff(ctx); err != nil {
			a.Log.Error("power off", "error", err)
		}
	}
}

func (w *worker) do(ctx context.Context, job wire.Job) wire.Result {
	if job.Epoch != w.agent.Boot.Epoch {
		return wire.Result{Error: fmt.Sprintf("the job is for epoch %d, this boot is epoch %d", job.Epoch, w.agent.Boot.Epoch)}
	}
	switch job.Kind {
	case wire.JobPowerOff:
		return wire.Result{OK: true}
	case wire.JobInstall:
		return w.steps(ctx, job)
	default:
		return wire.Result{Error: fmt.Sprintf("this agent knows no job of kind %q: rebuild the ramdisk with the daemon's version", job.Kind)}
	}
}

func (w *worker) steps(ctx context.Context, job wire.Job) wire.Result {
	result := wire.Result{}
	s := newSession(ctx, w.agent, job)
	defer s.close()
	for _, step := range job.Steps {
		if s.withdrawn() {
			return wire.Result{Step: step.Name, Error: "the job was withdrawn"}
		}
		s.Report(wire.Progress{Step: step.Name})
		stepCtx, cancel := context.WithTimeout(ctx, step.Timeout)
		boot, err := w.agent.Machine.Do(stepCtx, step, s)
		expired := stepCtx.Err() != nil && ctx.Err() == nil
		cancel()
		if err != nil {
			result.Step, result.Error = step.Name, fmt.Sprintf("step %s: %v", step.Name, err)
			if expired {
				result.Error = fmt.Sprintf("step %s did not end within %s: %v", step.Name, step.Timeout, err)
			}
			var failure steps.Failure
			if errors.As(err, &failure) {
				result.Output = failure.Output
			}
			return result
		}
		if boot != nil {
			result.Boot = boot
		}
	}
	result.OK = true
	return result
}

// session sends progress in the background: the newest figures and all lines since the last post, at most two posts a second.
type session struct {
	agent *agent
	job   wire.Job
	wake  chan struct{}
	done  chan struct{}
	stop  context.CancelFunc

	mu      sync.Mutex
	pending wire.Progress
	gone    bool
}

// maxLines is how many lines wait to be posted; older ones are dropped.
const maxLines = 200

func newSession(ctx context.Context, a *agent, job wire.Job) *session {
	ctx, stop := context.WithCancel(ctx)
	s := &session{agent: a, job: job, wake: make(chan struct{}, 1), done: make(chan struct{}), stop: stop, pending: wire.Progress{Attempt: job.Attempt}}
	go s.send(ctx)
	return s
}

func (s *session) close() {
	s.stop()
	<-s.done
}

func (s *session) withdrawn() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.gone
}

// Report implements Session.
func (s *session) Report(p wire.Progress) {
	s.mu.Lock()
	lines := append(s.pending.Lines, p.Lines...)
	if p.Step == "" {
		p.Step = s.pending.Step
	}
	if p.Total == 0 && p.Step == s.pending.Step {
		p.Done, p.Total = s.pending.Done, s.pending.Total
	}
	p.Attempt, p.Lines = s.job.Attempt, lines[max(0, len(lines)-maxLines):]
	s.pending = p
	s.mu.Unlock()
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Image implements Session.
func (s *session) Image(ctx context.Context, sha256 string, offset int64) (io.ReadCloser, error) {
	return s.agent.client.image(ctx, sha256, offset)
}

func (s *session) send(ctx context.Context) {
	defer close(s.done)
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.wake:
		}
		s.mu.Lock()
		progress := s.pending
		s.pending.Lines = nil
		s.mu.Unlock()
		err := s.agent.client.post(ctx, fmt.Sprintf(wire.PathProgress, s.job.ID), progress, nil)
		if errors.Is(err, errGone) {
			s.mu.Lock()
			s.gone = true
			s.mu.Unlock()
		}
		if !wait(ctx, firstPause) {
			return
		}
	}
}
