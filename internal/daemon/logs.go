package daemon

import (
	"path/filepath"
	"time"

	"github.com/gitmetal/ingot/internal/daemon/joblogs"
	"github.com/gitmetal/ingot/inventory"
)

// newLogs makes the store of what steps say and what is collected of their failures.
func (d *Daemon) newLogs() *joblogs.Store {
	keep := joblogs.Keep{Age: time.Duration(d.config.Logs.Days) * 24 * time.Hour, Size: int64(d.config.Logs.Size)}
	return joblogs.New(joblogs.Config{Dir: filepath.Join(d.config.StateDir, "logs"), Secrets: &d.secrets.everOpened, Keep: keep,
		StepName: d.nameStep, Console: func(id inventory.MachineID) (string, error) { return d.consoles.ReadText(id) }, Log: d.log})
}

// nameStep gives the id of a step of a machine's operation, by its number from 1; "" where the operation is not known.
func (d *Daemon) nameStep(machine inventory.MachineID, operation string, number int) string {
	host, _ := d.loop.ViewHost(machine)
	for _, op := range []*inventory.Operation{host.Observed.Record.Operation, host.Observed.Record.Last} {
		if op != nil && op.ID == operation && number >= 1 && number <= len(op.Steps) {
			return op.Steps[number-1].Key()
		}
	}
	return ""
}

// Logs reads what steps said, and what was collected of their failures.
func (c *Client) Logs() joblogs.Client { return joblogs.Client{Get: c.sendGet} }
