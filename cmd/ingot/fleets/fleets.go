// Package fleets reads a fleet, and the status of its hosts, for verbs that work on a clone or a directory. NewReader
// makes a Reader; Reader.ReadFleet reads a fleet, Reader.ReadKnown the status branch. No network connection
// is made, except by the git program for objects that a partial clone left out.
package fleets

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"runtime"
	"slices"
	"sync"

	"github.com/gitmetal/ingot/boot/ignition"
	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/gitrepo"
	"github.com/gitmetal/ingot/inventory/load"
	"github.com/gitmetal/ingot/inventory/runs"
	"github.com/gitmetal/ingot/reconcile/admit"
	"github.com/gitmetal/ingot/reconcile/batches/pages"
	"github.com/gitmetal/ingot/reconcile/review"
	"github.com/gitmetal/ingot/reconcile/status"
	"github.com/gitmetal/ingot/schemas"
)

// Reader reads from the clone around a directory, or from the directory itself. A load reuses the results of the load
// before.
type Reader struct {
	dir    string
	path   string           // of the fleet in the clone
	rings  []admit.Progress // as the daemon runs them, by the status branch; nil before ReadKnown
	apart  string           // a directory around dir that looks like a fleet and has no ingot.yaml; "" for none
	clone  *gitrepo.Clone   // opened when needed
	loaded load.Cache
}

// NewReader makes a Reader that has read nothing yet.
func NewReader(dir string) *Reader { return &Reader{dir: dir} }

// NewReaderAround reads the fleet around a directory: from the top of the clone, or from the directory of the clone that
// has the fleet; without a clone, from the directory.
func NewReaderAround(dir string) *Reader {
	f := NewReader(dir)
	if _, err := f.MoveToTop(); err != nil {
		return NewReader(dir)
	}
	return f
}

// ReadFleet gives the fleet at a revision; without a revision, of the directory's files. Rings run the clone's tags and
// the extra tags, given as revisions by name.
func (f *Reader) ReadFleet(revision string, extra map[string]string) (inventory.Fleet, []schemas.Finding, error) {
	snapshot, err := f.ReadTree(revision)
	var refused gitrepo.Refused
	if errors.As(err, &refused) {
		return inventory.Fleet{}, refused.Findings, nil
	}
	if err != nil {
		return inventory.Fleet{}, nil, err
	}
	sources := inventory.Sources{Trunk: snapshot}
	if patterns := load.TagPatterns(snapshot); len(patterns) > 0 {
		if sources.Releases, err = f.selectReleases(patterns, extra); err != nil {
			return inventory.Fleet{}, nil, err
		}
	}
	if f.loaded == (load.Cache{}) {
		f.loaded = decodeAhead(snapshot.Files)
	}
	fleet, findings, loaded := load.FleetWithCache(f.loaded, sources, ignition.Checker{})
	f.loaded = loaded
	return fleet, findings, nil
}

// decodeAhead decodes the files of a tree on all processors: a first load of a large fleet spends most of its time
// there.
func decodeAhead(files map[string]inventory.File) load.Cache {
	shares := make([]map[string]inventory.File, runtime.GOMAXPROCS(0))
	for i := range shares {
		shares[i] = map[string]inventory.File{}
	}
	next := 0
	for file, f := range files {
		shares[next%len(shares)][file] = f
		next++
	}
	parts := make([]load.Cache, len(shares))
	var all sync.WaitGroup
	for i, share := range shares {
		all.Go(func() { parts[i] = load.DecodeFiles(share) })
	}
	all.Wait()
	return load.JoinCaches(parts...)
}

// selectReleases picks the rings' releases from the clone; a directory outside of a clone has no tags. A tag that the daemon
// runs stands for the commit that the daemon runs, wherever the clone has the tag: the daemon follows no tag that moves.
func (f *Reader) selectReleases(patterns, extra map[string]string) (map[string]inventory.Release, error) {
	if err := f.openClone(); err != nil {
		return map[string]inventory.Release{}, nil
	}
	revisions := map[string]string{}
	for _, ring := range f.rings {
		if ring.Tag != "" && ring.Commit != "" && f.clone.HasCommit(ring.Commit) {
			revisions[ring.Tag] = ring.Commit
		}
	}
	maps.Copy(revisions, extra)
	return f.clone.ChooseReleases(patterns, revisions)
}

