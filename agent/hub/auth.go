package hub

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/gitmetal/ingot/agent/wire"
	"github.com/gitmetal/ingot/inventory"
)

// Sizes of the bodies of strangers.
const (
	maxEnrol     = 64 << 10
	maxPhoneHome = 8 << 10
)

// errRefused is the only answer to a caller without a right.
var errRefused = errors.New("refused")

// peer is the agent that a client certificate speaks for.
type peer struct {
	host  string
	boot  string
	epoch inventory.Epoch
	key   string // hex SHA-256 of the SubjectPublicKeyInfo
	// protocol is the version that the agent spoke at its enrolment; 0 in a certificate of ingot 4176809, whose agents
	// speak 1.
	protocol int
}

func (h *Hub) routeCalls() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+wire.PathEnrol, h.admitStranger(h.serveEnrolment))
	mux.HandleFunc("POST "+wire.PathPhoneHome, h.admitStranger(h.servePhoneHome))
	mux.HandleFunc("POST "+wire.PathFacts, h.admitAgent(h.serveFacts))
	mux.HandleFunc("POST "+wire.PathNextJob, h.admitAgent(h.serveNextJob))
	mux.HandleFunc("POST "+fmt.Sprintf(wire.PathProgress, "{job}"), h.admitAgent(h.serveProgress))
	mux.HandleFunc("POST "+fmt.Sprintf(wire.PathLeave, "{job}"), h.admitAgent(h.serveLeave))
	mux.HandleFunc("POST "+fmt.Sprintf(wire.PathResult, "{job}"), h.admitAgent(h.serveResult))
	mux.HandleFunc(fmt.Sprintf(wire.PathJobFile, "{job}", "{name...}"), h.admitAgent(h.serveJobFile))
	mux.HandleFunc("PUT "+fmt.Sprintf(wire.PathLog, "{job}", "{name}"), h.admitAgent(h.serveLog))
	mux.HandleFunc("GET "+fmt.Sprintf(wire.PathConfig, "{job}"), h.admitAgent(h.serveConfig))
	mux.HandleFunc("GET "+wire.PathImages+"{sha256}", h.admitAgent(h.serveImage))
	mux.HandleFunc("GET "+wire.PathBlobs+"{sha256}", h.admitAgent(h.serveBlob))
	return mux
}

// admitStranger wraps a route without a client certificate: an address with too many failures has to wait.
func (h *Hub) admitStranger(serve func(http.ResponseWriter, *http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		address, _, err := net.SplitHostPort(r.RemoteAddr)
		if err != nil {
			address = r.RemoteAddr
		}
		if !h.failures.WouldAllow(address, h.config.Now()) {
			answerStatus(w, http.StatusTooManyRequests)
			return
		}
		if err := serve(w, r); err != nil {
			if isCallersFault(err) {
				h.failures.Allow(address, h.config.Now())
			}
			h.answerError(w, r, err)
		}
	}
}

// admitAgent wraps a route of enrolled agents.
func (h *Hub) admitAgent(serve func(http.ResponseWriter, *http.Request, peer) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		p, err := h.authenticate(r)
		if err != nil {
			h.answerError(w, r, err)
			return
		}
		if !h.calls.Allow(p.host, h.config.Now()) {
			answerStatus(w, http.StatusTooManyRequests)
			return
		}
		if err := serve(w, r, p); err != nil {
			h.answerError(w, r, err)
		}
	}
}

// authenticate checks the certificate as well as the connection's handshake: a connection may outlive the certificate,
// the boot or an alarm.
func (h *Hub) authenticate(r *http.Request) (peer, error) {
	if r.TLS == nil || len(r.TLS.VerifiedChains) == 0 {
		return peer{}, errRefused
	}
	leaf := r.TLS.PeerCertificates[0]
	if h.config.Identity.VerifyClient(leaf, h.config.Now()) != nil {
		return peer{}, errRefused
	}
	p, err := readPeer(leaf)
	if err != nil {
		return peer{}, errRefused
	}
	return p, h.checkBoot(r.Context(), p)
}

