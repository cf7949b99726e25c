package agent_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gitmetal/ingot/agent"
	"github.com/gitmetal/ingot/agent/steps"
	"github.com/gitmetal/ingot/agent/wire"
)

func TestRunDoesAJob(t *testing.T) {
	t.Parallel()
	d, m := newDaemon(t), newMachine()
	m.do = func(_ context.Context, step wire.Step, s agent.Session) (*wire.BootEntry, error) {
		s.Report(wire.Progress{Done: 1, Total: 2, Lines: []string{"one of " + step.Name}})
		s.Report(wire.Progress{Done: 2, Total: 2, Lines: []string{"two of " + step.Name}})
		return &wire.BootEntry{Order: []string{"Boot0001"}, Entry: step.Name}, nil
	}
	run(t, d.config(m))
	d.assign(install("op1", 3, "burn-in", "install"))
	want := wire.Result{Attempt: 3, OK: true, Boot: &wire.BootEntry{Order: []string{"Boot0001"}, Entry: "install"}}
	if diff := cmp.Diff(want, d.result()); diff != "" {
		t.Errorf("result (-want +got):\n%s", diff)
	}
	var lines []string
	s := d.await("all progress", func(seen) bool { return true })
	for _, p := range s.progress {
		if p.Attempt != 3 {
			t.Errorf("progress of attempt %d, want 3", p.Attempt)
		}
		lines = append(lines, p.Lines...)
	}
	if diff := cmp.Diff([]string{"one of burn-in", "two of burn-in", "one of install", "two of install"}, lines); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
	last := s.progress[len(s.progress)-1]
	if last.Step != "install" || last.Done != 2 || last.Total != 2 {
		t.Errorf("last progress = %+v, want all of the step install", last)
	}
}

func TestRunSaysWhyAStepFailed(t *testing.T) {
	t.Parallel()
	d, m := newDaemon(t), newMachine()
	m.do = func(context.Context, wire.Step, agent.Session) (*wire.BootEntry, error) {
		return nil, steps.Failure{Err: errors.Join(errors.New("the disk"), errors.New("is \x1b[31mgone")), Output: "last words"}
	}
	run(t, d.config(m))
	d.assign(install("op1", 1, "burn-in", "install"))
	want := wire.Result{Attempt: 1, Step: "burn-in", Error: "step burn-in: the disk; is ; [31mgone", Output: "last words"}
	if diff := cmp.Diff(want, d.result()); diff != "" {
		t.Errorf("result (-want +got):\n%s", diff)
		t.Errorf("result (-want +got):\n%s", diff)
	}
	if _, done := m.counts(); len(done) != 1 {
		t.Errorf("steps run = %v, want the failed one only", done)
	}
}

