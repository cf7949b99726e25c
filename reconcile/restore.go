package reconcile

import (
	"context"
	"fmt"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/census"
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
	readCtx, cancel := context.WithTimeout(ctx, l.config.Limits.Publish)
	defer cancel()
	files, err := l.config.Publisher.Read(readCtx)
	if err != nil {
		return fmt.Errorf("read the status branch: %w", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fleet.accepted = accepted
	clear(l.hosts)
	l.census = census.New()
	for _, e := range entries {
		l.hosts[e.Record.Host] = &host{record: e.Record, revision: e.Revision, desired: inventory.Desired{Name: e.Record.Host}, orphaned: true}
	}
	rebuilt := l.recallPages(files)
	if rebuilt > 0 {
		l.config.Log.Warn("records rebuilt from the status branch", "hosts", rebuilt, "journal", len(entries))
	}
	return nil
}