func (f *Reader) openClone() (err error) {
	if f.clone == nil {
		if f.clone, err = gitrepo.OpenClone(f.dir); err == nil {
			f.path = f.clone.FindPath(f.dir)
			f.apart = f.findApart()
		}
	}
	return err
}

// ReadTree gives the files of a revision; without a revision, of the directory.
func (f *Reader) ReadTree(revision string) (inventory.Snapshot, error) {
	if revision == "" {
		return gitrepo.ReadDirectory(f.dir)
	}
	if err := f.openClone(); err != nil {
		return inventory.Snapshot{}, err
	}
	return f.clone.ReadSnapshot(revision)
}

// StatusBranch is the status branch that a person named, else the one of the fleet's directory.
func (f *Reader) StatusBranch(named string) string {
	_ = f.openClone() // the next call tells of it
	return cmp.Or(named, gitrepo.StatusBranch(f.path))
}

// MoveToTop makes the Reader read files from the fleet's directory in the clone, usually the top, and returns the
// directory.
func (f *Reader) MoveToTop() (string, error) {
	if err := f.openClone(); err != nil {
		return "", err
	}
	top, err := f.clone.WorkDirectory()
	if err == nil {
		f.dir = filepath.Join(top, filepath.FromSlash(f.path))
	}
	return f.dir, err
}

// Known is the content of a clone's status branch. Hosts' pages are read when asked for.
type Known struct {
	Commit  string                                   // of the branch; "" if there is no such branch
	Records map[inventory.MachineID]inventory.Record // of the hosts asked for
	// Takeovers are the values of spec.consent.takeover that the holds of the hosts asked for print.
	Takeovers map[inventory.MachineID]string
	// Unreadable says, for hosts asked for, why a page cannot be read.
	Unreadable map[inventory.MachineID]string
	Reinstall  schemas.Scope // where the daemon lets update: Reinstall stand for consent
	// TwoSigners says that the daemon requires two signers for an erase; Signatures are the counted signatures on every
	// ring's tag.
	TwoSigners bool
	Signatures map[string]inventory.Signatures
	Opener     *inventory.Opener // whose Secrets the daemon opens; nil if not known
	Frozen     string            // why the daemon erases nothing anywhere, or ""
	Rings      []admit.Progress  // as the daemon runs them

	status gitrepo.Status
	pages  map[inventory.MachineID]string
}

// ReadKnown reads the status branch of the clone, without the hosts' pages. Call ReadKnown before ReadFleet: rings run what
// the daemon runs then.
func (f *Reader) ReadKnown(branch string) (Known, error) {
	k := Known{pages: map[inventory.MachineID]string{}, Records: map[inventory.MachineID]inventory.Record{},
		Takeovers: map[inventory.MachineID]string{}, Signatures: map[string]inventory.Signatures{}, Unreadable: map[inventory.MachineID]string{}}
	err := f.openClone()
	if err != nil {
		return k, err
	}
	if k.status, err = f.clone.OpenStatus(branch); err != nil {
		return k, err
	}
	k.Commit = k.status.Commit
	for _, file := range k.status.ListFiles() {
		if status.IsHost(file) {
			k.pages[status.IDOf(file)] = file
		}
	}
	page, err := k.status.ReadPage(status.FleetPath)
	if err != nil || page == nil {
		return k, err
	}
	fleet, err := status.ParseFleet(page)
	if err != nil {
		return k, fmt.Errorf("%s on the status branch: %w: "+MendHint, status.FleetPath, err)
	}
	if fleet.Reinstall != nil {
		k.Reinstall = *fleet.Reinstall
	}
	k.TwoSigners, k.Frozen, k.Rings, k.Opener = fleet.TwoSigners, fleet.Frozen, fleet.Rings, fleet.Opener
	f.rings = fleet.Rings
	for _, ring := range fleet.Rings {
		if ring.Signatures != nil {
			k.Signatures[ring.Name] = *ring.Signatures
		}
	}
	return k, nil
}

// ApplyRules gives a fleet with the daemon's settings about erasing, and with what the daemon opens.
func (k Known) ApplyRules(fleet inventory.Fleet) inventory.Fleet {
	fleet.Opener = k.Opener
	return load.ApplyEraseRules(fleet,
		load.EraseRules{Reinstall: k.Reinstall, TwoSigners: k.TwoSigners, Counted: k.Signatures})
}

