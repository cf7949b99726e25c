// Package view has what the loop shows of its state, for pages, programs and terminals. Package reconcile gives the types
// their names for everybody else; Loop.View fills them. Pure.
package view

import (
	"time"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/act"
	"github.com/gitmetal/ingot/reconcile/plan"
	"github.com/gitmetal/ingot/reconcile/status"
	"github.com/gitmetal/ingot/schemas"
)

// View is the loop's state at one moment. The values are shared: read only.
type View struct {
	Commit   string    // the commit accepted since the start; while "", no machine is touched
	Title    string    // first line of the commit's message
	Accepted time.Time // time of the acceptance
	Last     string    // the last accepted commit, even from before the start
	Refused  string    // the newest commit, when refused
	Findings []schemas.Finding
	Source   string       // why the fleet cannot be read; else ""
	Publish  string       // why the status branch cannot be pushed; else ""
	Another  string       // why the daemon stands aside: another daemon runs this fleet; else ""
	Tip      string       // last commit of the status branch that this process pushed
	Fleet    status.Fleet // rings and pauses, as on the fleet's page
	Hosts    []HostView
}

// HostView is one host of a View.
type HostView struct {
	ID       inventory.MachineID
	Name     string // for people
	Orphaned bool   // in the journal, not in the fleet
	Desired  inventory.Desired
	Observed inventory.Observed // with the record
	Plan     plan.Plan
	Action   act.Kind // the last look's action; "" when no action was due
	Outcome  act.Outcome
	Looked   time.Time
	Again    time.Time       // time of the next look without an earlier event
	Document status.Document // the host's page; zero before the first look
	Pushed   bool            // whether the branch has the page as it reads now
}
