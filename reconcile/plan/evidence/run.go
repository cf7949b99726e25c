package evidence

import (
	"cmp"
	"time"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/runs"
	"github.com/gitmetal/ingot/reconcile/act"
)

// RunJob is the job of the run under way as the hub knows it; zero without one.
func (m *Machine) RunJob() inventory.Job {
	job, run, b := m.Observed.Agent.Job, m.Record.Run, m.Record.Boot
	if run != nil && run.Booted != nil {
		return m.reportedJob(*run)
	}
	if run == nil || b == nil || job.ID != run.ID || m.Observed.Agent.Epoch != b.Epoch {
		return inventory.Job{}
	}
	return job
}

// reportedJob is what a run without an agent said over HTTP, in the words of a job.
func (m *Machine) reportedJob(run runs.UnderWay) inventory.Job {
	job := inventory.Job{ID: run.ID, Attempt: 1}
	switch said := m.Observed.Run; {
	case said.Orphan != "":
		job.State, job.Over, job.Error = inventory.JobWithdrawn, true, said.Orphan
	case said.Ended != nil:
		job.State, job.Executed, job.Error = inventory.JobSucceeded, said.Ended, said.Ended.Error
		if said.Ended.Exit != 0 || said.Ended.Error != "" {
			job.State = inventory.JobFailed
		}
	case run.Handed:
		job.State = inventory.JobRunning
	}
	return job
}

// KernelStarted reports whether the kernel or the ISO of the run under way was started: the machine has read its last initrd
// or a good part of the ISO, or the run was heard. It may be read before the time of the power-on is known, so no times are compared; a BMC that copies a
// medium whole when it is inserted reads it too early, and then only the deadline of the run ends a boot that fails.
func (m *Machine) KernelStarted() bool {
	run := m.Record.Run
	media := m.Observed.Media
	return run != nil && run.Booted != nil && (run.Handed || media.WasRead(inventory.MediumOverlay) || media.WasRead(inventory.MediumISO) ||
		m.Observed.Run.Ended != nil || !m.Observed.Run.Heard.IsZero())
}

// NameStarted names what a boot from a medium waits for: the agent, or what the run under way boots.
func (m *Machine) NameStarted(agent string) string {
	switch run := m.Record.Run; {
	case run == nil || run.Booted == nil:
		return agent
	case m.Observed.Media.HasPart(inventory.MediumISO):
		return "the machine to read the ISO of its run"
	default:
		return "the machine to read the kernel and the initrds of its run"
	}
}

// EndedWithOff reports whether the run under way is one that ends when its machine goes off, and that has happened.
func (m *Machine) EndedWithOff(settled time.Duration) bool {
	run := m.Record.Run
	return run != nil && run.Booted != nil && run.Booted.EndsWithOff && m.Record.Boot != nil && m.KernelStarted() && m.IsOff() &&
		m.Observed.Attended.Started > settled
}

// IsKernelSilent reports whether nothing can end a run without an agent any more while its BMC does not answer: its deadline
// has passed, and with it a while in which the BMC might have come back. The time is not attended: nothing is done to the
// machine.
func (m *Machine) IsKernelSilent(patience time.Duration) bool {
	run, b := m.Record.Run, m.Record.Boot
	return b == nil || m.Now.After(b.Started.Add(run.Booted.Deadline+patience))
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
