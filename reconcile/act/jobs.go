package act

import (
	"time"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/settings"
)

// jobPause is the pause before the next look at a job that runs.
const jobPause = 10 * time.Second

// AwaitJobs is the outcome of a power command that is kept back, as a job runs at the machine's BMC: of ours or of
// anybody else's, and whatever the command is for. A BMC whose jobs cannot be read may have one that runs. The zero
// outcome means that the command may be sent.
func AwaitJobs(rec inventory.Record, jobs []settings.Job, err error) Outcome {
	if err != nil {
		return Outcome{Result: Retry, Unsent: true,
			Why: "the BMC's jobs cannot be read, and a power command could cut one: " + err.Error()}
	}
	if why := settings.WhyNoPower(jobs, rec.Settings); why != "" {
		return Outcome{Result: Waits, After: jobPause, Unsent: true, Why: why}
	}
	return Outcome{}
}
