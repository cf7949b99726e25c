package reconcile

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/format"
	"github.com/gitmetal/ingot/inventory/standing"
	"github.com/gitmetal/ingot/reconcile/admit"
	"github.com/gitmetal/ingot/reconcile/plan"
	"github.com/gitmetal/ingot/reconcile/recovery"
	"github.com/gitmetal/ingot/reconcile/status"
	"github.com/gitmetal/ingot/reconcile/statusbranch"
)

// restoreOnce restores what the journal knows of every host, and what the status branch knows beyond the journal. The
// loop starts with restoreOnce, and repeats it until both can be read: before, the daemon touches no machine.
func (l *Loop) restoreOnce(ctx context.Context) rest {
	err := l.restoreHosts(ctx)
	if err == nil {
		err = l.claimFleet(ctx)
	}
	if statusbranch.IsMoved(err) {
		return rest{settle: gatherTime}
	}
	if err == nil || ctx.Err() != nil || l.stopIfDisowned(err) {
		l.setSourceTrouble("")
		return rest{ended: true}
	}
	if l.restores++; l.restores == 1 {
		l.config.Log.Error("journal or status branch not readable: no machine is touched before they are", "error", err)
	}
	l.setSourceTrouble(err.Error())
	return rest{wait: l.config.BackoffAfter(l.restores), woken: l.refresh}
}

func (l *Loop) setSourceTrouble(why string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fleet.sourceTrouble = why
}

// restoreHosts reads journal and status branch, records what only pages know, and fills the loop's hosts.
func (l *Loop) restoreHosts(ctx context.Context) error {
	entries, err := l.config.Journal.List(ctx)
	accepted, errAccepted := l.config.Journal.Accepted(ctx)
	last, errLast := l.config.Journal.LastLife(ctx)
	if err = cmp.Or(err, errAccepted, errLast); err != nil {
		return err
	}
	files, err := l.readBranch(ctx)
	if err != nil {
		return err
	}
	known := recovery.RestoreState(entries, files)
	if err := known.Refused[status.FleetPath]; errors.Is(err, format.ErrNewer) {
		// a newer ingot runs this fleet: its page stays
		return fmt.Errorf("%s on the status branch: %w", status.FleetPath, err)
	}
	l.beginLife(max(known.Life, last.Life.Number))
	if known.IsNewer(last.Life) {
		if err := l.config.Source.Recall(known.Fleet); err != nil {
			return fmt.Errorf("%s on the status branch: %w", status.FleetPath, err)
		}
	}
	remembered := cmp.Or(accepted.Commit, known.Fleet.Commit)
	if known.IsNewer(last.Life) {
		remembered = cmp.Or(known.Fleet.Commit, accepted.Commit)
	}
	if err := l.recordRecovered(ctx, known.Hosts); err != nil {
		return err
	}
	view, err := l.batchStore.Restore(ctx, known.Files)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lastLife, l.remembered = last.Life, last.Another
	if last.Another != "" && !l.config.TakeFleet {
		l.standAside(last.Another)
	}
	l.fleet.accepted, l.fleet.commits, l.fleet.acts, l.fleet.unknown = accepted, known.Fleet.Commits,
		status.Acts(l.fleet.acts, known.Fleet.Acts), known.Fleet.Unknown
	l.fleet.remembered, l.fleet.restored, l.fleet.lostCommit = remembered, known.Fleet, known.LostCommit()
	clear(l.hosts)
	l.batches = view
	l.admit, l.branch, l.standing = admit.New(len(known.Hosts)), statusbranch.New(), standing.NewEmpty(len(known.Hosts))
	for _, h := range known.Hosts {
		l.addRestored(h)
	}
	known.Refuse(l.branch.RestoreFiles(known.Files))
	for file, err := range known.Refused {
		l.config.Log.Error("file of the status branch not readable", "page", file, "error", err)
	}
	if known.Rebuilt > 0 {
		l.config.Log.Warn("records rebuilt from the status branch", "hosts", known.Rebuilt, "journal", len(entries))
	}
	return nil
}

// recordRecovered writes the records that were restored from pages into the journal, before the first decision, with
// life and revision of the newer one. After an error some of the records may be written.
func (l *Loop) recordRecovered(ctx context.Context, hosts map[inventory.MachineID]*recovery.Host) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var writes sync.WaitGroup
	places := make(slots, l.config.Limits.Workers)
	var unrecorded []inventory.MachineID
	for id, h := range hosts {
		if h.Unrecorded() {
			unrecorded = append(unrecorded, id)
		}
	}
	slices.Sort(unrecorded)
	for _, id := range unrecorded {
		h := hosts[id]
		if ctx.Err() != nil {
			break
		}
		places <- struct{}{}
		writes.Go(func() {
			defer func() { <-places }()
			revision, err := l.config.Journal.Put(ctx, h.Record, h.Revision)
			if err != nil {
				stop(err)
			}
			h.Revision = revision
		})
	}
	writes.Wait()
	return context.Cause(ctx)
}

// addRestored adds a restored host. The caller holds the lock.
func (l *Loop) addRestored(known *recovery.Host) {
	id := known.Record.ID
	h := newHost(known.Record)
	h.revision, h.desired, h.orphaned = known.Revision, inventory.Desired{ID: id,
		Name: known.Document.Metadata.Name}, true
	l.hosts[id] = h
	switch {
	case h.record.Unreadable != "":
		h.lastLook.observed.Record = h.record
		h.lastLook.plan = plan.Next(h.desired, h.lastLook.observed, l.config.Now())
		l.summarizeHost(h)
		l.config.Log.Error("what is known of a host cannot be read", "host", id, "error", h.record.Unreadable)
	case known.Page != nil:
		l.branch.RestorePage(id, known.Document, known.Page)
	}
}

// readBranch reads all files of the status branch.
func (l *Loop) readBranch(ctx context.Context) (map[string]status.File, error) {
	ctx, cancel := context.WithTimeout(ctx, l.config.Limits.Publish)
	defer cancel()
	files, err := l.config.Publisher.Read(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the status branch: %w", err)
	}
	return files, nil
}
