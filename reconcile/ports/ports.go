// Package ports is what the loop needs from outside: the ports to Git, journal, BMCs, agents and status branch, and its
// configuration. Package reconcile gives these types their names for everybody else. Adapters implement the interfaces;
// do not put an implementation here.
package ports

import (
	"context"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/settings"
	"github.com/gitmetal/ingot/reconcile/act"
	"github.com/gitmetal/ingot/reconcile/journal"
	"github.com/gitmetal/ingot/reconcile/status"
	"github.com/gitmetal/ingot/schemas"
)

// Source gives the newest accepted commits of the fleet. After an error the last good fleet stays.
type Source interface {
	Latest(ctx context.Context) (inventory.Sources, error)
	// Recall is told the fleet's page of the status branch when the branch is newer than the journal: Latest then
	// accepts only what contains the page's commit too, and the releases of the page's tags count as seen.
	Recall(page status.Fleet) error
}

// Loader resolves sources to a fleet. With a fatal finding the commit changes no machine.
type Loader func(inventory.Sources) (inventory.Fleet, []schemas.Finding)

// Records keeps one record per machine by compare-and-swap. The loop is the only writer. Package journal has the real
// implementation; the loop distinguishes the errors journal.ErrConflict and journal.ErrNotOwner.
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

// Lives keeps the last life that was claimed with this journal, and whether another daemon runs the fleet.
type Lives interface {
	LastLife(ctx context.Context) (journal.LastLife, error)
	KeepLife(ctx context.Context, last journal.LastLife) error
}

// Journal is the memory of the loop that survives a restart.
type Journal interface {
	Records
	Commits
	Lives
}

// Observer observes one host and changes nothing. Observe returns within its own deadlines and never fails: the
// returned value says what could not be read.
type Observer interface {
	Observe(ctx context.Context, desired inventory.Desired, record inventory.Record) inventory.Observed
}

// Executor does one action for one host: Do starts something or looks at its progress, and returns within its own
// deadlines. An action that was done before is Done. Journal-only actions never reach an Executor.
type Executor interface {
	Do(ctx context.Context, desired inventory.Desired, record inventory.Record, action act.Action) act.Outcome
	// Serve has this daemon answer the boot of a record, and no other boot: its medium, its agent. It asks no machine,
	// and may be repeated at any time.
	Serve(ctx context.Context, desired inventory.Desired, record inventory.Record) inventory.Served
	// Jobs gives the jobs of the host's BMC that have not ended, freshly read; none for a host without a BMC.
	Jobs(ctx context.Context, desired inventory.Desired) ([]settings.Job, error)
}

// Publisher keeps the status branch. Documents are whole files by path.
type Publisher interface {
	// Read gives every file of the branch's tip, each with whether this publisher's identity wrote the file; no files
	// when the branch does not exist yet.
	Read(ctx context.Context) (map[string]status.File, error)
	// Publish commits the changed files on top of the tip, and returns the commit. A nil content deletes a file.
	// Without a changed byte Publish returns the tip and pushes nothing. After somebody else moved the tip, Publish
	// may return an error with Moved() true and push nothing: the caller then calls Read first.
	Publish(ctx context.Context, changed map[string][]byte, message string) (string, error)
	// Strayed reports whether somebody else moved or deleted the branch since the last Read or Publish.
	Strayed() bool
}

// Ages keeps one document per host with the attended time of what is under way. A lost document only lengthens waits.
type Ages interface {
	// LoadAges gives nil for a host without a document.
	LoadAges(ctx context.Context, id inventory.MachineID) ([]byte, error)
	SaveAges(ctx context.Context, id inventory.MachineID, document []byte) error
}
