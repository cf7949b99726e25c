// Package uploads takes the files of ephemeral runs over HTTP into the store of results.
//
// A machine without an agent of ours proves itself with the token of its run, and needs curl alone: Handler serves PUT
// and HEAD of /v1/runs/<id>/files/<name>, and POST of /v1/runs/<id>/done?exit=N and …/ready. The agents' server
// authenticates an agent itself, and calls Handler.ServeFile. Files are written to the disk as they come, never held in
// memory.
//
//	204  stored, or said
//	400  not such a name, or not such a request          401  not the token of this run
//	404  the run is not known                            408  the body broke: HEAD, and go on
//	409  not from the byte in Upload-Offset on
//	410  the run has ended or was given up               413  over a limit of the Workload
//	422  the run has ended, and failed: the body says why
//	429  too many wrong tokens from this address         507  the store is full: try again
package uploads

import (
	"crypto/hmac"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/gitmetal/ingot/agent/wire"
	"github.com/gitmetal/ingot/internal/results"
	"github.com/gitmetal/ingot/internal/throttle"
	"github.com/gitmetal/ingot/inventory/runs"
)

// Path is where runs upload, below the URL of the agents' server.
const Path = "/v1/runs/"

// stall is how long a body may give no byte before the upload is cut.
const stall = time.Minute

// Config of a Handler. Store and Token are required.
type Config struct {
	Store *results.Store
	// Token gives the token of a run, see Token.
	Token func(run string) string
	// Notify is told of a run that is ready or has ended; must not block. Default: nothing
	Notify func(run string)
	Mask   func(string) string // hides known secrets in the output of runs; default: as said
	Now    func() time.Time    // default time.Now
	Log    *slog.Logger        // default: nothing
}

// Handler is the door for results.
type Handler struct {
	config   Config
	failures *throttle.Limiter // by remote address
}

// New makes a handler.
func New(c Config) *Handler {
	if c.Notify == nil {
		c.Notify = func(string) {}
	}
	if c.Mask == nil {
		c.Mask = func(text string) string { return text }
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return &Handler{config: c, failures: throttle.New(1, 30)}
}

// ServeHTTP implements http.Handler for paths below Path.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	address, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		address = r.RemoteAddr
	}
	if !h.failures.WouldAllow(address, h.config.Now()) {
		answer(w, http.StatusTooManyRequests, "too many wrong tokens: wait a minute")
		return
	}
	id, rest, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, Path), "/")
	said, bearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if runs.CheckID(id) != nil || !bearer || !hmac.Equal([]byte(said), []byte(h.config.Token(id))) {
		h.failures.Allow(address, h.config.Now())
		answer(w, http.StatusUnauthorized, "not the token of this run: send Authorization: Bearer $INGOT_TOKEN")
		return
	}
	name, isFile := strings.CutPrefix(rest, "files/")
	switch {
	case isFile:
		h.ServeFile(w, r, id, name)
	case rest == "done" && r.Method == http.MethodPost:
		h.serveDone(w, r, id)
	case rest == "ready" && r.Method == http.MethodPost:
		h.serveReady(w, id)
	default:
		answer(w, http.StatusBadRequest, "want PUT files/NAME, POST done?exit=N or POST ready below $INGOT_URL")
	}
}

// ServeFile answers PUT and HEAD of a file of a run, for a caller who may write to the run.
func (h *Handler) ServeFile(w http.ResponseWriter, r *http.Request, id, name string) {
	if err := runs.CheckName(name); err != nil {
		answer(w, http.StatusBadRequest, err.Error())
		return
	}
	switch r.Method {
	case http.MethodHead:
		h.serveStatus(w, id, name)
	case http.MethodPut:
		h.serveUpload(w, r, id, name)
	default:
		w.Header().Set("Allow", "PUT, HEAD")
		answer(w, http.StatusMethodNotAllowed, "PUT or HEAD")
	}
}

func (h *Handler) serveStatus(w http.ResponseWriter, id, name string) {
	file, whole, err := h.config.Store.Status(id, name)
	if err != nil {
		h.answerError(w, err)
		return
	}
	w.Header().Set(wire.HeaderUploadOffset, strconv.FormatInt(file.Size, 10))
	if whole {
		w.Header().Set(wire.HeaderDigest, file.SHA256)
	}
	w.WriteHeader(http.StatusOK)
}

