// Package execution makes one run of an ephemeral workload in the ramdisk: the inputs are fetched, the script runs in
// its sandbox, and what it leaves in its results directory is uploaded. Call Execute for the step of a wire.JobRun.
//
// Nothing of a run outlives it: its processes are killed, its directories are unmounted and removed, and the next run
// has a user, name spaces and a results directory of its own.
package execution

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/gitmetal/ingot/agent/steps"
	"github.com/gitmetal/ingot/agent/wire"
	"github.com/gitmetal/ingot/internal/glob"
)

// Session is what an execution needs of the agent.
type Session interface {
	// Report says how far the run is; a report may be dropped.
	Report(p wire.Progress)
	// Facts is the machine as this boot's agent read it last.
	Facts() wire.Facts
	// Blob opens an input of the job, from offset on.
	Blob(ctx context.Context, sha256 string, offset int64) (io.ReadCloser, error)
	// Upload stores a file of the run, and returns once the daemon has acknowledged its digest.
	Upload(ctx context.Context, file wire.ResultFile, content io.ReaderAt) error
	// NoteExecuted keeps the end of the run for the result.
	NoteExecuted(executed wire.Executed)
}

// Tools are the parts of Execute that differ between a real machine and a test.
type Tools struct {
	Session Session
	Apart   steps.Isolation
	// Dir is the directory, in RAM, for the directories of runs.
	Dir string
	// Mount gives an empty directory of at most a number of bytes at a path; nil makes a directory without a bound.
	Mount func(dir string, size uint64) (unmount func() error, err error)
	// Run runs the script, or the plug-ins of the step in its place.
	Run func(ctx context.Context, run steps.ScriptRun) (output string, err error)
}

// uploadPatience is how long the upload of what a run left may take when the run's deadline comes earlier.
const uploadPatience = 15 * time.Minute

// PatienceBeyond is how long Execute may take beyond the deadline of the run.
const PatienceBeyond = uploadPatience + 2*time.Minute

// inputPatience is how long an input may bring no byte.
const inputPatience = 5 * time.Minute

// Execute makes the run of a step. The end of the run is noted also where the run failed; an error is a steps.Failure,
// or says why the script was never started.
func Execute(ctx context.Context, step wire.Step, t Tools) (err error) {
	order := *step.Execution
	deadline := time.Now().Add(step.Timeout)
	places, remove, err := t.makePlaces(order)
	defer func() { err = errors.Join(err, remove()) }()
	if err != nil {
		return fmt.Errorf("make the directories of the run: %w", err)
	}
	if err := t.fetchInputs(ctx, order.Inputs, places.Inputs); err != nil {
		return err
	}
	head := &head{report: t.Session.Report}
	run := steps.ScriptRun{Script: *step.Script, Timeout: max(time.Until(deadline), time.Second), Facts: t.Session.Facts(), Apart: t.Apart,
		Report: head.Report, Execution: &order.RunExecution, Places: places}
	executed := wire.Executed{Run: order.Run, Began: time.Now().UTC()}
	output, failed := t.Run(ctx, run)
	executed.Exit, executed.Ended, executed.Output = steps.ExitCode(failed), time.Now().UTC(), head.String()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	limited, cancel := context.WithDeadline(ctx, latest(deadline, time.Now().Add(uploadPatience)))
	defer cancel()
	executed.Files, err = t.upload(limited, order.Results, places.Results)
	if err != nil && failed == nil {
		failed = steps.Failure{Err: err, Output: output}
	}
	t.Session.NoteExecuted(executed)
	return failed
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// makePlaces makes the directories of a run. The caller calls remove.
func (t Tools) makePlaces(order wire.Execution) (p steps.Places, remove func() error, err error) {
	if err := os.MkdirAll(t.Dir, 0o755); err != nil {
		return p, func() error { return nil }, err
	}
	dir, err := os.MkdirTemp(t.Dir, "run-")
	if err != nil {
		return p, func() error { return nil }, err
	}
	unmount := func() error { return nil }
	remove = func() error { return errors.Join(unmount(), os.RemoveAll(dir)) }
	p = steps.Places{Inputs: filepath.Join(dir, "inputs"), Results: filepath.Join(dir, "results"), Size: t.resultsSize(order.Results)}
	err = errors.Join(os.Chmod(dir, 0o755), os.Mkdir(p.Inputs, 0o755), os.Mkdir(p.Results, 0o777))
	if err == nil && t.Mount != nil {
		var done func() error
		if done, err = t.Mount(p.Results, p.Size); err == nil {
			unmount = done
		}
	}
	return p, remove, errors.Join(err, os.Chmod(p.Results, 0o777)) // whatever the umask is
}

// resultsSize is the most bytes of a results directory: what the Workload allows, and a quarter of the memory at most.
func (t Tools) resultsSize(limits wire.ResultLimits) uint64 {
	size := uint64(max(limits.MaxSize, 1<<20))
	if memory := t.Session.Facts().Memory; memory > 0 {
		size = min(size, memory/4)
	}
	return size
}

// fetchInputs puts the inputs where the script finds them. An input with another digest ends the run before it begins.
func (t Tools) fetchInputs(ctx context.Context, inputs []wire.Input, dir string) error {
	for _, in := range inputs {
		if err := glob.CheckName(in.Name); err != nil {
			return fmt.Errorf("input: %w", err)
		}
		name := filepath.Join(dir, filepath.FromSlash(in.Name))
		err := os.MkdirAll(filepath.Dir(name), 0o755)
		if err == nil {
			err = t.fetchInput(ctx, in, name)
		}
		if err != nil {
			return fmt.Errorf("input %s: %w", in.Name, err)
		}
	}
	return nil
}

func (t Tools) fetchInput(ctx context.Context, in wire.Input, name string) error {
	if in.SHA256 == "" {
		return os.WriteFile(name, in.Body, 0o444)
	}
	file, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o444)
	if err != nil {
		return err
	}
	defer file.Close()
	sum := sha256.New()
	download := steps.Download{Image: wire.Image{SHA256: in.SHA256, Size: in.Size}, Images: blobs{t.Session}, Report: t.Session.Report,
		Patience: inputPatience}
	err = download.Copy(ctx, func(chunk []byte) error {
		_, err := io.MultiWriter(file, sum).Write(chunk)
		return err
	})
	if err == nil && hexSum(sum) != in.SHA256 {
		err = errors.New("the daemon served a file with another digest")
	}
	return err
}

func hexSum(sum hash.Hash) string { return hex.EncodeToString(sum.Sum(nil)) }

// blobs reads inputs as images are read.
type blobs struct{ session Session }

// Image implements steps.Images.
func (b blobs) Image(ctx context.Context, sha256 string, offset int64) (io.ReadCloser, error) {
	return b.session.Blob(ctx, sha256, offset)
}

// head keeps the beginning of a run's output.
type head struct {
	report func(wire.Progress)

	mu   sync.Mutex
	text strings.Builder
}

// Report keeps the lines of a report, and passes the report on.
func (h *head) Report(p wire.Progress) {
	h.mu.Lock()
	for _, line := range p.Lines {
		if left := wire.MaxOutput - h.text.Len(); left > 0 {
			h.text.WriteString((line + "\n")[:min(left, len(line)+1)])
		}
	}
	h.mu.Unlock()
	h.report(p)
}

func (h *head) String() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return strings.ToValidUTF8(h.text.String(), "")
}
