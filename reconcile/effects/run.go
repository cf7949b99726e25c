package effects

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/gitmetal/ingot/agent/hub"
	"github.com/gitmetal/ingot/agent/wire"
	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/runs"
	"github.com/gitmetal/ingot/reconcile/act"
	"github.com/gitmetal/ingot/schemas"
)

// runAttempt is the attempt of the job of a run: another attempt is another run.
const runAttempt = 1

// assignRun hands the agent the job of the run under way. The job names no disk.
func (e *Effects) assignRun(
	ctx context.Context, desired inventory.Desired, record inventory.Record, action act.Action,
) act.Outcome {
	if bootsKernel(record) {
		return act.Outcome{Result: act.Done} // the machine has read what it runs
	}
	job, err := buildRunJob(desired, record, *action.Execution)
	if err != nil {
		return act.Outcome{Result: act.Stalled, Why: err.Error()}
	}
	return describeAssignment(e.config.Hub.Assign(ctx, string(record.ID), hub.Assignment{Job: job}))
}

// buildRunJob is the job of a run: the script of the commit with the arguments of the item.
func buildRunJob(desired inventory.Desired, record inventory.Record, work runs.Work) (wire.Job, error) {
	run := record.Run
	args, err := json.Marshal(work.Arguments(run.Item))
	if err != nil {
		return wire.Job{}, fmt.Errorf("arguments of item %d of workload %s: %w", run.Item, work.Workload, err)
	}
	const name = "run"
	script := &wire.Script{Body: work.Script, Run: &wire.Run{Operation: run.ID, Step: name, ID: name, Attempts: 1, Once: true,
		Machine: wire.RunMachine{ID: string(record.ID), Name: desired.Name, Labels: desired.Labels, Vars: desired.Vars},
		Args:    args, Needs: needsOfRun(record)}}
	execution := &wire.Execution{
		RunExecution: wire.RunExecution{Run: run.ID, Workload: run.Workload, Batch: run.Batch, Item: run.Item,
			Attempt: run.Attempt},
		Results: wire.ResultLimits{Files: work.Results.Files, MaxSize: work.Results.MaxSize, MaxFiles: work.Results.MaxFiles,
			Required: work.Results.Required}}
	return wire.Job{ID: run.ID, Attempt: runAttempt, Kind: wire.JobRun, Epoch: record.Boot.Epoch,
		Steps: []wire.Step{{Name: name, Timeout: work.Deadline, Script: script, Execution: execution}}}, nil
}

// needsOfRun gives a run the network, and half of the machine's memory: the other half is for results and the ramdisk.
func needsOfRun(record inventory.Record) wire.Needs {
	needs := wire.Needs{Network: true, Processes: schemas.MaxProcesses}
	if record.Facts != nil {
		needs.Memory = record.Facts.Memory / 2
	}
	return needs
}

// withdrawRun takes the job of the run under way back: the hub takes no result of it any more, whenever it comes.
func (e *Effects) withdrawRun(ctx context.Context, record inventory.Record, action act.Action) act.Outcome {
	if record.Run.Booted != nil {
		return describeError(e.config.Runs.GiveUp(record.Run.ID, action.Error))
	}
	err := e.config.Hub.Withdraw(ctx, string(record.ID), hub.Withdrawal{Job: record.Run.ID, Attempt: runAttempt, Why: action.Error})
	if errors.Is(err, hub.ErrBegun) {
		return act.Outcome{Result: act.Waits, After: time.Second, Why: err.Error()}
	}
	return describeError(err)
}
