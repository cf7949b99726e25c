package evidence

import (
	"cmp"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/runs"
	"github.com/gitmetal/ingot/reconcile/act"
)

// RunJob is the job of the run under way as the hub knows it; zero without one.
func (m *Machine) RunJob() inventory.Job {
	job, run, b := m.Observed.Agent.Job, m.Record.Run, m.Record.Boot
	if run == nil || b == nil || job.ID != run.ID || m.Observed.Agent.Epoch != b.Epoch {
		return inventory.Job{}
	}
	return job
}

// FindRunEnd gives the run with its end, once its job has ended or was taken back; false before, and for a run that is
// over. A job that was taken back has ended when the agent says so, or says nothing any more.
func (m *Machine) FindRunEnd() (end runs.UnderWay, over bool) {
	if m.Record.Run == nil || m.Record.Run.IsOver() {
		return end, false
	}
	job := m.RunJob()
	end = *m.Record.Run
	if job.Executed != nil {
		end.Ended = *job.Executed
	}
	switch job.State {
	case inventory.JobSucceeded:
		end.Outcome = runs.Succeeded
		if job.Executed == nil || job.Executed.Exit != 0 {
			end.Outcome = runs.Failed
		}
	case inventory.JobFailed:
		end.Outcome, end.Error = runs.Failed, cmp.Or(end.Error, job.Error)
	case inventory.JobWithdrawn:
		if !job.Over && m.AgentAlive() {
			return end, false
		}
		end.Outcome, end.Why = act.ReadWithdrawal(job.Error)
	default:
		return end, false
	}
	return end, true
}
