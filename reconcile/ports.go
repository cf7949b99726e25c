// Package reconcile is the loop: it takes the newest accepted fleet, observes each machine, asks package plan which
// action is due, does the one action, and publishes what it saw. Make a Loop with New and run it with Loop.Run;
// Loop.View shows the loop's state. Read acceptCommit and lookAtHost in loop.go first. Package ports has what the
// loop needs from outside: this package knows no BMC, no agent and no Git. Do not put policy here, the deciding
// packages are plan, admit and inventory/standing.
package reconcile

import "github.com/gitmetal/ingot/reconcile/ports"

// What the loop needs from outside; package ports says what each must do.
type (
	Config    = ports.Config
	Limits    = ports.Limits
	Source    = ports.Source
	Loader    = ports.Loader
	Records   = ports.Records
	Commits   = ports.Commits
	Lives     = ports.Lives
	Journal   = ports.Journal
	Observer  = ports.Observer
	Executor  = ports.Executor
	Publisher = ports.Publisher
	Ages      = ports.Ages
)
