// Package branch is what the loop knows of the status branch: the pages as they shall be, and which of them are there. It reads and pushes nothing. Pure.
package branch

import (
	"bytes"
	"maps"
	"reflect"
	"slices"

	"github.com/gitmetal/ingot/reconcile/status"
)

// Branch is the status branch. It is not safe for concurrent use, but for what says so.
type Branch struct {
	Tip     string // as far as this process pushed it
	Trouble string // why the last push failed; "" when it did not

	stale bool              // the fleet's pages may read differently now
	files map[string][]byte // pages of the whole fleet by path, as they are on the branch
	pages map[string]*page  // by host
	gone  map[string]string // hosts whose page is to be deleted, and by which name their machine is known now
	made  int               // pages so far
}

// page is a host's document and how much of it is on the branch. A document is encoded only when it is pushed.
type page struct {
	made      int // tells it from another one under the same name
	document  status.Document
	version   int    // counts changes of the document; 0: there is none
	operation string // id of the open operation that it speaks of
	pushed    []byte // on the branch
	current   int    // the version that pushed is of
	published string // id of the open operation that pushed speaks of
	urgent    bool   // the machine waits for this page to be pushed
}

// New knows of nothing.
func New() *Branch {
	return &Branch{files: map[string][]byte{}, pages: map[string]*page{}, gone: map[string]string{}}
}

// Touch says that the pages of the whole fleet may read differently now.
func (b *Branch) Touch() { b.stale = true }

// Document is a host's page; zero when it has none.
func (b *Branch) Document(host string) status.Document { return b.page(host).document }

// Documents are the pages of all hosts, in any order.
func (b *Branch) Documents() []status.Document {
	documents := make([]status.Document, 0, len(b.pages))
	for _, p := range b.pages {
		if p.version > 0 {
			documents = append(documents, p.document)
		}
	}
	return documents
}

// Write gives a host its page, which speaks of an open operation by its id, and reports whether it reads differently now.
func (b *Branch) Write(host string, document status.Document, operation string) bool {
	p := b.open(host)
	p.operation = operation
	if p.version > 0 && reflect.DeepEqual(document, p.document) {
		return false
	}
	p.document = document
	p.version++
	b.stale = true
	return true
}

// Pushed reports whether a host's page is on the branch as it reads now.
func (b *Branch) Pushed(host string) bool {
	p := b.page(host)
	return p.version > 0 && p.version == p.current
}

// Shows reports whether a host is on the branch with this operation, or with none.
func (b *Branch) Shows(host, operation string) bool {
	p := b.page(host)
	return p.current > 0 && p.published == operation && b.Trouble == ""
}

// Urge says that a machine waits for its page to be pushed.
func (b *Branch) Urge(host string) {
	b.open(host).urgent = true
}

// Pending reports whether there may be something to push, and whether a machine waits for it.
func (b *Branch) Pending() (waiting, urgent bool) {
	waiting = b.stale
	given := b.given()
	for name, p := range b.pages {
		ready := b.ready(name, p, given)
		waiting = waiting || ready
		urgent = urgent || p.urgent && ready
	}
	for _, due := range given {
		waiting = waiting || due
	}
	return waiting, urgent
}

// ready reports whether a host's page is to be pushed. Where it is written over that of a machine with a new name, that name's page comes first.
func (b *Branch) ready(host string, p *page, given map[string]bool) bool {
	return p.version > 0 && (p.urgent || p.version != p.current) && (b.gone[host] == "" || given[host])
}

// open gives a host's page to write on.
func (b *Branch) open(host string) *page {
	p := b.pages[host]
	if p == nil {
		b.made++
		p = &page{made: b.made}
		b.pages[host] = p
	}
	return p
}

// page is a copy of a host's page.
func (b *Branch) page(host string) page {
	if p := b.pages[host]; p != nil {
		return *p
	}
	return page{}
}

// Change is what one push carries.
type Change struct {
	Files map[string][]byte // by path; nil deletes

	pages map[string]page // by host
	gone  []string        // former names of whose machines nothing is left there
	fleet func() map[string][]byte
	files map[string][]byte
}

// Change gathers every page that may not be on the branch; fleet encodes those of the whole fleet.
func (b *Branch) Change(fleet func() map[string][]byte) *Change {
	c := &Change{Files: map[string][]byte{}, pages: map[string]page{}, fleet: fleet, files: maps.Clone(b.files)}
	given := b.given()
	for name, p := range b.pages {
		if b.ready(name, p, given) {
			c.pages[name] = *p
		}
	}
	for former, due := range given {
		if due {
			c.Files[status.Path(former)] = nil // unless another machine has that name now
			c.gone = append(c.gone, former)
		}
	}
	b.stale = false
	return c
}

// given reports by former name whether the page of a machine under its new name says what it took over, and is on the branch or comes with the next push:
// before that its old page is the only one that knows the machine. A page that has to wait for another one is followed to the end of the row; names in a
// circle go at once.
func (b *Branch) given() map[string]bool {
	given := make(map[string]bool, len(b.gone))
	for former := range b.gone {
		var row []string
		for at := former; ; at = b.gone[at] {
			due, walked := given[at]
			follow := false
			if !walked {
				row, given[at] = append(row, at), true // and so it stays where the row comes back to it
				due, follow = b.takenOver(at)
			}
			if !follow {
				for _, name := range row {
					given[name] = due
				}
				break
			}
		}
	}
	return given
}

