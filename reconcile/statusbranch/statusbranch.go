// Package statusbranch is what the loop knows of the status branch: the pages as they shall be, and which of them are there. It reads and pushes nothing. Pure.
package statusbranch

import (
	"bytes"
	"maps"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/status"
)

// Branch is the status branch. It is not safe for concurrent use, but for what says so.
type Branch struct {
	Tip     string // as far as this process pushed it
	Trouble string // why the last push failed; "" when it did not

	stale bool              // the fleet's pages may read differently now
	files map[string][]byte // pages of the whole fleet by path, as they are on the branch
	pages map[inventory.MachineID]*page
}

// page is a host's document and how much of it is on the branch. A document is encoded only when it is pushed.
type page struct {
	document  status.Document
	version   int    // counts changes of the document; 0: there is none
	operation string // id of the open operation that it speaks of
	pushed    []byte // on the branch
	current   int    // the version that pushed is of
	published string // id of the open operation that pushed speaks of
	urgent    bool   // the machine waits for this page to be pushed
	withheld  bool   // people are told the document, and the page on the branch stays as it is
}

// New knows of nothing.
func New() *Branch {
	return &Branch{files: map[string][]byte{}, pages: map[inventory.MachineID]*page{}}
}

// MarkStale says that the pages of the whole fleet may read differently now.
func (b *Branch) MarkStale() { b.stale = true }

// HostDocument is a host's page; zero when it has none.
func (b *Branch) HostDocument(host inventory.MachineID) status.Document {
	return b.copyPage(host).document
}

// HostDocuments are the pages of all hosts, in any order.
func (b *Branch) HostDocuments() []status.Document {
	documents := make([]status.Document, 0, len(b.pages))
	for _, p := range b.pages {
		if p.version > 0 {
			documents = append(documents, p.document)
		}
	}
	return documents
}

// WritePage gives a host its page, which speaks of an open operation by its id, and reports whether it reads differently now.
func (b *Branch) WritePage(host inventory.MachineID, document status.Document, operation string) bool {
	p := b.openPage(host)
	p.operation, p.withheld = operation, false
	return b.setDocument(p, document)
}

// WithholdPage has people told a document in place of a host's page, which is not written over: what is known of the host
// cannot be read, and the page may be mended. It reports whether the document reads differently now.
func (b *Branch) WithholdPage(host inventory.MachineID, document status.Document) bool {
	p := b.openPage(host)
	p.withheld = true
	return b.setDocument(p, document)
}

func (b *Branch) setDocument(p *page, document status.Document) bool {
	if p.version > 0 && document.Says(p.document) {
		return false
	}
	p.document = document
	p.version++
	b.stale = true
	return true
}

// IsPushed reports whether a host's page is on the branch as it reads now.
func (b *Branch) IsPushed(host inventory.MachineID) bool {
	p := b.copyPage(host)
	return p.version > 0 && p.version == p.current
}

// ShowsOperation reports whether a host is on the branch with this operation, or with none.
func (b *Branch) ShowsOperation(host inventory.MachineID, operation string) bool {
	p := b.copyPage(host)
	return p.current > 0 && p.published == operation && b.Trouble == ""
}

// RequestPush says that a machine waits for its page to be pushed.
func (b *Branch) RequestPush(host inventory.MachineID) {
	b.openPage(host).urgent = true
}

// PendingPush reports whether there may be something to push, and whether a machine waits for it.
func (b *Branch) PendingPush() (waiting, urgent bool) {
	waiting = b.stale
	for _, p := range b.pages {
		waiting = waiting || p.isDue()
		urgent = urgent || p.urgent && p.isDue()
	}
	return waiting, urgent
}

// isDue reports whether a page is to be pushed.
func (p *page) isDue() bool {
	return p.version > 0 && !p.withheld && (p.urgent || p.version != p.current)
}

// openPage gives a host's page to write on.
func (b *Branch) openPage(host inventory.MachineID) *page {
	p := b.pages[host]
	if p == nil {
		p = &page{}
		b.pages[host] = p
	}
	return p
}

// copyPage is a copy of a host's page.
func (b *Branch) copyPage(host inventory.MachineID) page {
	if p := b.pages[host]; p != nil {
		return *p
	}
	return page{}
}

// Change is what one push carries.
type Change struct {
	Files map[string][]byte // by path; nil deletes

	pages map[inventory.MachineID]page
	fleet func() map[string][]byte
	files map[string][]byte
}

// GatherChange gathers every page that may not be on the branch; fleet encodes those of the whole fleet.
func (b *Branch) GatherChange(fleet func() map[string][]byte) *Change {
	c := &Change{Files: map[string][]byte{}, pages: map[inventory.MachineID]page{}, fleet: fleet, files: maps.Clone(b.files)}
	for id, p := range b.pages {
		if p.isDue() {
			c.pages[id] = *p
		}
	}
	b.stale = false
	return c
}

// EncodeFiles completes the files with those whose bytes are not the ones on the branch. It is slow, and safe for concurrent use.
func (c *Change) EncodeFiles() {
	for path, content := range c.fleet() {
		if !bytes.Equal(content, c.files[path]) {
			c.Files[path] = content
		}
	}
	for id, p := range c.pages {
		before := p.pushed
		p.pushed, p.current, p.published = p.document.Encode(), p.version, p.operation
		c.pages[id] = p
		if p.urgent || !bytes.Equal(p.pushed, before) {
			c.Files[status.Path(id)] = p.pushed
		}
	}
}

// HostDocuments are the hosts whose pages a change carries, with what they say.
func (c *Change) HostDocuments() map[inventory.MachineID]status.Document {
	hosts := make(map[inventory.MachineID]status.Document, len(c.pages))
	for id, p := range c.pages {
		hosts[id] = p.document
	}
	return hosts
}

// SettleChange notes what is on the branch after a push and gives the hosts that waited for it.
func (b *Branch) SettleChange(c *Change) (waiting []inventory.MachineID) {
	for path, content := range c.Files {
		if !status.IsHost(path) {
			b.files[path] = content
		}
	}
	for id, pushed := range c.pages {
		p := b.pages[id]
		p.pushed, p.current, p.published = pushed.pushed, pushed.current, pushed.published
		if pushed.urgent && p.urgent {
			p.urgent = false
			waiting = append(waiting, id)
		}
	}
	return waiting
}

// RestorePage notes a host's page as it is on the branch.
func (b *Branch) RestorePage(host inventory.MachineID, document status.Document, content []byte) {
	p, operation := b.openPage(host), document.Record().OperationID()
	p.document, p.version, p.operation = document, 1, operation
	p.pushed, p.current, p.published = content, 1, operation
}

// RestoreFile notes a page of the whole fleet as it is on the branch.
func (b *Branch) RestoreFile(path string, content []byte) { b.files[path] = content }

// HasPage reports whether a page is what is believed to be on the branch for a host.
func (b *Branch) HasPage(host inventory.MachineID, page []byte) bool {
	p := b.copyPage(host)
	return p.current > 0 && bytes.Equal(p.pushed, page)
}

// CompareTip holds what is believed to be on the branch against the pages that are there, by path, and has everything written again that is not as it should
// be. Pages that nobody here wrote stay. It gives how many differ.
func (b *Branch) CompareTip(there map[string][]byte) (differ int) {
	for id, p := range b.pages {
		if p.current > 0 && !bytes.Equal(there[status.Path(id)], p.pushed) {
			p.pushed, p.current, p.published = nil, 0, ""
			differ++
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
