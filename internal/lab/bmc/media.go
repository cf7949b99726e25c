package bmc

import (
	"net/http"
	"strings"

	"github.com/gitmetal/ingot/internal/lab/bmc/document"
	"github.com/gitmetal/ingot/internal/lab/bmc/oplog"
)

// slots lists the virtual drives under a manager or a system.
func (b *BMC) slots(under string) document.Document {
	ids := []string{"Cd"}
	if b.current().DecoySlot {
		ids = []string{"Decoy", "Cd"}
	}
	return document.Collection(under+"/VirtualMedia", "VirtualMedia", ids...)
}

// decoy is a slot that looks usable and answers 405 to InsertMedia.
func decoy(under string) document.Document {
	at := under + "/VirtualMedia/Decoy"
	doc := document.VirtualMedia(at, "")
	doc["Actions"] = document.MediaActions(at)
	return doc
}

func (b *BMC) slot(at string) document.Document {
	doc := document.VirtualMedia(at, b.shownMedium().URL)
	if !b.current().NoMediaAction {
		doc["Actions"] = document.MediaActions(at)
	}
	return doc
}

// shownMedium is the medium as a read shows it: some BMCs lag behind an eject.
func (b *BMC) shownMedium() Medium {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.media.Inserted && b.staleReads > 0 {
		b.staleReads--
		b.log.Fault("StillInserted")
		return Medium{URL: b.lastURL, Inserted: true}
	}
	return b.media
}

// insertRequest holds the parameters of InsertMedia, and what a PATCH of the slot may carry.
type insertRequest struct {
	Image, TransferMethod, TransferProtocolType, UserName, Password, MediaType *string
	Inserted, WriteProtected                                                   *bool
}

func (q insertRequest) has(parameter string) bool {
	given := map[string]bool{
		"Image": q.Image != nil, "TransferMethod": q.TransferMethod != nil, "TransferProtocolType": q.TransferProtocolType != nil,
		"UserName": q.UserName != nil, "Password": q.Password != nil, "MediaType": q.MediaType != nil,
		"Inserted": q.Inserted != nil, "WriteProtected": q.WriteProtected != nil,
	}
	return given[parameter]
}

func (b *BMC) postInsert(w http.ResponseWriter, r *http.Request) {
	faults := b.current()
	if b.meet("NoMediaAction", faults.NoMediaAction) {
		reply(w, http.StatusNotFound, document.Error("ActionNotSupported", "there is no such action", ""))
		return
	}
	if b.spend("InsertFails", func(f *Faults) *int { return &f.InsertFails }) {
		reply(w, http.StatusInternalServerError, document.Error("InternalError", "the request failed due to an internal error", ""))
		return
	}
	var want insertRequest
	if !read(w, r, &want) {
		return
	}
	for _, parameter := range append([]string{"Image"}, faults.InsertNeeds...) {
		if !want.has(parameter) {
			b.meet("InsertNeeds", parameter != "Image")
			reply(w, http.StatusBadRequest, document.Error("ActionParameterMissing", "the parameter "+parameter+" is missing", parameter))
			return
		}
	}
	b.insert(w, *want.Image)
}

func (b *BMC) insert(w http.ResponseWriter, url string) {
	if !strings.HasPrefix(url, "http://") && !strings.HasPrefix(url, "https://") {
		reply(w, http.StatusBadRequest, document.Error("ActionParameterValueFormatError", "Image must be an http or https URL", "Image"))
		return
	}
	if !b.load(url) {
		reply(w, http.StatusConflict, document.Error("ResourceInUse", "a medium is already inserted; eject it first", "Image"))
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// load puts a medium into the drive and reports whether it was free.
func (b *BMC) load(url string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.media.Inserted {
		return false
	}
	b.media, b.staleReads = Medium{URL: url, Inserted: true}, 0
	b.record(oplog.Insert, url)
	return true
}

func (b *BMC) postEject(w http.ResponseWriter, _ *http.Request) {
	if b.meet("NoMediaAction", b.current().NoMediaAction) {
		reply(w, http.StatusNotFound, document.Error("ActionNotSupported", "there is no such action", ""))
		return
	}
	if !b.eject() {
		reply(w, http.StatusBadRequest, document.Error("OperationNotAllowed", "no medium is inserted", ""))
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// eject empties the drive and reports whether there was something in it. A running machine keeps what it has open.
func (b *BMC) eject() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.media.Inserted {
		return false
	}
	b.record(oplog.Eject, b.media.URL)
	if b.faults.EjectIgnored {
		b.log.Fault("EjectIgnored")
		return true
	}
	b.lastURL, b.staleReads = b.media.URL, b.faults.StillInserted
	b.media = Medium{}
	return true
}

// patchSlot inserts and ejects on BMCs without the actions.
func (b *BMC) patchSlot(w http.ResponseWriter, r *http.Request) {
	if !b.matches(w, r, b.slot(r.URL.Path)) {
		return
	}
	if !b.current().NoMediaAction {
		reply(w, http.StatusMethodNotAllowed, document.Error("OperationNotAllowed", "use the actions of this resource", ""))
		return
	}
	var want insertRequest
	if !read(w, r, &want) {
		return
	}
	if want.Image != nil && *want.Image != "" {
		b.insert(w, *want.Image)
		return
	}
	b.eject()
	w.WriteHeader(http.StatusNoContent)
}
