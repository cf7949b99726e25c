package sim

import (
	"context"
	"errors"
	"io"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gitmetal/ingot/agent/wire"
)

// shelf is a session that keeps files in memory.
type shelf struct {
	stored map[string]string
	ended  wire.Executed
}

func (s *shelf) Report(wire.Progress)         {}
func (s *shelf) Facts() wire.Facts            { return wire.Facts{} }
func (s *shelf) NoteExecuted(e wire.Executed) { s.ended = e }
func (s *shelf) Blob(context.Context, string, int64) (io.ReadCloser, error) {
	return nil, errors.New("no inputs")
}

func (s *shelf) Upload(_ context.Context, file wire.ResultFile, content io.ReaderAt) error {
	body, err := io.ReadAll(io.NewSectionReader(content, 0, file.Size))
	s.stored[file.Name] = string(body)
	return err
}

func TestASimulatedRunLeavesWhatIsAskedFor(t *testing.T) {
	t.Parallel()
	s := &shelf{stored: map[string]string{}}
	step := wire.Step{Name: "run", Timeout: time.Minute, Script: &wire.Script{Body: []byte("#!/bin/sh\n")}, Execution: &wire.Execution{
		RunExecution: wire.RunExecution{Run: "r-1", Workload: "pi", Batch: "b1", Item: 7, Attempt: 1},
		Results:      wire.ResultLimits{Files: []string{"out/**", "*.csv"}, MaxSize: 1 << 20, MaxFiles: 10, Required: true}}}
	if err := execute(t.Context(), step, s); err != nil {
		t.Fatal(err)
	}
	const text = "run r-1 of pi: item 7, attempt 1\n"
	if diff := cmp.Diff([]string{"out/result", "x.csv"}, slices.Sorted(maps.Keys(s.stored))); diff != "" || s.stored["x.csv"] != text {
		t.Errorf("stored %q, -want +got:\n%s", s.stored, diff)
	}
	if s.ended.Run != "r-1" || s.ended.Exit != 0 || s.ended.Output != text || len(s.ended.Files) != 2 {
		t.Errorf("ended as %+v", s.ended)
	}
}
