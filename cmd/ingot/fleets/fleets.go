// Package fleets reads a fleet, and what is known of its hosts, for the verbs that work on a clone or a directory. It connects to nothing.
package fleets

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"sync"

	"github.com/gitmetal/ingot/boot/ignition"
	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/gitrepo"
	"github.com/gitmetal/ingot/inventory/load"
	"github.com/gitmetal/ingot/reconcile/review"
	"github.com/gitmetal/ingot/reconcile/status"
	"github.com/gitmetal/ingot/schemas"
)

// Reader reads from the clone that a directory lies in, or from the directory itself. Each fleet starts from the one that was read before.
type Reader struct {
	dir    string
	clone  *gitrepo.Clone // nil until it is needed
	loaded load.Cache
}

// In reads nothing yet.
func In(dir string) *Reader { return &Reader{dir: dir} }

// Around reads the clone that a directory lies in, from its top; the directory as it is when it lies in none.
func Around(dir string) *Reader {
	f := In(dir)
	if _, err := f.AtTop(); err != nil {
		return In(dir)
	}
	return f
}

// Read gives a fleet at a revision, or, without a revision, the directory as it is. Rings run the clone's tags, and extra ones that are given as a
// revision by name.
func (f *Reader) Read(revision string, extra map[string]string) (inventory.Fleet, []schemas.Finding, error) {
	snapshot, err := f.Tree(revision)
	var refused gitrepo.Refused
	if errors.As(err, &refused) {
		return inventory.Fleet{}, refused.Findings, nil
	}
	if err != nil {
		return inventory.Fleet{}, nil, err
	}
	sources := inventory.Sources{Trunk: snapshot}
	if patterns := load.TagPatterns(snapshot); len(patterns) > 0 {
		if sources.Releases, err = f.releases(patterns, extra); err != nil {
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

// decodeAhead decodes the files of a tree on all processors: most of the time that a large fleet takes from scratch is spent there.
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

// releases picks what rings run from the clone; a directory outside of any clone has no tags.
func (f *Reader) releases(patterns, extra map[string]string) (map[string]inventory.Release, error) {
	if err := f.open(); err != nil {
		return map[string]inventory.Release{}, nil
	}
	return f.clone.ChooseReleases(patterns, extra)
}

func (f *Reader) open() (err error) {
	if f.clone == nil {
		f.clone, err = gitrepo.OpenClone(f.dir)
	}
	return err
}

// Tree gives the files of a revision, or, without one, of the directory.
func (f *Reader) Tree(revision string) (inventory.Snapshot, error) {
	if revision == "" {
		return gitrepo.ReadDirectory(f.dir)
	}
	if err := f.open(); err != nil {
		return inventory.Snapshot{}, err
	}
	return f.clone.ReadSnapshot(revision)
}

// AtTop has directories be read from the top of the clone, which it gives.
func (f *Reader) AtTop() (string, error) {
	if err := f.open(); err != nil {
		return "", err
	}
	top, err := f.clone.WorkDirectory()
	if err == nil {
		f.dir = top
	}
	return top, err
}

// Known is what the status branch of a clone says. A host's page is read when it is asked for.
type Known struct {
	Commit  string                                   // of the branch; "" when there is no such branch
	Records map[inventory.MachineID]inventory.Record // of the hosts that were asked for
	// Unreadable says why the pages of hosts that were asked for cannot be read: what is known of them is not known here.
	Unreadable map[inventory.MachineID]string
	Reinstall  schemas.Scope // where the daemon lets update: Reinstall stand for consent
	// TwoSigners says that the daemon wants two signers for what erases, and Signatures how many it counted on the tag of each ring.
	TwoSigners bool
	Signatures map[string]inventory.Signatures

	status gitrepo.Status
	pages  map[inventory.MachineID]string
}

// Known reads the status branch of the clone, but for the hosts' pages.
func (f *Reader) Known(branch string) (Known, error) {
	k := Known{pages: map[inventory.MachineID]string{}, Records: map[inventory.MachineID]inventory.Record{}, Signatures: map[string]inventory.Signatures{}, Unreadable: map[inventory.MachineID]string{}}
	err := f.open()
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
		return k, fmt.Errorf("%s on the status branch: %w: "+Mend, status.FleetPath, err)
	}
	if fleet.Reinstall != nil {
		k.Reinstall = *fleet.Reinstall
	}
	k.TwoSigners = fleet.TwoSigners
	for _, ring := range fleet.Rings {
		if ring.Signatures != nil {
			k.Signatures[ring.Name] = *ring.Signatures
		}
	}
	return k, nil
}

// Ruled gives a fleet under the daemon's configuration, as far as that decides what may be erased.
func (k Known) Ruled(fleet inventory.Fleet) inventory.Fleet {
	fleet = fleet.Reinstallable(k.Reinstall)
	if k.TwoSigners {
		fleet = fleet.Countersigned(k.Signatures)
	}
	return fleet
}

// Read has the records of hosts known, as far as they have a page that can be read.
func (k Known) Read(hosts ...inventory.MachineID) {
	for _, host := range hosts {
		file, there := k.pages[host]
		if _, read := k.Records[host]; read || !there {
			continue
		}
		page, err := PageOf(k.status, file)
		if err != nil {
			k.Unreadable[host] = err.Error()
			continue
		}
		k.Records[host] = page.Record()
	}
}

// ReadFor has those records known that the review of a change needs: pages of hosts that it has nothing to do with are not read.
func (k Known) ReadFor(base, head inventory.Fleet) review.Known {
	k.Read(review.Concerns(base, head)...)
	claims := review.Claims(base, head, k.Records)
	for id, file := range k.pages {
		if _, named := head.Hosts[id]; !named || k.mentions(file, claims) {
			k.Read(id)
		}
	}
	return review.Known{Records: k.Records, Unreadable: k.Unreadable}
}

// mentions reports whether a page has one of some texts, in any case: it is not read further than that.
func (k Known) mentions(file string, texts []string) bool {
	if len(texts) == 0 {
		return false
	}
	page, err := k.status.ReadPage(file)
	if err != nil {
		return true // reading it again says why
	}
	page = bytes.ToLower(page)
	return slices.ContainsFunc(texts, func(text string) bool { return bytes.Contains(page, []byte(text)) })
}

// ReadOf has those records known that say what is known of some hosts of a fleet, and under which ids their machines are known.
func (k Known) ReadOf(fleet inventory.Fleet, hosts []inventory.Desired) review.Known {
	others := fleet
	others.Hosts = maps.Clone(fleet.Hosts)
	for _, host := range hosts {
		delete(others.Hosts, host.ID)
	}
	return k.ReadFor(others, fleet)
}

// Mend is what to do about a page that somebody broke.
const Mend = "a running daemon writes it again, then fetch; without one, restore it from the branch's history"

// PageOf reads the page of one host. Its error names the page.
func PageOf(branch gitrepo.Status, file string) (status.Document, error) {
	content, err := branch.ReadPage(file)
	if err != nil {
		return status.Document{}, fmt.Errorf("its status page %s cannot be read: %w", file, err)
	}
	d, err := status.Page(file, content)
	if err != nil {
		return d, fmt.Errorf("its status page %s cannot be read: %w", file, err)
	}
	return d, nil
}