// takenOver is given for one former name, as far as the page under the new name tells; follow says that this page has to wait for another one.
func (b *Branch) takenOver(former string) (due, follow bool) {
	by := b.gone[former]
	p := b.page(by)
	due = p.version > 0 && slices.Contains(p.document.Formerly, former)
	return due, due && p.version != p.current && b.gone[by] != ""
}

// Encode completes the files with those whose bytes are not the ones on the branch. It is slow, and safe for concurrent use.
func (c *Change) Encode() {
	for path, content := range c.fleet() {
		if !bytes.Equal(content, c.files[path]) {
			c.Files[path] = content
		}
	}
	for name, p := range c.pages {
		before := p.pushed
		p.pushed, p.current, p.published = p.document.Encode(), p.version, p.operation
		c.pages[name] = p
		if p.urgent || !bytes.Equal(p.pushed, before) {
			c.Files[status.Path(name)] = p.pushed
		}
	}
}

// Hosts are the hosts whose pages a change carries, with what they say.
func (c *Change) Hosts() map[string]status.Document {
	hosts := make(map[string]status.Document, len(c.pages))
	for name, p := range c.pages {
		hosts[name] = p.document
	}
	return hosts
}

// Settle notes what is on the branch after a push and gives the hosts that waited for it.
func (b *Branch) Settle(c *Change) (waiting []string) {
	for path, content := range c.Files {
		if !status.IsHost(path) {
			b.files[path] = content
		}
	}
	for _, former := range c.gone {
		delete(b.gone, former)
	}
	for name, pushed := range c.pages {
		p := b.pages[name]
		if p == nil || p.made != pushed.made {
			continue // its machine has another name since
		}
		p.pushed, p.current, p.published = pushed.pushed, pushed.current, pushed.published
		if pushed.urgent && p.urgent {
			p.urgent = false
			waiting = append(waiting, name)
		}
	}
	return waiting
}

// Recall notes a host's page as it is on the branch.
func (b *Branch) Recall(host string, document status.Document, content []byte) {
	p, operation := b.open(host), document.Record().OperationID()
	p.document, p.version, p.operation = document, 1, operation
	p.pushed, p.current, p.published = content, 1, operation
}

// RecallFile notes a page of the whole fleet as it is on the branch.
func (b *Branch) RecallFile(path string, content []byte) { b.files[path] = content }

// Rename has a machine's page under its new name go on from where it was under the former one, which is deleted with the same push.
func (b *Branch) Rename(former, name string) {
	delete(b.pages, name) // what was pushed under the name, or is being pushed, is not of this machine
	next := b.open(name)
	next.document = b.page(former).document
	next.document.Metadata.Name = name
	if b.gone[name] == former {
		delete(b.gone, name) // it is back; else the page there is another machine's, whose new one comes first
	}
	unpushed := b.page(former).current == 0 && b.gone[former] != ""
	delete(b.pages, former)
	for earlier, by := range b.gone {
		if by == former {
			b.gone[earlier] = name
		}
	}
	if b.stale = true; !unpushed { // else what is there is the page of the machine that had the name before
		b.Supersede(former, name)
	}
}

// Supersede has the page of a former name deleted once the machine's page under its new name is there.
func (b *Branch) Supersede(former, name string) {
	delete(b.pages, former)
	b.gone[former], b.stale = name, true
}

// Has reports whether a page is what is believed to be on the branch for a host.
func (b *Branch) Has(host string, page []byte) bool {
	p := b.page(host)
	return p.current > 0 && bytes.Equal(p.pushed, page)
}

// Superseded reports whether what is there under a name is left of a machine that has another one now.
func (b *Branch) Superseded(name string) bool { return b.gone[name] != "" }

// Compare holds what is believed to be on the branch against the pages that are there, by path, and has everything written again that is not as it should
// be. Pages that nobody here wrote stay, but for one of a former name that the machine provably took over: what cannot be read (nil) proves nothing. It gives
// how many differ.
func (b *Branch) Compare(there map[string][]byte) (differ int) {
	for name, p := range b.pages {
		if p.current > 0 && !bytes.Equal(there[status.Path(name)], p.pushed) {
			p.pushed, p.current, p.published = nil, 0, ""
			differ++
		}
		for _, former := range p.document.Formerly {
			if b.gone[former] == "" && b.pages[former] == nil && left(p.document, former, there) {
				b.gone[former] = name
				differ++
			}
		}
	}
	for path, content := range b.files {
		if !bytes.Equal(there[path], content) {
			delete(b.files, path)
			b.stale = true
			differ++
		}
	}
	return differ
}

// left reports whether the page that is there under a former name is what a machine left behind, and not another machine's.
func left(document status.Document, former string, there map[string][]byte) bool {
	content := there[status.Path(former)]
	if content == nil {
		return false
	}
	old, err := status.Page(status.Path(former), content)
	return err == nil && document.Record().TookOver(old.Record())
}