func (h *Handler) serveUpload(w http.ResponseWriter, r *http.Request, id, name string) {
	from, size, err := readRange(r)
	if err != nil {
		answer(w, http.StatusBadRequest, err.Error())
		return
	}
	body := &patientBody{body: r.Body, control: http.NewResponseController(w)}
	file, done, err := h.config.Store.Put(results.Upload{Run: id, Name: name, Offset: from, Size: size, Body: body,
		Interrupt: body.interrupt})
	if err != nil {
		h.refuseBody(w, body, err)
		return
	}
	if done {
		w.Header().Set(wire.HeaderDigest, file.SHA256)
		w.Header().Set(wire.HeaderUploadOffset, strconv.FormatInt(file.Size, 10))
		h.config.Log.Debug("a result is stored", "run", id, "file", name, "bytes", file.Size)
	}
	w.WriteHeader(http.StatusNoContent)
}

// Bounds of what is read of a body after the answer that refuses it.
const (
	drainBytes = 1 << 30
	drainTime  = 5 * time.Second
)

// refuseBody answers in the middle of a body, and reads on for a moment: a connection that is closed with bytes unread
// is reset, and the caller would not see the answer.
func (h *Handler) refuseBody(w http.ResponseWriter, body *patientBody, err error) {
	_ = body.control.EnableFullDuplex() // without it the answer waits for the body
	h.answerError(w, err)
	_ = body.control.Flush()
	body.interrupt()
	_ = body.control.SetReadDeadline(time.Now().Add(drainTime))
	_, _ = io.CopyN(io.Discard, body.body, drainBytes) // ends at the caller's end, or at the deadline
}

// readRange reads which bytes of a file a request carries: all, or those of Content-Range as `curl -C A -T` sends it.
// The size is -1 for a body whose length the request does not tell.
func readRange(r *http.Request) (from, size int64, err error) {
	text := r.Header.Get("Content-Range")
	if text == "" {
		return 0, r.ContentLength, nil
	}
	var first, last int64
	n, err := fmt.Sscanf(text, "bytes %d-%d/%d", &first, &last, &size)
	switch {
	case n != 3 || err != nil || first < 0 || last < first-1 || size != last+1:
		return 0, 0, fmt.Errorf("the Content-Range %.60q: want bytes A-B/N with the rest of the file, as `curl -C A -T FILE` sends it", text)
	case r.ContentLength >= 0 && r.ContentLength != size-first:
		return 0, 0, fmt.Errorf("a body of %d bytes for the Content-Range %.60q", r.ContentLength, text)
	}
	return first, size, nil
}

// patientBody is a body with a deadline for every read.
type patientBody struct {
	body    io.Reader
	control *http.ResponseController

	mu  sync.Mutex
	cut bool
}

// Read implements io.Reader.
func (p *patientBody) Read(b []byte) (int, error) {
	p.mu.Lock()
	if !p.cut {
		_ = p.control.SetReadDeadline(time.Now().Add(stall)) // only a test's writer has no deadlines
	}
	p.mu.Unlock()
	return p.body.Read(b)
}

// interrupt ends the read under way, and all further ones.
func (p *patientBody) interrupt() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cut = true
	_ = p.control.SetReadDeadline(time.Unix(1, 0))
}

// maxExit is the highest exit code of a program.
const maxExit = 255

