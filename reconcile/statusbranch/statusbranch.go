// Package statusbranch knows the pages of the status branch: the pages as they read now, and the bytes on the branch.
// Call Branch.WritePage after a look and Branch.GatherChange before a push; Branch.SettleChange records the push. The
// package reads and pushes nothing: do not put IO here. Pure.
package statusbranch

import (
	"bytes"
	"crypto/sha256"
	"maps"
	"slices"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/receipts"
	"github.com/gitmetal/ingot/reconcile/status"
)

// Branch is the status branch. Not safe for concurrent use; only Change.EncodeFiles is.
type Branch struct {
	Tip     string // last commit that this process pushed
	Trouble string // why the last push failed; else ""

	stale bool              // the fleet's pages may read differently than on the branch
	files map[string][]byte // pages of the whole fleet by path, as they are on the branch
	pages map[inventory.MachineID]*page
	due   map[inventory.MachineID]bool // hosts whose page may have to be pushed; true: a machine waits for the push
	waits int                          // how many are true

	receipts receipts.Files // of erased disks; a new one is pushed at once
}

// page is a host's document and how much of it is on the branch. A document is encoded only when it is pushed.
type page struct {
	document  status.Document
	version   int    // number of changes of the document; 0: no document
	operation string // id of the document's open operation
	pushed    digest // of the bytes on the branch
	current   int    // version of the pushed bytes; 0: no bytes
	published string // id of the open operation in the pushed bytes
	urgent    bool   // the machine waits for this page to be pushed
	withheld  bool   // people see the document, and the branch keeps its page
}

// digest stands for the bytes of a page, which nobody reads again.
type digest [sha256.Size]byte

// New makes a Branch without pages.
func New() *Branch {
	return &Branch{files: map[string][]byte{}, pages: map[inventory.MachineID]*page{}, due: map[inventory.MachineID]bool{},
		receipts: receipts.NewFiles()}
}

// MarkStale says that the fleet's pages may read differently now.
func (b *Branch) MarkStale() { b.stale = true }

// HostDocument gives a host's document; zero when the host has no page.
func (b *Branch) HostDocument(host inventory.MachineID) status.Document {
	return b.copyPage(host).document
}

// HostDocuments gives the documents of all hosts, unordered.
func (b *Branch) HostDocuments() []status.Document {
	documents := make([]status.Document, 0, len(b.pages))
	for _, p := range b.pages {
		if p.version > 0 {
			documents = append(documents, p.document)
		}
	}
	return documents
}

// WritePage sets a host's document and the id of its open operation, and reports whether the page reads differently
// now.
func (b *Branch) WritePage(host inventory.MachineID, document status.Document, operation string) bool {
	p := b.openPage(host)
	p.operation, p.withheld = operation, false
	changed := b.setDocument(host, document)
	if changed {
		b.receipts.Note(document)
	}
	return changed
}

// WithholdPage shows people a document and keeps the host's page on the branch: the host's record cannot be read, and
// a person may mend the page. WithholdPage reports whether the document reads differently now.
func (b *Branch) WithholdPage(host inventory.MachineID, document status.Document) bool {
	b.openPage(host).withheld = true
	return b.setDocument(host, document)
}

// setDocument sets a page's document and reports whether the page reads differently now. The newer document is kept
// also where it says the same: it shares its parts with the host's record.
func (b *Branch) setDocument(host inventory.MachineID, document status.Document) bool {
	p := b.pages[host]
	defer b.indexPage(host, p)
	if p.version > 0 && document.Says(p.document) {
		document.Life, document.Revision = p.document.Life, p.document.Revision
		p.document = document
		return false
	}
	p.document = document
	p.version++
	b.stale = true
	return true
}

// indexPage notes whether a page is due, after every change of the page.
func (b *Branch) indexPage(host inventory.MachineID, p *page) {
	if b.due[host] {
		b.waits--
	}
	if !p.isDue() {
		delete(b.due, host)
		return
	}
	if b.due[host] = p.urgent; p.urgent {
		b.waits++
	}
}

// IsPushed reports whether the branch has a host's page as the page reads now.
func (b *Branch) IsPushed(host inventory.MachineID) bool {
	p := b.copyPage(host)
	return p.version > 0 && p.version == p.current
}

// ShowsOperation reports whether the branch shows a host with this operation, or with "" without an operation, and has
// the host's receipts.
func (b *Branch) ShowsOperation(host inventory.MachineID, operation string) bool {
	p := b.copyPage(host)
	return p.current > 0 && p.published == operation && b.Trouble == "" && !b.OwesReceipts(host)
}

// OwesReceipts reports whether the branch lacks receipts of a host.
func (b *Branch) OwesReceipts(host inventory.MachineID) bool { return b.receipts.OwesMachine(host) }

// RequestPush says that a machine waits for the push of its page.
func (b *Branch) RequestPush(host inventory.MachineID) {
	p := b.openPage(host)
	p.urgent = true
	b.indexPage(host, p)
}

// PendingPush reports whether there may be pages to push, and whether a machine waits for the push.
func (b *Branch) PendingPush() (waiting, urgent bool) {
	receipts := b.receipts.HasDue()
	return b.stale || len(b.due) > 0 || receipts, b.waits > 0 || receipts
}