// checkBoot compares a peer with the expected boot.
func (h *Hub) checkBoot(ctx context.Context, p peer) error {
	adopt := false
	err := h.viewEntry(ctx, p.host, func(e *entry) error {
		if err := e.doc.checkPeer(p); err != nil {
			return err
		}
		e.lastCall = h.config.Now()
		adopt = e.doc.Key == ""
		return nil
	})
	if err != nil || !adopt {
		return err
	}
	// The journal was lost, but our certificate proves that this key had enrolled.
	return h.editDocument(ctx, p.host, func(_ *entry, doc *document) error {
		if err := doc.checkPeer(p); err != nil {
			return err
		}
		doc.Key, doc.Enrolled, doc.Protocol = p.key, h.config.Now(), p.protocol
		return nil
	})
}

func (d *document) checkPeer(p peer) error {
	if d.Boot != p.boot || d.Epoch != p.epoch { // guard: epoch-compare
		return errRefused
	}
	if d.Boot == "" || d.Alarm != "" || (d.Key != "" && d.Key != p.key) {
		return errRefused
	}
	return nil
}

// formatAgentURI names host, boot, epoch and protocol in a client certificate:
// ingot://agent/<host>/<boot>/<epoch>?protocol=<version>. The certificate outlives the loss of the journal.
func formatAgentURI(p peer) *url.URL {
	return &url.URL{Scheme: "ingot", Host: "agent", Path: "/" + p.host + "/" + p.boot + "/" +
		strconv.FormatUint(p.epoch, 10), RawQuery: "protocol=" + strconv.Itoa(p.protocol)}
}

func readPeer(leaf *x509.Certificate) (peer, error) {
	if len(leaf.URIs) != 1 || leaf.URIs[0].Scheme != "ingot" || leaf.URIs[0].Host != "agent" {
		return peer{}, errRefused
	}
	parts := strings.Split(strings.TrimPrefix(leaf.URIs[0].Path, "/"), "/")
	if len(parts) != 3 {
		return peer{}, errRefused
	}
	epoch, err := strconv.ParseUint(parts[2], 10, 64)
	if err != nil {
		return peer{}, errRefused
	}
	p := peer{host: parts[0], boot: parts[1], epoch: epoch, key: digestKey(leaf.RawSubjectPublicKeyInfo)}
	if protocol := leaf.URIs[0].Query().Get("protocol"); protocol != "" {
		if p.protocol, err = strconv.Atoi(protocol); err != nil {
			return peer{}, errRefused
		}
	}
	return p, nil
}

func digestKey(spki []byte) string {
	sum := sha256.Sum256(spki)
	return hex.EncodeToString(sum[:])
}

// statusError is an answer to a caller who may know the reason.
type statusError struct {
	status int
	why    string
}

func (e statusError) Error() string { return e.why }

// isCallersFault reports whether an error is the caller's fault.
func isCallersFault(err error) bool {
	var known statusError
	return errors.Is(err, errRefused) || errors.As(err, &known) && known.status < http.StatusInternalServerError
}

// answerError answers a failed call: strangers learn nothing, agents learn the status, people read the reason in the
// log.
func (h *Hub) answerError(w http.ResponseWriter, r *http.Request, err error) {
	var known statusError
	switch {
	case errors.Is(err, errRefused):
		h.config.Count(CountRefused)
		h.config.Log.Debug("agent call refused", "path", r.URL.Path, "from", r.RemoteAddr)
		answerStatus(w, http.StatusUnauthorized)
	case errors.As(err, &known):
		h.config.Log.Debug("agent call failed", "path", r.URL.Path, "from", r.RemoteAddr, "status", known.status, "why",
			known.why)
		answerStatus(w, known.status)
	case r.Context().Err() != nil:
		// The caller is gone.
	default:
		h.config.Log.Error("agent call failed", "path", r.URL.Path, "from", r.RemoteAddr, "error", err)
		answerStatus(w, http.StatusServiceUnavailable)
	}
}

func answerStatus(w http.ResponseWriter, status int) { http.Error(w, http.StatusText(status), status) }

// decodeBody reads one JSON body of at most limit bytes.
func decodeBody(w http.ResponseWriter, r *http.Request, limit int64, into any) error {
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Now().Add(wire.CallTimeout)) // some tests have writers without deadlines
	defer func() { _ = control.SetReadDeadline(time.Time{}) }()   // the deadline would cut a long answer
	data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return statusError{http.StatusRequestEntityTooLarge, "body too large"}
	case err != nil:
		return statusError{http.StatusBadRequest, "body not readable"}
	}
	if err := json.Unmarshal(data, into); err != nil {
		return statusError{http.StatusBadRequest, "body is not the message expected"}
	}
	return nil
}