// serveDone ends a run. The body, if there is one, is the beginning of the run's output.
func (h *Handler) serveDone(w http.ResponseWriter, r *http.Request, id string) {
	exit, err := strconv.Atoi(r.URL.Query().Get("exit"))
	if err != nil || exit < 0 || exit > maxExit {
		answer(w, http.StatusBadRequest, "say how the run ended: done?exit=0, or another exit code up to 255")
		return
	}
	body := &patientBody{body: r.Body, control: http.NewResponseController(w)}
	output, err := io.ReadAll(io.LimitReader(body, 4*runs.MaxOutput))
	if err != nil {
		answer(w, http.StatusBadRequest, "the output could not be read")
		return
	}
	if _, err := h.config.Store.Manifest(id); err == nil {
		answer(w, http.StatusGone, "the run has ended: its token is dead")
		return
	}
	text := h.config.Mask(string(output))
	m, err := h.finish(id, runs.Ended{Exit: exit, Output: text[:min(len(text), runs.MaxOutput)]})
	if err != nil {
		h.answerError(w, err)
		return
	}
	if m.Error != "" {
		answer(w, http.StatusUnprocessableEntity, "the run has ended, and counts as failed: "+m.Error)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// Begin lets a run leave files until it ends; a repeated call changes nothing.
func (h *Handler) Begin(run runs.Run, limits runs.Limits) error {
	return h.config.Store.Begin(run, limits)
}

// GiveUp ends a run whose result shall not count any more. A run that has ended, or that the store does not know, stays
// as it is.
func (h *Handler) GiveUp(id, why string) error {
	m, err := h.config.Store.GiveUp(id, why)
	switch {
	case errors.Is(err, results.ErrUnknown):
		return nil
	case err == nil && m.Orphan != "":
		h.config.Log.Info("a run was given up", "run", id, "why", why, "files", len(m.Files))
	}
	return err
}

// Report is what a run said so far, for a daemon that hears of it in no other way. A run that the store does not know said
// nothing.
func (h *Handler) Report(id string) (runs.Report, error) {
	m, err := h.config.Store.Manifest(id)
	switch {
	case errors.Is(err, results.ErrUnknown):
		return runs.Report{Heard: h.config.Store.Heard(id)}, nil
	case err != nil:
		return runs.Report{}, err
	case m.Orphan != "":
		return runs.Report{Orphan: m.Orphan}, nil
	}
	ended := m.Ended
	ended.Files = nil // the store has them
	return runs.Report{Heard: ended.Ended, Ended: &ended}, nil
}

// Access is where a run uploads below the URL of the agents' server, and its token.
func (h *Handler) Access(id string) (path, token string) { return Path + id, h.config.Token(id) }

// Finish ends a run whose agent says how it ended. The first end stands. The end of a run that the store does not know,
// as after the loss of results.dir, is logged and no error: the agent would repeat it for ever.
func (h *Handler) Finish(id string, ended runs.Ended) error {
	_, err := h.finish(id, ended)
	if errors.Is(err, results.ErrUnknown) {
		h.config.Log.Error("the result of a run is lost: the store of results does not know the run", "run", id, "exit", ended.Exit)
		return nil
	}
	return err
}

func (h *Handler) finish(id string, ended runs.Ended) (runs.Manifest, error) {
	m, err := h.config.Store.Finish(id, ended)
	if err != nil {
		return m, err
	}
	h.config.Log.Info("a run has ended", "run", id, "exit", m.Exit, "files", len(m.Files), "bytes", m.Bytes, "error", m.Error)
	h.config.Notify(id)
	return m, nil
}

// serveReady notes that what the machine runs is up.
func (h *Handler) serveReady(w http.ResponseWriter, id string) {
	if err := h.config.Store.SetReady(id); err != nil {
		h.answerError(w, err)
		return
	}
	h.config.Notify(id)
	w.WriteHeader(http.StatusNoContent)
}

// answerError answers with the status that an error of the store stands for.
func (h *Handler) answerError(w http.ResponseWriter, err error) {
	var offset results.OffsetError
	switch {
	case errors.As(err, &offset):
		w.Header().Set(wire.HeaderUploadOffset, strconv.FormatInt(offset.At, 10))
		answer(w, http.StatusConflict, fmt.Sprintf("%v: go on from there with curl -C %d -T FILE", err, offset.At))
	case errors.Is(err, results.ErrEnded):
		answer(w, http.StatusGone, "the run has ended: its token is dead")
	case errors.Is(err, results.ErrUnknown):
		answer(w, http.StatusNotFound, err.Error())
	case errors.Is(err, results.ErrName):
		answer(w, http.StatusBadRequest, err.Error())
	case errors.Is(err, results.ErrLimit):
		answer(w, http.StatusRequestEntityTooLarge, err.Error())
	case errors.Is(err, results.ErrFull):
		h.config.Log.Warn("a result waits: the store is full", "error", err)
		answer(w, http.StatusInsufficientStorage, err.Error())
	case errors.Is(err, io.ErrUnexpectedEOF), isTimeout(err):
		answer(w, http.StatusRequestTimeout, "the upload broke: HEAD says in Upload-Offset from where to go on")
	default:
		h.config.Log.Error("a result cannot be stored", "error", err)
		answer(w, http.StatusServiceUnavailable, "the store of results cannot take it now: the daemon's log says why")
	}
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}

// answer answers with one line for people. With the length the caller knows the end of the answer at once.
func answer(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Content-Length", strconv.Itoa(len(text)+1))
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text+"\n") // the caller went away
}