func TestRunEndsAStepAtItsDeadline(t *testing.T) {
	t.Parallel()
	d, m := newDaemon(t), newMachine()
	m.do = func(ctx context.Context, _ wire.Step, _ agent.Session) (*wire.BootEntry, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	run(t, d.config(m))
	job := install("op1", 1, "burn-in")
	job.Steps[0].Timeout = 50 * time.Millisecond
	d.assign(job)
	if r := d.result(); r.OK || !strings.Contains(r.Error, "did not end within 50ms") {
		t.Errorf("result = %+v, want a failure that names the deadline", r)
	}
}

func TestRunRepeatsAResultUntilItIsTaken(t *testing.T) {
	t.Parallel()
	d, m := newDaemon(t), newMachine()
	var failures atomic.Int32
	d.hook = func(_ *daemon, w http.ResponseWriter, r *http.Request) bool {
		if !strings.HasSuffix(r.URL.Path, "/result") || failures.Add(1) > 2 {
			return false
		}
		if failures.Load() == 1 {
			panic(http.ErrAbortHandler)
		}
		w.WriteHeader(http.StatusServiceUnavailable)
		return true
	}
	run(t, d.config(m))
	d.assign(install("op1", 1, "install"))
	if r := d.result(); !r.OK {
		t.Errorf("result = %+v, want success", r)
	}
	if n := failures.Load(); n != 3 {
		t.Errorf("the result was posted %d times, want 3", n)
	}
	if _, done := m.counts(); len(done) != 1 {
		t.Errorf("steps run = %v, want one run", done)
	}
}

func TestRunDoesAnAttemptOnce(t *testing.T) {
	t.Parallel()
	d, m := newDaemon(t), newMachine()
	run(t, d.config(m))
	d.assign(install("op1", 1, "install"))
	first := d.result()
	d.assign(install("op1", 1, "install"))
	second := d.await("the result again", func(s seen) bool { return len(s.results) == 2 }).results[1]
	if diff := cmp.Diff(first, second); diff != "" {
		t.Errorf("results differ (-first +second):\n%s", diff)
	}
	if _, done := m.counts(); len(done) != 1 {
		t.Errorf("steps run = %v, want one run", done)
	}
	d.assign(install("op1", 2, "install"))
	d.await("the next attempt", func(s seen) bool { return len(s.results) == 3 })
	if _, done := m.counts(); len(done) != 2 {
		t.Errorf("steps run = %v, want a second run", done)
	}
	d.assign(install("op1", 1, "install"))
	r := d.await("a refusal", func(s seen) bool { return len(s.results) == 4 }).results[3]
	if r.OK || r.Attempt != 1 || !strings.Contains(r.Error, "made already") {
		t.Errorf("result of a superseded attempt = %+v, want a refusal", r)
	}
}

func TestRunRefuses(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		change func(*wire.Job)
		want   string
	}{
		"a lower epoch":  {func(j *wire.Job) { j.Epoch = epoch - 1 }, "epoch 6"},
		"a higher epoch": {func(j *wire.Job) { j.Epoch = epoch + 1 }, "epoch 8"},
		"another kind":   {func(j *wire.Job) { j.Kind = "dance" }, `"dance"`},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, m := newDaemon(t), newMachine()
			run(t, d.config(m))
			job := install("op1", 1, "install")
			c.change(&job)
			d.assign(job)
			if r := d.result(); r.OK || r.Attempt != 1 || !strings.Contains(r.Error, c.want) || !strings.Contains(r.Error, "nothing was done") {
				t.Errorf("result = %+v, want a refusal that says %s", r, c.want)
			}
			if _, done := m.counts(); len(done) != 0 {
				t.Errorf("steps run = %v, want none", done)
			}
		})
	}
}

// held is a step that runs until it is let go.
func held(m *machine) (begun <-chan struct{}, release func()) {
	start, end := make(chan struct{}, 8), make(chan struct{})
	m.do = func(ctx context.Context, _ wire.Step, _ agent.Session) (*wire.BootEntry, error) {
		start <- struct{}{}
		select {
		case <-end:
			return nil, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return start, func() { close(end) }
}

func receive[T any](t *testing.T, what string, from <-chan T) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(patience):
		t.Fatalf("waited %s for %s", patience, what)
		panic("not reached")
	}
}

// To be busy is no result: a job that is handed out during another job waits for the end of that job.
func TestASecondJobWaitsForTheFirst(t *testing.T) {
	t.Parallel()
	d, m := newDaemon(t), newMachine()
	begun, release := held(m)
	run(t, d.config(m))
	d.assign(install("op1", 1, "install"))
	receive(t, "the first job", begun)
	d.note(func(s *seen) { s.polls = nil })
	d.assign(install("op2", 1, "install"))
	d.await("a poll after the second job was handed out", func(s seen) bool { return len(s.polls) > 1 })
	release()
	results := d.await("both jobs", func(s seen) bool { return len(s.results) == 2 }).results
	if !results[0].OK || !results[1].OK {
		t.Errorf("results = %+v, want two successes", results)
	}
	if _, done := m.counts(); len(done) != 2 {
		t.Errorf("steps run = %v, want one of each job", done)
	}
}

func TestRunGoesOnWithoutADaemon(t *testing.T) {
	t.Parallel()
	d, m := newDaemon(t), newMachine()
	begun, release := held(m)
	run(t, d.config(m))
	d.assign(install("op1", 1, "install"))
	receive(t, "the job", begun)
	d.restart(func() {
		d.note(func(s *seen) { s.polls = nil })
		release() // the step ends while nobody listens
	})
	if r := d.result(); !r.OK {
		t.Errorf("result = %+v, want success", r)
	}
	if _, done := m.counts(); len(done) != 1 {
		t.Errorf("steps run = %v, want one run", done)
	}
}

