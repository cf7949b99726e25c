package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/gitmetal/ingot/agent/wire"
)

// maxLines is how many lines may wait for a post; older lines are dropped.
const maxLines = 200

// answerTimeout is how long the beginning of a step, and the end of a job, wait for the daemon.
const answerTimeout = 3 * time.Second

// session posts a job's progress in the background: the newest figures and the lines since the last post, at most two
// posts a second. A post that fails is dropped.
type session struct {
	agent  *agent
	job    wire.Job
	wake   chan struct{}
	quit   chan struct{}
	done   chan struct{}
	cancel context.CancelFunc

	mu      sync.Mutex
	pending wire.Progress
	unsent  bool
	jobGone bool
}

func newSession(ctx context.Context, a *agent, job wire.Job) *session {
	ctx, cancel := context.WithCancel(ctx)
	s := &session{
		agent: a, job: job, wake: make(chan struct{}, 1), quit: make(chan struct{}), done: make(chan struct{}),
		cancel:  cancel,
		pending: wire.Progress{Attempt: job.Attempt},
	}
	go s.sendLoop(ctx)
	return s
}

// flushAndStop posts the pending progress, and waits for the end of the sender.
func (s *session) flushAndStop() {
	close(s.quit)
	defer s.cancel()
	defer time.AfterFunc(answerTimeout, s.cancel).Stop()
	<-s.done
}

// stepAnswer is the daemon's answer to an agent that asks whether a step may begin.
type stepAnswer string

const (
	stepAllowed  stepAnswer = "wanted"
	jobWithdrawn stepAnswer = "withdrawn"
)

// enterStep tells the daemon that a step begins, and asks whether the step may begin. An install step waits for an
// answer without limit: without leave the agent writes nothing. Another step goes on after answerTimeout without an
// answer.
func (s *session) enterStep(ctx context.Context, step wire.Step) stepAnswer {
	for pause := firstPause; ; pause = min(2*pause, maxPause) {
		answered := s.askLeave(ctx, step)
		switch {
		case s.isGone() || ctx.Err() != nil:
			return jobWithdrawn
		case answered || step.Install == nil:
			return stepAllowed
		}
		s.agent.Log.Warn("the daemon does not say whether the install may begin: asking again", "in", pause)
		if !pauseFor(ctx, pause) {
			return jobWithdrawn
		}
	}
}

// askLeave asks once whether a step may begin, and reports whether the daemon answered.
func (s *session) askLeave(ctx context.Context, step wire.Step) (answered bool) {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	s.mu.Lock()
	s.pending.Step, s.pending.Done, s.pending.Total = step.Name, 0, 0
	s.mu.Unlock()
	progress, _ := s.takePending()
	progress.Asks = true
	return s.postProgress(ctx, progress) == nil
}

func (s *session) isGone() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.jobGone
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
	s.pending, s.unsent = p, true
	s.mu.Unlock()
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Image implements Session.
func (s *session) Image(ctx context.Context, sha256 string, offset int64) (io.ReadCloser, error) {
	return s.agent.client.openImage(ctx, sha256, offset)
}

func (s *session) sendLoop(ctx context.Context) {
	defer close(s.done)
	for ended := false; !ended; {
		select {
		case <-s.wake:
		case <-s.quit:
			ended = true
		}
		if progress, unsent := s.takePending(); unsent {
			_ = s.postProgress(ctx, progress) // a failed post is dropped
		}
		s.restBetweenPosts()
	}
}

// restBetweenPosts waits for the time between two posts, or for the end of the session.
func (s *session) restBetweenPosts() {
	timer := time.NewTimer(firstPause)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-s.quit:
	}
}

// takePending gives the pending progress, and reports whether some of the progress is new.
func (s *session) takePending() (wire.Progress, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	progress, unsent := s.pending, s.unsent
	s.pending.Lines, s.unsent = nil, false
	return progress, unsent
}

// postProgress sends progress once, and notes whether the daemon withdrew the job.
func (s *session) postProgress(ctx context.Context, progress wire.Progress) error {
	err := s.agent.client.postMessage(ctx, fmt.Sprintf(wire.PathProgress, s.job.ID), progress, nil)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.jobGone = s.jobGone || errors.Is(err, errGone)
	return err
}
