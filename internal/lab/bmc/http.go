package bmc

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/gitmetal/ingot/internal/lab/bmc/document"
)

// maxBody limits a request's body in bytes.
const maxBody = 1 << 20

func (b *BMC) routes() http.Handler {
	mux := http.NewServeMux()
	for path, resource := range b.resources() {
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, r *http.Request) { b.answer(w, r, resource()) })
	}
	mux.HandleFunc("GET "+document.System, b.getSystem)
	mux.HandleFunc("PATCH "+document.System, b.patchSystem)
	mux.HandleFunc("POST "+document.System+"/Actions/ComputerSystem.Reset", b.postReset)
	for _, media := range []string{document.Manager, document.System} {
		slot := media + "/VirtualMedia/Cd"
		mux.HandleFunc("GET "+slot, func(w http.ResponseWriter, r *http.Request) { b.answer(w, r, b.slot(slot)) })
		mux.HandleFunc("PATCH "+slot, b.patchSlot)
		mux.HandleFunc("POST "+slot+"/Actions/VirtualMedia.InsertMedia", b.postInsert)
		mux.HandleFunc("POST "+slot+"/Actions/VirtualMedia.EjectMedia", b.postEject)
	}
	mux.HandleFunc("POST "+document.Sessions, b.postSession)
	mux.HandleFunc("GET "+document.Sessions+"/{id}", b.getSession)
	mux.HandleFunc("DELETE "+document.Sessions+"/{id}", b.deleteSession)
	mux.HandleFunc("GET "+document.Tasks+"/{id}", b.getTask)
	mux.HandleFunc("GET "+document.Monitors+"/{id}", b.getMonitor)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		reply(w, http.StatusNotFound, document.Error("ResourceMissingAtURI", "there is no resource at "+r.URL.Path, ""))
	})
	return b.gate(mux)
}

// gate is what every request passes: body limit, counting, faults of the network, the account.
func (b *BMC) gate(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
		if err != nil {
			reply(w, http.StatusRequestEntityTooLarge, document.Error("MalformedJSON", "the body cannot be read", ""))
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		if path := strings.TrimSuffix(r.URL.Path, "/"); path != "" {
			r.URL.Path = path
		}
		b.countRequest(r)
		w.Header().Set("OData-Version", "4.0")
		w.Header().Set("Cache-Control", "no-cache")
		if b.misbehave(w, r) || !b.admit(w, r) {
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (b *BMC) countRequest(r *http.Request) {
	reads := r.Method == http.MethodGet || r.Method == http.MethodHead
	if reads || strings.HasPrefix(r.URL.Path, document.Sessions) {
		b.log.Request(0)
		return
	}
	b.log.Request(1)
}

// misbehave applies the faults of the network and reports whether the request is dealt with.
func (b *BMC) misbehave(w http.ResponseWriter, r *http.Request) bool {
	faults := b.current()
	if b.meet("Hang", faults.Hang) {
		<-r.Context().Done()
		return true
	}
	if b.meet("Delay", faults.Delay > 0) && !pause(r, faults.Delay) {
		return true
	}
	if b.spend("DropConnections", func(f *Faults) *int { return &f.DropConnections }) {
		panic(http.ErrAbortHandler) // net/http's way to cut the connection
	}
	if b.spend("Unavailable", func(f *Faults) *int { return &f.Unavailable }) {
		w.Header().Set("Retry-After", "1")
		reply(w, http.StatusServiceUnavailable, document.Error("ServiceTemporarilyUnavailable", "the service is not ready", ""))
		return true
	}
	if b.meet("RefuseIdentity", faults.RefuseIdentity && r.Header.Get("Accept-Encoding") == "identity") {
		reply(w, http.StatusNotAcceptable, document.Error("HeaderInvalid", "this encoding is not offered", ""))
		return true
	}
	if b.meet("Garbage", faults.Garbage) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, "<!DOCTYPE html><html><body>Welcome to the management console</body></html>")
		return true
	}
	return false
}

// pause waits and reports whether the client is still there.
func pause(r *http.Request, delay time.Duration) bool {
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-r.Context().Done():
		return false
	}
}

// answer sends a document with its ETag, or 304 when the client has it.
func (b *BMC) answer(w http.ResponseWriter, r *http.Request, doc document.Document) {
	body, tag := b.encode(doc)
	w.Header().Set("ETag", tag)
	if r.Header.Get("If-None-Match") == tag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	w.Header().Set("Content-Type", "application/json;odata.metadata=minimal;charset=utf-8")
	_, _ = w.Write(body)
}

// encode gives a document's bytes, its ETag included, and the ETag: a digest of the rest.
func (b *BMC) encode(doc document.Document) ([]byte, string) {
	plain, err := json.Marshal(doc)
	if err != nil {
		panic("bmc: a document that is no JSON: " + err.Error()) // built from our own maps only
	}
	sum := sha256.Sum256(plain)
	tag := `"` + hex.EncodeToString(sum[:6]) + `"`
	if b.current().WeakETags {
		tag = "W/" + tag
	}
	doc["@odata.etag"] = tag
	full, err := json.Marshal(doc)
	if err != nil {
		panic("bmc: a document that is no JSON: " + err.Error())
	}
	return full, tag
}

// matches checks If-Match against a document and answers 412 when it does not hold.
func (b *BMC) matches(w http.ResponseWriter, r *http.Request, doc document.Document) bool {
	want := r.Header.Get("If-Match")
	if want == "" {
		return true
	}
	faults := b.current()
	_, tag := b.encode(doc)
	stale := b.spend("StaleETags", func(f *Faults) *int { return &f.StaleETags })
	weak := b.meet("WeakETags", faults.WeakETags && strings.HasPrefix(want, "W/"))
	refused := b.meet("IfMatchRefused", faults.IfMatchRefused)
	if stale || weak || refused || want != "*" && strings.TrimPrefix(tag, "W/") != want {
		reply(w, http.StatusPreconditionFailed, document.Error("PreconditionFailed", "the ETag does not match", ""))
		return false
	}
	return true
}

func reply(w http.ResponseWriter, status int, doc any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(doc)
}

// read decodes a request body; an unknown member is an error, as the specification lets a service treat it.
func read(w http.ResponseWriter, r *http.Request, into any) bool {
	decoder := json.NewDecoder(r.Body)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		reply(w, http.StatusBadRequest, document.Error("MalformedJSON", "the body is not understood: "+err.Error(), ""))
		return false
	}
	return true
}

// powerFailure answers for an error of a power action.
func powerFailure(w http.ResponseWriter, err error) {
	switch {
	case errors.Is(err, errAlreadyOn), errors.Is(err, errAlreadyOff):
		reply(w, http.StatusConflict, document.Error("OperationNotAllowed", err.Error(), "ResetType"))
	case errors.Is(err, errNotYet):
		reply(w, http.StatusConflict, document.Error("ActionParameterValueConflict", err.Error(), "ResetType"))
	default:
		reply(w, http.StatusInternalServerError, document.Error("InternalError", err.Error(), ""))
	}
}
