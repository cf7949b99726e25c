package reconcile

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"reflect"
	"slices"
	"strings"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/status"
	"github.com/gitmetal/ingot/schemas"
)

// summarize writes what the last look saw on the host's page, and reports whether it reads differently now.
func (l *Loop) summarize(h *host) bool {
	document := status.Summarize(h.page.document, status.Result{
		At: h.seen.at, Desired: h.desired, Observed: h.seen.observed, Plan: h.seen.plan, Action: h.seen.action, Outcome: h.seen.outcome,
	})
	h.page.operation = h.record.OperationID()
	if h.page.version > 0 && reflect.DeepEqual(document, h.page.document) {
		return false
	}
	h.page.document = document
	h.page.version++
	l.branch.stale = true
	return true
}

// summarizeFleet notes that something about the whole fleet changed.
func (l *Loop) summarizeFleet() {
	l.branch.stale = true
	signal(l.publish)
	l.news.Tell("")
}

// Acted notes what an operator had the daemon do; it goes onto the fleet's page.
func (l *Loop) Acted(act status.Act) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fleet.acts = status.Do(l.fleet.acts, act)
	l.summarizeFleet()
}

// summary is what the loop knows of the whole fleet. The caller holds the lock.
func (l *Loop) summary() status.Fleet {
	f := status.Fleet{Commit: l.fleet.accepted.Commit, Title: l.fleet.title, Refused: l.fleet.refused, Frozen: l.fleet.frozen, Commits: l.fleet.commits, Acts: l.fleet.acts}
	if scope := l.fleet.reinstall; scope.Set() {
		f.Reinstall = &scope
	}
	if l.fleet.settings.Paused {
		f.Paused = "spec.paused in " + schemas.FleetFile + " is true"
	}
	rings := l.census.Progress(l.fleet.rings)
	for _, name := range slices.Sorted(maps.Keys(rings)) {
		f.Rings = append(f.Rings, rings[name])
	}
	return f
}

// fleetPages gives what encodes the pages of the whole fleet, by path, from what is known now. There are none before a commit was looked at, good or not.
func (l *Loop) fleetPages() func() map[string][]byte {
	if l.fleet.examined == "" {
		return func() map[string][]byte { return nil }
	}
	documents := make([]status.Document, 0, len(l.hosts))
	for _, h := range l.hosts {
		if h.page.version > 0 {
			documents = append(documents, h.page.document)
		}
	}
	summary := status.NewFleet(l.summary(), l.fleet.findings, documents)
	return func() map[string][]byte {
		return map[string][]byte{status.FleetPath: summary.Encode(), status.BoardPath: status.Board(summary, documents)}
	}
}

// recallPages takes the pages of the status branch over: what they say since when, and a host's record where the journal does not have it or an
// older one, as after its loss.
func (l *Loop) recallPages(files map[string][]byte) (rebuilt int) {
	for file, content := range files {
		if !status.IsHost(file) {
			l.recallFleet(file, content)
			continue
		}
		name := strings.TrimSuffix(path.Base(file), ".yaml")
		content, err := l.config.Publisher.Genuine(file, content)
		var document status.Document
		if err == nil {
			document, err = status.Page(file, content)
		}
		if err != nil {
			l.lose(name, fmt.Errorf("its page %s on the status branch is not readable: %w: restore it, or delete it so that the host counts as never seen, then restart", file, err))
			continue
		}
		record := document.Record()
		h := l.hosts[record.Host]
		if h == nil {
			h = &host{orphaned: true, desired: inventory.Desired{Name: record.Host}}
			l.hosts[record.Host] = h
		}
		if h.revision == 0 || record.Epoch > h.record.Epoch {
			h.record = record
			rebuilt++
		}
		h.page = page{document: document, version: 1, operation: record.OperationID(), pushed: content, current: 1, published: record.OperationID()}
	}
	return rebuilt
}

// recallFleet takes over which commits were accepted before. They are for people only: where they cannot be read, the list begins anew.
func (l *Loop) recallFleet(file string, content []byte) {
	if file != status.FleetPath {
		l.branch.pushed[file] = content
		return
	}
	content, err := l.config.Publisher.Genuine(file, content)
	var before status.Fleet
	if err == nil {
		before, err = status.ParseFleet(content)
	}
	if err != nil {
		l.config.Log.Warn("the fleet's page on the status branch is not readable: it is written again", "error", err)
		return
	}
	l.branch.pushed[file], l.fleet.commits, l.fleet.acts = content, before.Commits, before.Acts
}

// lose notes that a host's page cannot be read. With its record in the journal the page is just written again; without, nothing is known of the
// host, which is not the same as a new host.
func (l *Loop) lose(name string, err error) {
	l.config.Log.Error("status page not readable", "host", name, "error", err)
	if l.hosts[name] == nil {
		l.hosts[name] = &host{orphaned: true, lost: err, desired: inventory.Desired{Name: name}, record: inventory.Record{Host: name}}
	}
}

// same compares records by what the journal would hold.
func same(a, b inventory.Record) bool {
	left, errLeft := json.Marshal(a)
	right, errRight := json.Marshal(b)
	return errLeft == nil && errRight == nil && bytes.Equal(left, right)
}
