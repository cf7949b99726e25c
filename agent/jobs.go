package agent

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/gitmetal/ingot/agent/steps"
	"github.com/gitmetal/ingot/agent/wire"
)

// maxError is the length in bytes of an error in a result.
const maxError = 1 << 10

// workOnJobs polls for jobs and runs one job at a time until ctx ends. While a job runs the polls go on, so that the
// daemon knows that the agent lives and, after a restart of the daemon, on which job the agent works.
func (a *agent) workOnJobs(ctx context.Context) error {
	w := worker{agent: a}
	defer w.running.Wait()
	for pause := firstPause; ; {
		err := w.takeNextJob(ctx)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err == nil:
			pause = firstPause
			continue
		}
		a.Log.Warn("ask for a job: trying again", "in", pause, "error", err)
		if !pauseFor(ctx, pause) {
			return ctx.Err()
		}
		pause = min(2*pause, maxPause)
	}
}

// takeNextJob polls once, and acts on the answer.
func (w *worker) takeNextJob(ctx context.Context) error {
	job, err := w.pollJob(ctx)
	var unreadable errUnreadable
	switch {
	case errors.As(err, &unreadable):
		w.agent.Log.Warn("a job cannot be taken", "id", unreadable.job.ID, "attempt", unreadable.job.Attempt, "error",
			err)
		return w.takeJob(ctx, unreadable.job, func() wire.Result {
			return refuseJob("this agent cannot take the job: %v: rebuild the ramdisk with the daemon's version", err)
		})
	case errors.Is(err, errFacts):
		return w.reportAgain(ctx)
	case err != nil || job == nil:
		return err
	default:
		return w.takeJob(ctx, *job, func() wire.Result { return w.runJob(ctx, *job) })
	}
}

// worker runs one job at a time.
type worker struct {
	agent   *agent
	running sync.WaitGroup

	mu      sync.Mutex
	current *task // nil when idle
	// ended are the ended tasks of this boot, in order. An ended task is never run again, also when a daemon without
	// memory hands its job out again.
	ended []*task
}

// findEnded gives the ended task of this attempt. The result is nil without such a task, and nil after a later attempt
// of the job has ended. The caller holds the lock.
func (w *worker) findEnded(job wire.Job) *task {
	latest := w.latestAttempt(job.ID)
	for _, t := range w.ended {
		if t.isAttempt(job) && t.job.Attempt == latest {
			return t
		}
	}
	return nil
}

// latestAttempt is the highest ended attempt of a job; 0 before any has ended. The caller holds the lock.
func (w *worker) latestAttempt(id string) (attempt int) {
	for _, t := range w.ended {
		if t.job.ID == id {
			attempt = max(attempt, t.job.Attempt)
		}
	}
	return attempt
}

// task is one attempt of a job on this machine.
type task struct {
	job           wire.Job        // without its steps, which hold secrets
	delivered     context.Context // ends when the daemon has the result
	markDelivered context.CancelFunc
	result        *wire.Result // nil while the job runs; guarded by worker.mu
}

// isAttempt reports whether a task is this attempt of the job. A job that could not be read has no known kind.
func (t *task) isAttempt(job wire.Job) bool {
	return t != nil && (t.job.Kind == job.Kind || job.Kind == "") && t.job.ID == job.ID && t.job.Attempt == job.Attempt
}

// pollJob asks for a job; nil when the daemon has no job. The call returns early when the running job ends, because the
// next poll has to name another running job.
func (w *worker) pollJob(ctx context.Context) (*wire.Job, error) {
	w.mu.Lock()
	current := w.current
	w.mu.Unlock()
	question := wire.Poll{}
	over := context.Background()
	if current != nil {
		question.Running, over = current.job.ID, current.delivered
	}
	asking, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(over, cancel)()
	var job wire.Job
	err := w.agent.callDaemon(asking, wire.PathNextJob, question, &job)
	switch {
	case err != nil && over.Err() != nil:
		return nil, nil
	case err != nil:
		return nil, err
	case job.ID == "":
		return nil, nil
	default:
		return &job, nil
	}
}