// isDue reports whether a page may have to be pushed.
func (p *page) isDue() bool {
	return p.version > 0 && !p.withheld && (p.urgent || p.version != p.current)
}

// openPage gives a host's page for writing.
func (b *Branch) openPage(host inventory.MachineID) *page {
	p := b.pages[host]
	if p == nil {
		p = &page{}
		b.pages[host] = p
	}
	return p
}

// copyPage copies a host's page.
func (b *Branch) copyPage(host inventory.MachineID) page {
	if p := b.pages[host]; p != nil {
		return *p
	}
	return page{}
}

// Change is the content of one push.
type Change struct {
	Files map[string][]byte // by path; nil deletes

	pages map[inventory.MachineID]page
	fleet func() map[string][]byte
	files map[string][]byte
}

// GatherChange gathers every page that the branch may lack; fleet encodes the fleet's pages.
func (b *Branch) GatherChange(fleet func() map[string][]byte) *Change {
	c := &Change{Files: b.receipts.EncodeDue(), pages: map[inventory.MachineID]page{}, fleet: fleet,
		files: maps.Clone(b.files)}
	for id := range b.due {
		c.pages[id] = *b.pages[id]
	}
	b.stale = false
	return c
}

// EncodeFiles encodes the gathered pages into Files, except bytes that the branch has already. The fleet's pages are
// encoded only where no host's page has changed: every push encodes them with its own id (EncodeFleet). Slow, and safe
// for concurrent use.
func (c *Change) EncodeFiles() {
	for id, p := range c.pages {
		content := p.document.Encode()
		now, same := sha256.Sum256(content), p.hasBytes(content)
		p.pushed, p.current, p.published = now, p.version, p.operation
		c.pages[id] = p
		if p.urgent || !same {
			c.Files[status.Path(id)] = content
		}
	}
	if len(c.Files) == 0 {
		c.EncodeFleet(c.fleet)
	}
}

// EncodeFleet encodes the fleet's pages into Files, except bytes that the branch has already.
func (c *Change) EncodeFleet(fleet func() map[string][]byte) {
	for path, content := range fleet() {
		if !bytes.Equal(content, c.files[path]) {
			c.Files[path] = content
		}
	}
}

// HostDocuments gives the documents of a change by host.
func (c *Change) HostDocuments() map[inventory.MachineID]status.Document {
	hosts := make(map[inventory.MachineID]status.Document, len(c.pages))
	for id, p := range c.pages {
		hosts[id] = p.document
	}
	return hosts
}

// SettleChange records the pushed pages and returns the hosts that waited for the push.
func (b *Branch) SettleChange(c *Change) (waiting []inventory.MachineID) {
	for path, content := range c.Files {
		if !status.IsHost(path) && !receipts.IsFile(path) {
			b.files[path] = content
		}
	}
	b.receipts.Settle(c.Files)
	for id, pushed := range c.pages {
		p := b.pages[id]
		p.pushed, p.current, p.published = pushed.pushed, pushed.current, pushed.published
		if pushed.urgent && p.urgent {
			p.urgent = false
			waiting = append(waiting, id)
		}
		b.indexPage(id, p)
	}
	return waiting
}

// RestorePage records a host's page as read from the branch.
func (b *Branch) RestorePage(host inventory.MachineID, document status.Document, content []byte) {
	p, operation := b.openPage(host), document.Record().OperationID()
	p.document, p.version, p.operation = document, 1, operation
	p.pushed, p.current, p.published = sha256.Sum256(content), 1, operation
	b.indexPage(host, p)
	b.receipts.Note(document)
}

// Files gives the paths of the pages of the fleet that the branch has.
func (b *Branch) Files() []string { return slices.Collect(maps.Keys(b.files)) }

// RestoreFiles records the pages of the fleet, and the files of receipts, as read from the branch, and gives the files of
// receipts that are not believed, with why.
func (b *Branch) RestoreFiles(files map[string][]byte) map[string]error {
	refused := map[string]error{}
	for path, content := range files {
		if !receipts.IsFile(path) {
			b.files[path] = content
		} else if err := b.receipts.Restore(path, content); err != nil {
			refused[path] = err
		}
	}
	return refused
}

// HasPage reports whether the last known page of a host on the branch has these bytes.
func (b *Branch) HasPage(host inventory.MachineID, page []byte) bool {
	p := b.copyPage(host)
	return p.hasBytes(page)
}

// hasBytes reports whether the branch has a page with these bytes.
func (p *page) hasBytes(content []byte) bool {
	return p.current > 0 && p.pushed == sha256.Sum256(content)
}

// CompareTip compares the last known pages with the files of the branch's tip, and has every differing page written
// again. Files that ingot never wrote stay. CompareTip returns the number of differing pages.
func (b *Branch) CompareTip(there map[string][]byte) (differ int) {
	for id, p := range b.pages {
		if p.current > 0 && !p.hasBytes(there[status.Path(id)]) {
			p.pushed, p.current, p.published = digest{}, 0, ""
			b.indexPage(id, p)
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
	return differ + b.receipts.CompareTip(there)
}
