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
	"github.com/gitmetal/ingot/internal/lab/rules"
)

// maxBody limits a request's body in bytes.
const maxBody = 1 << 20

// checkRequests is the first handler of every request: body limit, faults of the network, the account.
func (b *BMC) checkRequests(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
		if err != nil {
			sendJSON(w, http.StatusRequestEntityTooLarge,
				document.NewError("MalformedJSON", "the body cannot be read", ""))
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		if path := strings.TrimSuffix(r.URL.Path, "/"); path != "" {
			r.URL.Path = path
		}
		w.Header().Set("OData-Version", "4.0")
		w.Header().Set("Cache-Control", "no-cache")
		if b.misbehave(w, r) || !b.checkCredentials(w, r) {
			return
		}
		if asked := r.Header.Get("OData-Version"); asked != "" && asked != "4.0" {
			sendJSON(w, http.StatusPreconditionFailed,
				document.NewError("HeaderInvalid", "OData-Version is 4.0 here", ""))
			return
		}
		next.ServeHTTP(w, r)
	})
}

// countRequests counts every request to the Redfish service, also a request that a rule answers.
func (b *BMC) countRequests(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		reads := r.Method == http.MethodGet || r.Method == http.MethodHead
		switch {
		case r.URL.Path == rules.Address:
		case reads || strings.HasPrefix(r.URL.Path, document.Sessions):
			b.log.CountRequest(0)
		default:
			b.log.CountRequest(1)
		}
		next.ServeHTTP(w, r)
	})
}

// misbehave applies the faults of the network and reports whether the request is answered.
func (b *BMC) misbehave(w http.ResponseWriter, r *http.Request) bool {
	faults := b.currentFaults()
	if b.meetFault("Hang", faults.Hang) {
		<-r.Context().Done()
		return true
	}
	if b.meetFault("Delay", faults.Delay > 0) && !waitDelay(r, faults.Delay) {
		return true
	}
	if b.spendFault("DropConnections", func(f *Faults) *int { return &f.DropConnections }) {
		panic(http.ErrAbortHandler) // net/http's way to cut the connection
	}
	if b.spendFault("Unavailable", func(f *Faults) *int { return &f.Unavailable }) {
		w.Header().Set("Retry-After", "1")
		sendJSON(w, http.StatusServiceUnavailable,
			document.NewError("ServiceTemporarilyUnavailable", "the service is not ready", ""))
		return true
	}
	if b.meetFault("RefuseIdentity", faults.RefuseIdentity && r.Header.Get("Accept-Encoding") == "identity") {
		sendJSON(w, http.StatusNotAcceptable, document.NewError("HeaderInvalid", "this encoding is not offered", ""))
		return true
	}
	if b.meetFault("Garbage", faults.Garbage) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, "<!DOCTYPE html><html><body>Welcome to the management console</body></html>")
		return true
	}
	return false
}

// waitDelay waits and reports whether the client is still connected.
func waitDelay(r *http.Request, delay time.Duration) bool {
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-r.Context().Done():
		return false
	}
}

// sendDocument sends a document with its ETag, or 304 if the client has it.
func (b *BMC) sendDocument(w http.ResponseWriter, r *http.Request, doc document.Document) {
	body, tag := b.encodeDocument(doc)
	w.Header().Set("ETag", tag)
	w.Header().Set("Link", "<"+doc.SchemaURI()+">; rel=describedby")
	if r.Header.Get("If-None-Match") == tag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	w.Header().Set("Content-Type", "application/json;odata.metadata=minimal;charset=utf-8")
	_, _ = w.Write(body)
}

// encodeDocument gives a document's bytes with its ETag, and the ETag: a digest of the remaining members.
func (b *BMC) encodeDocument(doc document.Document) ([]byte, string) {
	plain, err := json.Marshal(doc)
	if err != nil {
		panic("bmc: a document that is no JSON: " + err.Error()) // built from our own maps only
	}
	sum := sha256.Sum256(plain)
	tag := `"` + hex.EncodeToString(sum[:6]) + `"`
	if b.currentFaults().WeakETags {
		tag = "W/" + tag
	}
	doc["@odata.etag"] = tag
	full, err := json.Marshal(doc)
	if err != nil {
		panic("bmc: a document that is no JSON: " + err.Error())
	}
	return full, tag
}

// checkIfMatch checks If-Match against a document and answers 412 on a mismatch.
func (b *BMC) checkIfMatch(w http.ResponseWriter, r *http.Request, doc document.Document) bool {
	want := r.Header.Get("If-Match")
	if want == "" {
		return true
	}
	faults := b.currentFaults()
	_, tag := b.encodeDocument(doc)
	stale := b.spendFault("StaleETags", func(f *Faults) *int { return &f.StaleETags })
	weak := b.meetFault("WeakETags", faults.WeakETags && strings.HasPrefix(want, "W/"))
	refused := b.meetFault("IfMatchRefused", faults.IfMatchRefused)
	if stale || weak || refused || want != "*" && strings.TrimPrefix(tag, "W/") != want {
		sendJSON(w, http.StatusPreconditionFailed,
			document.NewError("PreconditionFailed", "the ETag does not match", ""))
		return false
	}
	return true
}

func sendJSON(w http.ResponseWriter, status int, doc any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(doc)
}

// decodeBody decodes a request body; an unknown member is an error, which the specification allows.
func decodeBody(w http.ResponseWriter, r *http.Request, into any) bool {
	decoder := json.NewDecoder(r.Body)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		sendJSON(w, http.StatusBadRequest,
			document.NewError("MalformedJSON", "the body is not understood: "+err.Error(), ""))
		return false
	}
	return true
}

// sendPowerError answers for an error of a power action.
func sendPowerError(w http.ResponseWriter, err error) {
	switch {
	case errors.Is(err, errAlreadyOn), errors.Is(err, errAlreadyOff):
		sendJSON(w, http.StatusConflict, document.NewError("OperationNotAllowed", err.Error(), "ResetType"))
	case errors.Is(err, errNotYet):
		sendJSON(w, http.StatusConflict, document.NewError("ActionParameterValueConflict", err.Error(), "ResetType"))
	default:
		sendJSON(w, http.StatusInternalServerError, document.NewError("InternalError", err.Error(), ""))
	}
}