// takeJob begins a job; do runs the job. A running job is not begun twice. For an ended job takeJob posts the old
// result, also while another job runs. While a job runs, a different job is left with the daemon, which hands the job
// out again: to be busy is no result of an attempt.
func (w *worker) takeJob(ctx context.Context, job wire.Job, do func() wire.Result) error {
	w.mu.Lock()
	current, ended := w.current, w.findEnded(job)
	working := current != nil && current.result == nil
	w.mu.Unlock()
	switch {
	case working && ended != nil:
		return w.postResult(ctx, job, *ended.result)
	case working, current.isAttempt(job):
		// A daemon that hands jobs out to a busy agent must not be polled without pause.
		pauseFor(ctx, firstPause)
		return nil
	case current != nil:
		// The daemon continues after the result, perhaps before the agent has read the answer to the result.
		select {
		case <-current.delivered.Done():
			return w.takeJob(ctx, job, do)
		case <-ctx.Done():
			return ctx.Err()
		}
	case ended != nil:
		w.startTask(ctx, job, func() wire.Result { return *ended.result })
	default:
		w.startTask(ctx, job, do)
	}
	return nil
}

// startTask runs a job in the background, and posts the result until the daemon has the result.
func (w *worker) startTask(ctx context.Context, job wire.Job, do func() wire.Result) {
	t := &task{job: wire.Job{ID: job.ID, Attempt: job.Attempt, Kind: job.Kind, Epoch: job.Epoch}}
	t.delivered, t.markDelivered = context.WithCancel(context.Background())
	w.mu.Lock()
	w.current = t
	w.mu.Unlock()
	w.running.Go(func() {
		defer t.markDelivered()
		w.agent.Log.Info("job", "id", job.ID, "attempt", job.Attempt, "kind", job.Kind)
		result := do()
		w.mu.Lock()
		t.result = &result
		w.mu.Unlock()
		acknowledged := w.deliverResult(ctx, job, result)
		if job.Kind == wire.JobPowerOff && result.OK && acknowledged {
			w.powerOff(ctx)
		}
		w.mu.Lock()
		w.current = nil
		if w.findEnded(job) == nil {
			w.ended = append(w.ended, t)
		}
		w.mu.Unlock()
	})
}

// deliverResult posts a result until the daemon has the result; false when the daemon did not want the result any more,
// or ctx ended first.
func (w *worker) deliverResult(ctx context.Context, job wire.Job, result wire.Result) bool {
	wanted := true
	err := w.agent.tryUntilDone(ctx, "report the result", func(ctx context.Context) error {
		err := w.postResult(ctx, job, result)
		if errors.Is(err, errGone) {
			wanted = false
			w.agent.Log.Warn("the result was not wanted any more", "id", job.ID, "attempt", job.Attempt)
			return nil
		}
		return err
	})
	return wanted && err == nil
}

func (w *worker) postResult(ctx context.Context, job wire.Job, result wire.Result) error {
	result.Attempt = job.Attempt
	return w.agent.callDaemon(ctx, fmt.Sprintf(wire.PathResult, job.ID), result, nil)
}

func (w *worker) powerOff(ctx context.Context) {
	w.agent.Log.Info("powering off")
	if err := w.agent.Machine.PowerOff(ctx); err != nil {
		w.agent.Log.Error("power off", "error", err)
	}
}

// reportAgain sends the hardware to a daemon that lost the facts. While a job writes, the agent does not read the disks
// again.
func (w *worker) reportAgain(ctx context.Context) error {
	w.mu.Lock()
	idle := w.current == nil
	w.mu.Unlock()
	if idle {
		if err := w.agent.readHardware(ctx); err != nil {
			return err
		}
	}
	return w.agent.reportHardware(ctx)
}