// ReadPages reads the records of hosts, as far as the hosts have readable pages. The pages are decoded on all
// processors: a review of a large change spends most of its time there.
func (k Known) ReadPages(hosts ...inventory.MachineID) {
	var unread []inventory.MachineID
	for _, host := range hosts {
		_, there := k.pages[host]
		if _, read := k.Records[host]; there && !read {
			unread = append(unread, host)
		}
	}
	records, errs := make([]inventory.Record, len(unread)), make([]error, len(unread))
	takeovers := make([]string, len(unread))
	var decoding sync.WaitGroup
	places := make(chan struct{}, runtime.GOMAXPROCS(0))
	for i, host := range unread {
		content, err := k.status.ReadPage(k.pages[host])
		places <- struct{}{}
		decoding.Go(func() {
			defer func() { <-places }()
			var page status.Document
			page, errs[i] = decodePage(k.pages[host], content, err)
			if records[i] = page.Record(); page.Hold != nil {
				takeovers[i] = page.Hold.Takeover
			}
		})
	}
	decoding.Wait()
	for i, host := range unread {
		if errs[i] != nil {
			k.Unreadable[host] = errs[i].Error()
			continue
		}
		k.Records[host], k.Takeovers[host] = records[i], takeovers[i]
	}
}

// ReadForReview reads the records that the review of a change needs; pages of unrelated hosts are not read.
func (k Known) ReadForReview(base, head inventory.Fleet) review.Known {
	k.ReadPages(review.ConcernedHosts(base, head)...)
	claims := review.DeclaredClaims(base, head, k.Records)
	for id, file := range k.pages {
		if _, named := head.Hosts[id]; !named || k.mentionsAny(file, claims) {
			k.ReadPages(id)
		}
	}
	return review.Known{Records: k.Records, Unreadable: k.Unreadable, Runs: k.readRuns(base, head)}
}

// readRuns reads the state of the Workloads with runs, and the pages of the machines that they may claim.
func (k Known) readRuns(base, head inventory.Fleet) []runs.State {
	if len(base.Runs)+len(head.Runs) == 0 {
		return nil
	}
	for _, fleet := range []inventory.Fleet{base, head} {
		for id, d := range fleet.Hosts {
			if d.Claimable {
				k.ReadPages(id)
			}
		}
	}
	documents := map[string][]byte{}
	for _, file := range k.status.ListFiles() {
		if pages.IsPage(file) {
			documents[file], _ = k.status.ReadPage(file) // without content the Workload reads as unreadable
		}
	}
	return pages.Decode(documents)
}

// mentionsAny reports whether a page contains any of the texts, ignoring case, without parsing the page.
func (k Known) mentionsAny(file string, texts []string) bool {
	if len(texts) == 0 {
		return false
	}
	page, err := k.status.ReadPage(file)
	if err != nil {
		return true // ReadPages reports the error
	}
	page = bytes.ToLower(page)
	return slices.ContainsFunc(texts, func(text string) bool { return bytes.Contains(page, []byte(text)) })
}

// ReadForHosts reads the records of some hosts of a fleet, and the records under which their machines are known.
func (k Known) ReadForHosts(fleet inventory.Fleet, hosts []inventory.Desired) review.Known {
	others := fleet
	others.Hosts = maps.Clone(fleet.Hosts)
	for _, host := range hosts {
		delete(others.Hosts, host.ID)
	}
	return k.ReadForReview(others, fleet)
}

// MendHint says what to do about a broken page.
const MendHint = "a running daemon writes it again, then fetch; without one, restore it from the branch's history"

// ReadPage reads the page of a host. The error names the page.
func ReadPage(branch gitrepo.Status, file string) (status.Document, error) {
	content, err := branch.ReadPage(file)
	return decodePage(file, content, err)
}

// decodePage decodes the page of a host, unless the page was not read for a reason.
func decodePage(file string, content []byte, err error) (d status.Document, _ error) {
	if err == nil {
		d, err = status.Page(file, content)
	}
	if err != nil {
		return d, fmt.Errorf("its status page %s cannot be read: %w", file, err)
	}
	return d, nil
}
