package reconcile

import (
	"context"
	"errors"
	"fmt"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/format"
	"github.com/gitmetal/ingot/inventory/standing"
	"github.com/gitmetal/ingot/reconcile/admit"
	"github.com/gitmetal/ingot/reconcile/recovery"
	"github.com/gitmetal/ingot/reconcile/status"
	"github.com/gitmetal/ingot/reconcile/statusbranch"
)

// restore fills the loop's memory before anything else happens: from the journal, and from the status branch for every host that the journal does not know, or
// knows less of. It tries until both can be read; until then nothing is done to any machine. False means that ctx ended.
func (l *Loop) restore(ctx context.Context) bool {
	for failures := 1; ; failures++ {
		err := l.recall(ctx)
		if err == nil || ctx.Err() != nil || l.disowned(err) {
			l.setTrouble("")
			return err == nil
		}
		if failures == 1 {
			l.config.Log.Error("journal or status branch not readable: no machine is touched before they are", "error", err)
		}
		l.setTrouble(err.Error())
		if !pause(ctx, l.config.backoff(failures), l.refresh) {
			return false
		}
	}
}

func (l *Loop) setTrouble(why string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fleet.trouble = why
}

func (l *Loop) recall(ctx context.Context) error {
	entries, err := l.config.Journal.List(ctx)
	if err != nil {
		return err
	}
	accepted, err := l.config.Journal.Accepted(ctx)
	if err != nil {
		return err
	}
	files, err := l.onBranch(ctx)
	if err != nil {
		return err
	}
	known := recovery.Recall(entries, files, l.config.Publisher.Genuine)
	if err := known.Refused[status.FleetPath]; errors.Is(err, format.ErrNewer) {
		return fmt.Errorf("%s on the status branch: %w", status.FleetPath, err) // that ingot runs this fleet: its page is not written over
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fleet.accepted, l.fleet.commits, l.fleet.acts, l.fleet.unknown = accepted, known.Commits, status.Acts(l.fleet.acts, known.Acts), known.Unknown
	clear(l.hosts)
	l.admit, l.branch, l.standing = admit.New(), statusbranch.New(), standing.New(inventory.Fleet{}, nil)
	for id, h := range known.Hosts {
		l.hosts[id] = &host{record: h.Record, revision: h.Revision, unwritten: h.Unwritten, lost: h.Lost, desired: inventory.Desired{ID: id, Name: h.Document.Metadata.Name}, orphaned: true}
		if h.Page != nil {
			l.branch.Recall(id, h.Document, h.Page)
		}
	}
	for file, content := range known.Files {
		l.branch.RecallFile(file, content)
	}
	for file, err := range known.Refused {
		l.config.Log.Error("status page not readable", "page", file, "error", err)
	}
	if known.Rebuilt > 0 {
		l.config.Log.Warn("records rebuilt from the status branch", "hosts", known.Rebuilt, "journal", len(entries))
	}
	return nil
}

func (l *Loop) onBranch(ctx context.Context) (map[string][]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, l.config.Limits.Publish)
	defer cancel()
	files, err := l.config.Publisher.Read(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the status branch: %w", err)
	}
	return files, nil
}
