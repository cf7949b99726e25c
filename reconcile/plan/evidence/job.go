package evidence

import (
	"github.com/gitmetal/ingot/inventory"
)

// powerOffJob is wire.JobPowerOff, as the hub reports the kind.
const powerOffJob = "power-off"

// CurrentJob is the job of the agent, if the job is for the step at the cursor in the present attempt. An agent that
// works on a job unknown to the hub may be writing.
func (m *Machine) CurrentJob(op inventory.Operation) inventory.Job {
	if job := m.Observed.Agent.Job; job.ID == op.JobID() && job.Attempt == op.Attempt {
		return job
	}
	if m.WorksOnUnknownJob(op) {
		return inventory.Job{ID: op.JobID(), Attempt: op.Attempt, State: inventory.JobRunning, Begun: true}
	}
	return inventory.Job{}
}

// WorksOnUnknownJob reports whether the agent says that it works on the present job of the operation while the hub
// does not know the job, as after the loss of the journal.
func (m *Machine) WorksOnUnknownJob(op inventory.Operation) bool {
	return m.Observed.Agent.Job.ID == "" && m.Observed.Agent.Runs == op.JobID()
}

// HasJob reports whether the agent works on a job of the operation, or has ended the job and the record does not say
// so.
func (m *Machine) HasJob() bool {
	op := m.Record.Operation
	return op != nil && m.CurrentJob(*op).State != inventory.NoJob
}

// AgentAlive reports whether the agent of the record's boot has spoken lately.
func (m *Machine) AgentAlive() bool {
	b := m.Record.Boot
	return b != nil && m.Observed.Agent.Boot == b.ID && !m.Passed(m.Observed.Attended.Silent, m.Deadlines.Silence)
}

// IsAtWork reports whether the agent has a job of the operation, and was heard lately.
func (m *Machine) IsAtWork() bool {
	if m.Record.Operation == nil || !m.AgentAlive() {
		return false
	}
	state := m.CurrentJob(*m.Record.Operation).State
	return state == inventory.JobAssigned || state == inventory.JobRunning
}

// ToldPowerOff reports whether the agent of the boot was told to power its machine off.
func (m *Machine) ToldPowerOff(b inventory.Boot) bool {
	job := m.Observed.Agent.Job
	return job.Kind == powerOffJob && m.Observed.Agent.Boot == b.ID
}

// IsWriting reports whether the agent may be writing: leave was given in this attempt, or the job is one of protocol 1
// that has begun, and the agent does not ask.
func IsWriting(op inventory.Operation, job inventory.Job) bool {
	return job.State == inventory.JobRunning && job.Question == nil && (job.Begun || op.BeganWithLeave() && op.Writes())
}

// IsOfProtocol1 reports whether a job was handed out by a daemon that gave no leave at the disk.
func IsOfProtocol1(job inventory.Job) bool {
	return job.Kind == "install" || job.Kind == "install-by-reference"
}

// Retires reports whether the operation that is under way, or due, erases a machine that leaves the fleet.
func (m *Machine) Retires() bool {
	if op := m.Record.Operation; op != nil {
		return op.Kind == inventory.Erase
	}
	return m.Desired.Retires
}
