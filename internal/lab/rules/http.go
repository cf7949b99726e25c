package rules

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"strconv"
	"time"
)

// Address is where the rules of a running BMC are read and put. It needs no account.
const Address = "/lab/rules"

// maxBody limits a request's body in bytes.
const maxBody = 1 << 20

// Wrap puts the Set before a BMC's handler.
func (s *Set) Wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
		if err != nil {
			http.Error(w, "the body cannot be read", http.StatusRequestEntityTooLarge)
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		if r.URL.Path == Address {
			s.serveList(w, r.Method, body)
			return
		}
		then, found := s.chooseRule(r, body)
		if !found {
			next.ServeHTTP(w, r)
			return
		}
		if then.Delay > 0 && !waitDelay(r, time.Duration(then.Delay)) {
			return
		}
		kept := then.carryOut(next, r)
		kept.sendTo(w, then.Cut)
	})
}

// serveList answers GET and PUT of the list.
func (s *Set) serveList(w http.ResponseWriter, method string, body []byte) {
	switch method {
	case http.MethodGet:
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(s.List())
	case http.MethodPut:
		list, err := Read(body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		s.Put(list)
		w.WriteHeader(http.StatusNoContent)
	default:
		http.Error(w, "the rules are read with GET and replaced with PUT", http.StatusMethodNotAllowed)
	}
}

// waitDelay waits and reports whether the client is still there.
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

// answer is an answer that is kept to be changed; it implements http.ResponseWriter.
type answer struct {
	status int
	header http.Header
	body   bytes.Buffer
}

// Header implements http.ResponseWriter.
func (a *answer) Header() http.Header { return a.header }

// WriteHeader implements http.ResponseWriter.
func (a *answer) WriteHeader(status int) { a.status = status }

// Write implements http.ResponseWriter.
func (a *answer) Write(text []byte) (int, error) { return a.body.Write(text) }

// carryOut carries the request out unless the rule has a status, and changes what came of it.
func (t Then) carryOut(next http.Handler, r *http.Request) *answer {
	a := &answer{status: http.StatusOK, header: http.Header{}}
	if t.Status != 0 {
		a.status = t.Status
	} else {
		next.ServeHTTP(a, r)
	}
	if t.Merge != nil {
		var document any
		if a.body.Len() > 0 && json.Unmarshal(a.body.Bytes(), &document) != nil {
			document = nil // an answer that is no JSON is replaced
		}
		merged, err := json.Marshal(Merge(document, t.Merge))
		if err != nil {
			panic("rules: a merge that is no JSON: " + err.Error()) // it was read from JSON
		}
		a.body.Reset()
		a.body.Write(merged)
		a.header.Set("Content-Type", "application/json")
	}
	for name, value := range t.Header {
		a.header.Set(name, value)
	}
	return a
}

// sendTo writes the answer; with a cut the connection is closed after so many bytes of the document.
func (a *answer) sendTo(w http.ResponseWriter, cut *int) {
	maps.Copy(w.Header(), a.header)
	if cut == nil {
		w.WriteHeader(a.status)
		_, _ = w.Write(a.body.Bytes())
		return
	}
	text := a.body.Bytes()
	w.Header().Set("Content-Length", strconv.Itoa(max(len(text), *cut+1)))
	w.WriteHeader(a.status)
	_, _ = w.Write(text[:min(*cut, len(text))])
	if flusher, can := w.(http.Flusher); can {
		flusher.Flush()
	}
	panic(http.ErrAbortHandler) // net/http's way to cut the connection
}