func TestRunTellsARestartedDaemonWhatItDoes(t *testing.T) {
	t.Parallel()
	d, m := newDaemon(t), newMachine()
	begun, release := held(m)
	run(t, d.config(m))
	d.assign(install("op1", 1, "install"))
	receive(t, "the job", begun)
	d.restart(func() {
		d.note(func(s *seen) {
			s.polls, d.job = nil, nil
			forgot := false
			d.hook = func(d *daemon, w http.ResponseWriter, r *http.Request) bool {
				d.mu.Lock()
				defer d.mu.Unlock()
				if r.URL.Path != wire.PathNextJob || forgot {
					return false
				}
				forgot = true
				w.WriteHeader(http.StatusPreconditionRequired)
				return true
			}
		})
	})
	s := d.await("the running job and the hardware", func(s seen) bool { return len(s.polls) > 0 && len(s.facts) == 2 })
	if diff := cmp.Diff([]wire.Poll{{Running: "op1"}}, s.polls); diff != "" {
		t.Errorf("polls (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(s.facts[0], s.facts[1]); diff != "" {
		t.Errorf("facts while a job runs (-first +again):\n%s", diff)
	}
	if looks, _ := m.counts(); looks != 1 {
		t.Errorf("the hardware was read %d times, want 1: not while it is written to", looks)
	}
	release()
	if r := d.result(); !r.OK {
		t.Errorf("result = %+v, want success", r)
	}
}

func TestRunStopsBetweenStepsOfAWithdrawnJob(t *testing.T) {
	t.Parallel()
	d, m := newDaemon(t), newMachine()
	begun, release := held(m)
	var withdrawn atomic.Bool
	d.hook = func(_ *daemon, w http.ResponseWriter, r *http.Request) bool {
		if !withdrawn.Load() || !strings.HasSuffix(r.URL.Path, "/progress") {
			return false
		}
		w.WriteHeader(http.StatusGone)
		return true
	}
	run(t, d.config(m))
	d.assign(install("op1", 1, "install", "inject"))
	receive(t, "the first step", begun)
	withdrawn.Store(true)
	release() // a step that has begun ends
	if r := d.result(); r.OK || r.Step != "inject" || !strings.Contains(r.Error, "withdrawn") {
		t.Errorf("result = %+v, want that the job ended before the step inject", r)
	}
	if _, done := m.counts(); !cmp.Equal(done, []string{"install"}) {
		t.Errorf("steps run = %v, want only the first", done)
	}
}

func TestRunPowersOffOnceTheDaemonKnows(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		status int
		off    bool
	}{
		"acknowledged": {http.StatusNoContent, true},
		"withdrawn":    {http.StatusGone, false},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, m := newDaemon(t), newMachine()
			d.hook = func(d *daemon, w http.ResponseWriter, r *http.Request) bool {
				if !strings.HasSuffix(r.URL.Path, "/result") || c.off {
					return false
				}
				d.note(func(*seen) { d.job = nil })
				w.WriteHeader(c.status)
				return true
			}
			run(t, d.config(m))
			d.assign(wire.Job{ID: "off", Attempt: 1, Kind: wire.JobPowerOff, Epoch: epoch})
			if c.off {
				receive(t, "power off", m.off)
				d.result() // it came first
				return
			}
			// The agent is idle again, and did not power off before that. The poll it gave up on may be noted after the
			// one it asked instead.
			d.await("another idle poll", func(s seen) bool {
				idle := 0
				for _, poll := range s.polls {
					if poll.Running == "" {
						idle++
					}
				}
				return idle > 1
			})
			if len(m.off) != 0 {
				t.Error("the machine was powered off, although the daemon had taken the job back")
			}
		})
	}
}

func TestSessionImage(t *testing.T) {
	t.Parallel()
	d, m := newDaemon(t), newMachine()
	d.image = []byte("0123456789")
	got := make(chan string, 2)
	m.do = func(ctx context.Context, _ wire.Step, s agent.Session) (*wire.BootEntry, error) {
		for _, offset := range []int64{0, 4} {
			body, err := s.Image(ctx, "abc", offset)
			if err != nil {
				return nil, err
			}
			defer body.Close()
			data, err := io.ReadAll(body)
			if err != nil {
				return nil, err
			}
			got <- string(data)
		}
		_, err := s.Image(ctx, "abc", 400)
		return nil, err
	}
	run(t, d.config(m))
	d.assign(install("op1", 1, "install"))
	if r := d.result(); r.OK || !strings.Contains(r.Error, "416") {
		t.Errorf("result = %+v, want that a range beyond the image fails", r)
	}
	for _, want := range []string{"0123456789", "456789"} {
		if data := receive(t, "an image", got); data != want {
			t.Errorf("Image = %q, want %q", data, want)
		}
	}
	s := d.await("ranges", func(seen) bool { return true })
	if diff := cmp.Diff([]string{"", "bytes=4-", "bytes=400-"}, s.ranges); diff != "" {
		t.Errorf("ranges (-want +got):\n%s", diff)
	}
}
