package bmc

import (
	"net/http"
	"strings"

	"github.com/gitmetal/ingot/internal/lab/bmc/document"
	"github.com/gitmetal/ingot/internal/lab/bmc/oplog"
)

// listSlots lists the virtual drives under a manager or a system.
func (b *BMC) listSlots(under string) document.Document {
	ids := []string{"Cd"}
	if b.currentFaults().DecoySlot {
		ids = []string{"Decoy", "Cd"}
	}
	return document.NewCollection(under+"/VirtualMedia", "VirtualMedia", ids...)
}

// decoySlot is a slot that looks usable and answers 405 to InsertMedia.
func decoySlot(under string) document.Document {
	at := under + "/VirtualMedia/Decoy"
	doc := document.NewVirtualMedia(at, "")
	doc["Actions"] = document.MediaActions(at)
	return doc
}

func (b *BMC) slotDocument(at string) document.Document {
	doc := document.NewVirtualMedia(at, b.shownMedium().URL)
	if !b.currentFaults().NoMediaAction {
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
		b.log.CountFault("StillInserted")
		return Medium{URL: b.lastURL, Inserted: true}
	}
	return b.media
}

// insertRequest holds the parameters of InsertMedia, and the members of a PATCH of the slot.
type insertRequest struct {
	Image, TransferMethod, TransferProtocolType, UserName, Password, MediaType *string
	Inserted, WriteProtected                                                   *bool
}

func (q insertRequest) hasParameter(parameter string) bool {
	given := map[string]bool{
		"Image": q.Image != nil, "TransferMethod": q.TransferMethod != nil,
		"TransferProtocolType": q.TransferProtocolType != nil,
		"UserName":             q.UserName != nil, "Password": q.Password != nil, "MediaType": q.MediaType != nil,
		"Inserted": q.Inserted != nil, "WriteProtected": q.WriteProtected != nil,
	}
	return given[parameter]
}

func (b *BMC) postInsert(w http.ResponseWriter, r *http.Request) {
	faults := b.currentFaults()
	if b.meetFault("NoMediaAction", faults.NoMediaAction) {
		sendJSON(w, http.StatusNotFound, document.NewError("ActionNotSupported", "there is no such action", ""))
		return
	}
	if b.spendFault("InsertFails", func(f *Faults) *int { return &f.InsertFails }) {
		sendJSON(w, http.StatusInternalServerError,
			document.NewError("InternalError", "the request failed due to an internal error", ""))
		return
	}
	var want insertRequest
	if !decodeBody(w, r, &want) {
		return
	}
	for _, parameter := range append([]string{"Image"}, faults.InsertNeeds...) {
		if !want.hasParameter(parameter) {
			b.meetFault("InsertNeeds", parameter != "Image")
			sendJSON(w, http.StatusBadRequest,
				document.NewError("ActionParameterMissing", "the parameter "+parameter+" is missing", parameter))
			return
		}
	}
	b.insertURL(w, *want.Image)
}

func (b *BMC) insertURL(w http.ResponseWriter, url string) {
	if !strings.HasPrefix(url, "http://") && !strings.HasPrefix(url, "https://") {
		sendJSON(w, http.StatusBadRequest,
			document.NewError("ActionParameterValueFormatError", "Image must be an http or https URL", "Image"))
		return
	}
	if !b.loadMedium(url) {
		sendJSON(w, http.StatusConflict,
			document.NewError("ResourceInUse", "a medium is already inserted; eject it first", "Image"))
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// loadMedium puts a medium into the drive and reports whether the drive was empty.
func (b *BMC) loadMedium(url string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.media.Inserted {
		return false
	}
	b.media, b.staleReads = Medium{URL: url, Inserted: true}, 0
	b.recordOp(oplog.Insert, url)
	return true
}

func (b *BMC) postEject(w http.ResponseWriter, _ *http.Request) {
	if b.meetFault("NoMediaAction", b.currentFaults().NoMediaAction) {
		sendJSON(w, http.StatusNotFound, document.NewError("ActionNotSupported", "there is no such action", ""))
		return
	}
	if !b.ejectMedium() {
		sendJSON(w, http.StatusBadRequest, document.NewError("OperationNotAllowed", "no medium is inserted", ""))
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// ejectMedium empties the drive and reports whether there was a medium. A running machine keeps the medium open.
func (b *BMC) ejectMedium() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.media.Inserted {
		return false
	}
	b.recordOp(oplog.Eject, b.media.URL)
	if b.faults.EjectIgnored {
		b.log.CountFault("EjectIgnored")
		return true
	}
	b.lastURL, b.staleReads = b.media.URL, b.faults.StillInserted
	b.media = Medium{}
	return true
}

// patchSlot inserts and ejects on BMCs without the actions.
func (b *BMC) patchSlot(w http.ResponseWriter, r *http.Request) {
	if !b.checkIfMatch(w, r, b.slotDocument(r.URL.Path)) {
		return
	}
	if !b.currentFaults().NoMediaAction {
		sendJSON(w, http.StatusMethodNotAllowed,
			document.NewError("OperationNotAllowed", "use the actions of this resource", ""))
		return
	}
	var want insertRequest
	if !decodeBody(w, r, &want) {
		return
	}
	if want.Image != nil && *want.Image != "" {
		b.insertURL(w, *want.Image)
		return
	}
	b.ejectMedium()
	w.WriteHeader(http.StatusNoContent)
}
