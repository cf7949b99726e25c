package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/gitmetal/ingot/agent/logs"
	"github.com/gitmetal/ingot/agent/wire"
)

// maxLines is how many lines may wait for a post; older lines are dropped.
const maxLines = 200

// wordEvery is how often the agent says that a run goes on.
const wordEvery = 10 * time.Second

// answerTimeout is how long the end of a job waits for the daemon.
const answerTimeout = 3 * time.Second

// session posts a job's progress in the background: the newest figures and the lines since the last post, at most two
// posts a second. A post that fails is dropped.
type session struct {
	agent  *agent
	job    wire.Job
	clock  *stepClock // of the running step
	asked  uint64     // questions for leave so far
	wake   chan struct{}
	quit   chan struct{}
	done   chan struct{}
	cancel context.CancelFunc

	mu      sync.Mutex
	pending wire.Progress
	unsent  bool
	jobGone bool
	noted   notes
	said    logs.Tail // the lines of the job's steps
	abort   func()    // ends the step of a withdrawn job at once; nil for a step that ends by itself
}

// notes are what the steps of a job leave for its result.
type notes struct {
	table     *wire.Table      // of the installed disk
	disks     []wire.Disk      // what a script left on its disks; nil where the script was given none
	described []wire.Described // what the plug-ins said of themselves
	erased    []wire.Erased    // receipts
	executed  *wire.Executed   // the end of a run
}

func newSession(ctx context.Context, a *agent, job wire.Job) *session {
	ctx, cancel := context.WithCancel(ctx)
	s := &session{
		agent: a, job: job, wake: make(chan struct{}, 1), quit: make(chan struct{}), done: make(chan struct{}),
		cancel:  cancel,
		pending: wire.Progress{Attempt: job.Attempt}, said: logs.Tail{Most: maxSaid},
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

// enterStep tells the daemon that a step begins; false when the job was withdrawn.
func (s *session) enterStep(ctx context.Context, step wire.Step) bool {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	s.mu.Lock()
	s.pending.Step, s.pending.Done, s.pending.Total = step.Name, 0, 0
	s.mu.Unlock()
	progress, _ := s.takePending()
	_ = s.postProgress(ctx, progress) // without an answer the step goes on: it asks for leave before it writes
	return !s.isGone()
}

// AskLeave implements Session: AskLeave puts one question for leave. An answer that comes later than wire.LeaveValid
// after the question is no leave. The step's clock stands still from the first question to the leave.
func (s *session) AskLeave(ctx context.Context, disks []wire.Disk) (given bool, err error) {
	s.clock.pause()
	s.asked++
	s.mu.Lock()
	step := s.pending.Step
	s.mu.Unlock()
	question := wire.LeaveQuestion{Attempt: s.job.Attempt, Step: step, Nonce: s.agent.nonce, Number: s.asked,
		Disks: disks}
	began := time.Now()
	asking, cancel := context.WithTimeout(ctx, wire.LeaveValid)
	defer cancel()
	given, err = s.agent.client.postQuestion(asking, fmt.Sprintf(wire.PathLeave, s.job.ID), question)
	switch late := time.Since(began) >= wire.LeaveValid; {
	case ctx.Err() != nil:
		return false, ctx.Err()
	case errors.Is(err, errGone):
		return false, err
	case errors.Is(err, errRefused):
		err = s.agent.client.tradeToken(ctx)
	case err == nil && given && !late:
		s.clock.resume()
		return true, nil
	}
	if err != nil {
		s.agent.Log.Warn("ask for leave to write: asking again", "in", firstPause, "error", err)
	}
	pauseFor(ctx, firstPause)
	return false, nil
}

// abortWhenGone has a step end as soon as the daemon says that the job was withdrawn, and asks the daemon often enough
// to hear so. The caller calls stop.
func (s *session) abortWhenGone(ctx context.Context, abort func()) (stop func()) {
	s.mu.Lock()
	s.abort = abort
	s.mu.Unlock()
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for pauseFor(ctx, wordEvery) {
			s.Report(wire.Progress{})
		}
	}()
	return func() {
		cancel()
		<-done
		s.mu.Lock()
		s.abort = nil
		s.mu.Unlock()
	}
}

func (s *session) isGone() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.jobGone
}

// Report implements Session.
func (s *session) Report(p wire.Progress) {
	s.mu.Lock()
	s.keepSaid(p.Lines)
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

// Facts implements Session: the agent reads the hardware only between jobs.
func (s *session) Facts() wire.Facts { return s.agent.facts }

// NoteTable implements Session.
func (s *session) NoteTable(table wire.Table) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.noted.table = &table
}

// NoteDisks implements Session.
func (s *session) NoteDisks(disks []wire.Disk) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.noted.disks = disks
}

// NoteDescribed implements Session.
func (s *session) NoteDescribed(described []wire.Described) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.noted.described = described
}

// NoteErased implements Session.
func (s *session) NoteErased(receipts []wire.Erased) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.noted.erased = receipts
}

// takeNotes gives what was noted so far.
func (s *session) takeNotes() notes {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.noted
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
	if s.jobGone && s.abort != nil {
		s.abort()
	}
	return err
}
