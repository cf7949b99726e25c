package replay

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gitmetal/ingot/internal/lab/bmc"
	"github.com/gitmetal/ingot/internal/lab/bmc/document"
	"github.com/gitmetal/ingot/internal/lab/bmc/oplog"
	"github.com/gitmetal/ingot/internal/lab/bmc/selfsigned"
	"github.com/gitmetal/ingot/internal/lab/rules"
	"github.com/gitmetal/ingot/internal/secret"
)

// Options are what a tree does not say.
type Options struct {
	Username string
	Password secret.Value
	// PowerTakes is how long a machine takes to go on or off.
	PowerTakes time.Duration
	// Ejected is merged into a virtual drive at an eject; default: no image, not inserted, not connected.
	Ejected map[string]any
	// SecondNames are paths of virtual drives that are a second name of another drive, by the second name.
	SecondNames map[string]string
	// SettingsOf names settings objects that no resource links to: the resource by the path of the settings object.
	SettingsOf map[string]string
	// Machine is powered on and off by the Reset action, and is off at first; default: there is none, and the power is
	// told only.
	Machine bmc.Machine
	// Now is the clock; default time.Now.
	Now func() time.Time
}

// Server is a BMC that is served from a tree. Its methods may be called from several goroutines.
type Server struct {
	options Options
	handler http.Handler
	keys    selfsigned.Certificate
	log     oplog.Log
	rules   rules.Set

	mu       sync.Mutex // guards all below
	tree     Tree
	pending  map[string]map[string]any // changes that the next reset applies, by the resource's path
	power    map[string]change         // by the system's path
	sessions map[string]string         // path by token
	reads    map[string]int            // GETs that were carried out, by path
	requests []Request
	serial   int
	url      string
	run      *run // of the machine; nil: off
	halted   bool // Serve has ended
	failed   error
	runs     sync.WaitGroup // watchers of the machine's runs
}

// change is a change of power that is under way.
type change struct {
	to string
	at time.Time
}

// New makes a server of a tree, which the server owns from then on. It listens nowhere until Serve.
func New(tree Tree, options Options) (*Server, error) {
	if options.Username == "" || options.Password.Empty() {
		return nil, errors.New("replay: a username and a password are needed")
	}
	if options.Now == nil {
		options.Now = time.Now
	}
	if options.Ejected == nil {
		options.Ejected = map[string]any{"Image": nil, "ImageName": nil, "Inserted": false,
			"ConnectedVia": "NotConnected"}
	}
	s := &Server{options: options, tree: tree.Merge(nil), pending: map[string]map[string]any{},
		power: map[string]change{}, sessions: map[string]string{}, reads: map[string]int{}}
	s.tree.completeRoot()
	if options.Machine != nil {
		s.tree.setPower("Off")
	}
	s.handler = s.countRequests(s.rules.Wrap(http.HandlerFunc(s.serveRequest)))
	return s, nil
}

// Rules change the answers; they are also put and read at rules.Address.
func (s *Server) Rules() *rules.Set { return &s.rules }

// Log is what the BMC did, in order, with totals.
func (s *Server) Log() *oplog.Log { return &s.log }

// Fingerprint is "sha256:<hex>" of the DER of the certificate that Serve shows.
func (s *Server) Fingerprint() (string, error) { return s.keys.Fingerprint(s.options.Now()) }

// URL is the https URL of the service root; empty before Serve.
func (s *Server) URL() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.url
}

// Reads is how often a path was read.
func (s *Server) Reads(at string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.reads[at]
}

// Serve answers HTTPS on the listener with a self-signed certificate until ctx ends, and then ends the machine.
func (s *Server) Serve(ctx context.Context, listener net.Listener) error {
	s.mu.Lock()
	s.url = "https://" + listener.Addr().String() + root
	s.mu.Unlock()
	return errors.Join(s.keys.Serve(ctx, listener, s.handler, s.options.Now()), s.halt())
}