// runJob runs a job to its end.
func (w *worker) runJob(ctx context.Context, job wire.Job) wire.Result {
	w.mu.Lock()
	latest := w.latestAttempt(job.ID)
	w.mu.Unlock()
	switch boot := w.agent.Boot; {
	case job.Epoch != boot.Epoch: // guard: epoch-compare
		return refuseJob("the job is for epoch %d, this boot is epoch %d", job.Epoch, boot.Epoch)
	case latest > job.Attempt:
		return refuseJob("attempt %d of job %s was made already", latest, job.ID)
	}
	switch job.Kind {
	case wire.JobPowerOff:
		return wire.Result{OK: true}
	case wire.JobStep, wire.JobWriteStep, wire.JobSystem, wire.JobSystemScript, wire.JobScript, wire.JobDescribe, wire.JobRun, wire.JobOwn:
		whole, err := w.agent.fetchPlugins(ctx, job)
		if err != nil {
			return refuseJob("a plug-in of the job cannot be had: %s", joinLines(err.Error()))
		}
		return w.runSteps(ctx, whole)
	case wire.JobWrite, wire.JobWriteOptions:
		whole, err := w.agent.fetchConfigs(ctx, job)
		if err != nil {
			return refuseJob("the config of the job cannot be had: %s", joinLines(err.Error()))
		}
		return w.runSteps(ctx, whole)
	default:
		return refuseJob("this agent knows no job of kind %q: rebuild the ramdisk with the daemon's version", job.Kind)
	}
}

// refuseJob is the result of a job that the agent does not begin.
func refuseJob(format string, arguments ...any) wire.Result {
	return wire.Result{Error: fmt.Sprintf(format, arguments...) + "; nothing was done"}
}

// runSteps runs a job's steps in order. A withdrawn job ends between two steps.
func (w *worker) runSteps(ctx context.Context, job wire.Job) wire.Result {
	s := newSession(ctx, w.agent, job)
	defer s.flushAndStop()
	result := wire.Result{OK: true}
	for _, step := range job.Steps {
		if !s.enterStep(ctx, step) {
			return wire.Result{Step: step.Name, Error: "the job was withdrawn before this step"}
		}
		boot, err := w.runStep(ctx, step, s)
		noted := s.takeNotes()
		if err != nil {
			failed := describeFailure(step, err)
			failed.Disks, failed.Erased, failed.Executed = noted.disks, noted.erased, noted.executed
			s.sendFailure(ctx, step, failed)
			return failed
		}
		if boot != nil {
			result.Boot = boot
		}
		result.Table, result.Disks, result.Described, result.Erased = noted.table, noted.disks, noted.described, noted.erased
		result.Executed = noted.executed
	}
	return result
}

func (w *worker) runStep(ctx context.Context, step wire.Step, s *session) (*wire.BootEntry, error) {
	limited, clock := startClock(ctx, stepLimit(step))
	defer clock.stop()
	s.clock = clock
	if step.Execution != nil {
		defer s.abortWhenGone(limited, clock.end)()
	}
	if step.Collect != nil {
		return nil, s.sendLogs(limited)
	}
	boot, err := w.agent.Machine.Do(limited, step, s)
	if err != nil && limited.Err() != nil && ctx.Err() == nil {
		err = fmt.Errorf("it did not end within %s: %w", step.Timeout, err)
	}
	return boot, err
}

// stepLimit is how long a step may take with all attempts of its script, or of each of its plug-ins. The script's own
// limit ends each attempt.
func stepLimit(step wire.Step) time.Duration {
	if step.Script == nil || step.Script.Run == nil {
		return step.Timeout
	}
	if step.Execution != nil {
		return step.Timeout + uploadSlack + describeTime(step.Script)
	}
	tries := max(1, step.Script.Run.Attempts) * max(1, len(step.Script.Plugins))
	return time.Duration(tries)*(step.Timeout+attemptSlack) + describeTime(step.Script)
}

// uploadSlack is the time for the upload of what a run left when it ended at its deadline: as execution.PatienceBeyond.
const uploadSlack = 17 * time.Minute

// attemptSlack is the time for the end of one attempt, and for the start of the next.
const attemptSlack = 2 * time.Minute

func describeFailure(step wire.Step, err error) wire.Result {
	result := wire.Result{Step: step.Name, Error: joinLines(fmt.Sprintf("step %s: %v", step.Name, err))}
	var failure steps.Failure
	if errors.As(err, &failure) {
		result.Output, result.Final = failure.Output, failure.Final
	}
	return result
}

// joinLines gives a text for people as one line of at most maxError bytes.
func joinLines(text string) string {
	text = strings.Join(strings.FieldsFunc(text, unicode.IsControl), "; ")
	return strings.ToValidUTF8(text[:min(len(text), maxError)], "")
}
