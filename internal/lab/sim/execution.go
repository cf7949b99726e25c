package sim

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/gitmetal/ingot/agent/execution"
	"github.com/gitmetal/ingot/agent/steps"
	"github.com/gitmetal/ingot/agent/wire"
)

// execute makes a run as the agent makes it, but for the script, which nobody runs: in its place each pattern of the
// results gets one file that names the run.
func execute(ctx context.Context, step wire.Step, s execution.Session) (err error) {
	dir, err := os.MkdirTemp("", "ingot-sim-run-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	run := func(_ context.Context, r steps.ScriptRun) (string, error) {
		text := fmt.Sprintf("run %s of %s: item %d, attempt %d", r.Execution.Run, r.Execution.Workload, r.Execution.Item, r.Execution.Attempt)
		r.Report(wire.Progress{Step: step.Name, Lines: []string{text}})
		return text, leaveFiles(r.Places.Results, step.Execution.Results.Files, text)
	}
	return execution.Execute(ctx, step, execution.Tools{Session: s, Dir: dir, Run: run})
}

// leaveFiles writes a file for each pattern: the pattern with words for what stands for other characters.
func leaveFiles(dir string, patterns []string, text string) error {
	for _, pattern := range patterns {
		file := filepath.Join(dir, filepath.FromSlash(strings.NewReplacer("**", "result", "*", "x", "?", "y").Replace(pattern)))
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, []byte(text+"\n"), 0o600)); err != nil {
			return err
		}
	}
	return nil
}