// countRequests counts every request to the service, also a request that a rule answers.
func (s *Server) countRequests(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != rules.Address {
			writes := 0
			if r.Method != http.MethodGet && r.Method != http.MethodHead && !strings.Contains(r.URL.Path, "/Sessions") {
				writes = 1
			}
			s.log.CountRequest(writes)
			s.noteRequest(r)
		}
		next.ServeHTTP(w, r)
	})
}

// Request is a request to the service.
type Request struct {
	Method, Path string
	On           bool // the machine behind the server was on
}

// maxRequests is how many of the newest requests are kept.
const maxRequests = 10_000

// Requests are the newest requests, oldest first, also those that a rule answered.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

func (s *Server) noteRequest(r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = append(s.requests, Request{r.Method, r.URL.Path, s.run != nil})
	s.requests = s.requests[max(0, len(s.requests)-maxRequests):]
}

// serveRequest answers a request. One request is served at a time.
func (s *Server) serveRequest(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settlePower()
	at := strings.TrimSuffix(r.URL.Path, "/")
	w.Header().Set("OData-Version", "4.0")
	if !s.checkCredentials(r, at) {
		sendJSON(w, http.StatusUnauthorized, document.NewError("NoValidSession", "valid credentials are needed", ""))
		return
	}
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		s.sendResource(w, at)
	case http.MethodPatch, http.MethodPost:
		var body map[string]any
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			sendJSON(w, http.StatusBadRequest, document.NewError("MalformedJSON", "the body is no JSON object", ""))
			return
		}
		if r.Method == http.MethodPost {
			s.postRequest(w, at, body)
			return
		}
		s.patchResource(w, r, at, body)
	case http.MethodDelete:
		s.removeMember(w, at)
	default:
		sendJSON(w, http.StatusMethodNotAllowed,
			document.NewError("OperationNotAllowed", r.Method+" is not offered", ""))
	}
}

// checkCredentials reports whether a request needs no credentials or carries good ones.
func (s *Server) checkCredentials(r *http.Request, at string) bool {
	if at == root && r.Method == http.MethodGet || at == "/redfish" ||
		at == s.sessionsAt() && r.Method == http.MethodPost {
		return true
	}
	if token := r.Header.Get("X-Auth-Token"); token != "" {
		return s.sessions[token] != ""
	}
	user, password, given := r.BasicAuth()
	return given && s.isAccount(user, password)
}

func (s *Server) isAccount(user, password string) bool {
	return user == s.options.Username && s.options.Password.Equal(secret.New(password))
}

// sessionsAt is the path of the session collection.
func (s *Server) sessionsAt() string {
	if at := followLink(s.tree[root], "Links", "Sessions"); at != "" {
		return at
	}
	return root + "/SessionService/Sessions"
}

func (s *Server) sendResource(w http.ResponseWriter, at string) {
	s.reads[at]++
	resource := s.tree[at]
	if resource == nil {
		sendJSON(w, http.StatusNotFound, document.NewError("ResourceMissingAtURI", "there is no resource at "+at, ""))
		return
	}
	if first := s.tree[s.options.SecondNames[at]]; first != nil {
		resource = copyDocument(resource)
		for _, name := range []string{"Image", "ImageName", "Inserted", "ConnectedVia"} {
			resource[name] = first[name]
		}
	}
	w.Header().Set("ETag", tagOf(resource))
	sendJSON(w, http.StatusOK, resource)
}

// tagOf is the ETag that a resource names, or a digest.
func tagOf(resource map[string]any) string {
	if tag, named := resource["@odata.etag"].(string); named {
		return tag
	}
	text, err := json.Marshal(resource)
	if err != nil {
		panic("replay: a resource that is no JSON: " + err.Error()) // it was read from JSON
	}
	sum := sha256.Sum256(text)
	return `"` + hex.EncodeToString(sum[:6]) + `"`
}

func sendJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}
