package settings

import (
	"fmt"
	"slices"
)

// Job is a task or a job of a BMC.
type Job struct {
	Path    string `json:"path"`
	Name    string `json:"name,omitempty"`
	State   string `json:"state"`            // in Redfish's words, or the vendor's
	Status  string `json:"status,omitempty"` // OK, Warning, Critical
	Percent int    `json:"percent,omitempty"`
	Message string `json:"message,omitempty"`
}

// states that a job does not leave any more, in the words of Task, of Job, and of iDRAC.
var ended = []string{"Completed", "Killed", "Exception", "Cancelled", "Failed", "CompletedWithErrors",
	"RebootCompleted", "RebootFailed"}

// states in which a job has not begun, and waits for a reset or for its time.
var waits = []string{"Pending", "Scheduled"}

// states in which a job that waits for a reset may be as well.
var early = []string{"New", "Starting", "ReadyForExecution"}

// HasEnded reports whether a job has ended, well or not.
func (j Job) HasEnded() bool { return slices.Contains(ended, j.State) }

// HasFailed reports whether a job has ended and says itself that it failed. A job that says Completed proves nothing.
func (j Job) HasFailed() bool {
	return j.HasEnded() && (j.State != "Completed" || j.Status == "Critical")
}

// Runs reports whether a job may be at work. A state that is not known is one.
func (j Job) Runs() bool { return !j.HasEnded() && !slices.Contains(waits, j.State) }

// String names a job for people.
func (j Job) String() string {
	text := fmt.Sprintf("job %s of the BMC", j.Path)
	if j.Name != "" {
		text += " (" + j.Name + ")"
	}
	text += " says " + j.State
	if j.Status != "" && j.Status != "OK" {
		text += "/" + j.Status
	}
	if j.Percent > 0 && !j.HasEnded() {
		text += fmt.Sprintf(" at %d%%", j.Percent)
	}
	if j.Message != "" {
		text += ": " + j.Message
	}
	return text
}

// WhyNoPower says why no command may change the power of a machine now: a job runs at its BMC, of ours or anybody
// else's. A job that waits for a reset runs not; nor does the job of the given work before its reset, whatever a BMC
// calls its state until then.
func WhyNoPower(jobs []Job, state *State) string {
	own := ""
	if state != nil && state.Work != nil && state.Work.Reset == 0 {
		own = state.Work.Job
	}
	for _, j := range jobs {
		ours := own != "" && j.Path == own && slices.Contains(early, j.State)
		if j.Runs() && !ours {
			return j.String() + ": no power command is sent until it ends"
		}
	}
	return ""
}
