// Package reconcile is the loop: it takes the newest accepted fleet, looks at each machine, asks the planner what is due, does
// one thing, and writes down what it saw. It knows no BMC, no agent, no Git: it declares the ports it needs.
package reconcile

import (
	"context"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/journal"
	"github.com/gitmetal/ingot/reconcile/plan"
	"github.com/gitmetal/ingot/reconcile/status"
	"github.com/gitmetal/ingot/schemas"
)

// Source gives the fleet's newest accepted commits. An error means that nothing can be said: the last good fleet stays.
type Source interface {
	Latest(ctx context.Context) (inventory.Sources, error)
}

// Loader resolves sources to a fleet. Fatal findings mean that the commit changes nothing.
type Loader func(inventory.Sources) (inventory.Fleet, []schemas.Finding)

// Records keeps one record per machine by compare-and-swap. The loop is their only writer. Package journal has the real one, whose errors the
// loop tells apart: journal.ErrConflict and journal.ErrNotOwner.
type Records interface {
	List(ctx context.Context) ([]journal.Entry, error)
	Get(ctx context.Context, id inventory.MachineID) (inventory.Record, int64, error)
	Put(ctx context.Context, record inventory.Record, revision int64) (int64, error)
}

// Commits keeps the accepted commit.
type Commits interface {
	Accepted(ctx context.Context) (journal.Accepted, error)
	Accept(ctx context.Context, accepted journal.Accepted) error
}

// Journal is what the loop must not forget.
type Journal interface {
	Records
	Commits
}

// Observer looks at one host and changes nothing. It returns within its own deadlines and never fails: what could not be read says so in the value.
type Observer interface {
	Observe(ctx context.Context, desired inventory.Desired, record inventory.Record) inventory.Observed
}

// Executor does one action for one host: it starts something or looks at it, and returns within its own deadlines. Doing an
// action that has been done already is Done. Journal-only actions never reach it.
type Executor interface {
	Do(ctx context.Context, desired inventory.Desired, record inventory.Record, action plan.Action) plan.Outcome
	// Serve has this daemon answer the boot of a record, and no other boot: its medium, its agent. It asks no machine,
	// and may be repeated at any time.
	Serve(ctx context.Context, desired inventory.Desired, record inventory.Record) inventory.Served
}

// Publisher keeps the status branch. Documents are whole files by path.
type Publisher interface {
	// Read gives every file of the status branch's tip, each with whether this publisher's identity wrote the file; none
	// when the branch does not exist yet.
	Read(ctx context.Context) (map[string]status.File, error)
	// Publish commits the changed files on top of the tip, and returns the commit. A nil content deletes. Files that hold these bytes already are no change;
	// without any change the tip is returned and nothing is pushed. Where the tip is not the one that Read and Publish left, an error with Moved() true may say
	// that nothing was pushed, so that Read tells first what is there.
	Publish(ctx context.Context, changed map[string][]byte, message string) (string, error)
	// Strayed reports whether the tip was seen elsewhere than where Read and Publish left it: somebody else wrote to the branch, or deleted it.
	Strayed() bool
}
