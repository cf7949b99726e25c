package conn

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/gitmetal/ingot/boot/logins"
)

// basicFor is how long Basic authentication is used before a session is requested again.
const basicFor = 5 * time.Minute

// doAuthenticated sends a request with credentials and returns the answer of a success. An expired session is renewed
// once.
func (c *Conn) doAuthenticated(ctx context.Context, r request) (answer, error) {
	for renewed := 0; ; renewed++ {
		with, err := c.chooseCredentials(ctx, r.doing)
		if err != nil {
			return answer{}, err
		}
		got, err := c.sendRequest(ctx, r, with)
		if err != nil {
			return answer{}, err
		}
		ended := with.token != "" && renewed == 0 && endsSession(got)
		if got.status < http.StatusMultipleChoices && with.username != "" {
			logins.Accepted(c.account())
		}
		if got.status != http.StatusUnauthorized && !ended {
			return got, c.checkAnswer(r.doing, got)
		}
		c.forgetSession(with.token)
		if !ended {
			return answer{}, c.unauthorizedError(r.doing, got)
		}
	}
}

// endsSession reports whether an answer says that the session is over: 401, whatever its document, or another refusal
// that names the session.
func endsSession(got answer) bool {
	switch got.status {
	case http.StatusUnauthorized:
		return true
	case http.StatusForbidden, http.StatusBadRequest:
		return slices.ContainsFunc([]string{"NoValidSession", "SessionTerminated", "SessionExpired", "InvalidSession"},
			func(word string) bool { return strings.Contains(string(got.body), word) })
	default:
		return false
	}
}

// checkAnswer turns an answer without success into an error. Some BMCs send an error document with status 200.
func (c *Conn) checkAnswer(doing string, got answer) error {
	if got.status >= 300 {
		return c.refusalError(doing, got)
	}
	body := bytes.TrimSpace(got.body)
	if len(body) == 0 {
		return nil
	}
	var doc struct {
		ID    string          `json:"@odata.id"`
		Error json.RawMessage `json:"error"`
	}
	// Only the first document counts: some BMCs send two in a body.
	if err := json.NewDecoder(bytes.NewReader(body)).Decode(&doc); err != nil {
		return c.protocolError(doing, got.status,
			errors.New("it is no JSON object: "+c.scrubText(string(body[:min(len(body), 80)]))))
	}
	if len(doc.Error) > 0 && doc.ID == "" && got.status == http.StatusOK && !reportsSuccess(body) {
		e := c.refusalError(doing, got)
		e.Temporary, e.Hint = true, "it is tried again"
		return e
	}
	return nil
}

// goodMessages end the ids of messages that report no failure: iLO answers a change of the BIOS with
// SystemResetRequired, XCC with RebootRequired.
var goodMessages = []string{"Success", "NoOperation", "Created", "ResetRequired", "RebootRequired"}

// reportsSuccess reports that a document under "error" only says that all went well, as some BMCs answer actions.
func reportsSuccess(body []byte) bool {
	for _, m := range parseMessages(body) {
		if !slices.ContainsFunc(goodMessages, func(end string) bool { return strings.HasSuffix(m.MessageID, end) }) {
			return false
		}
	}
	return true
}

// unauthorizedError records that the credentials were refused, so that holdBack applies.
func (c *Conn) unauthorizedError(doing string, got answer) error {
	c.holdBack()
	e := c.refusalError(doing, got)
	e.Kind, e.Temporary = Unauthorized, false
	e.Hint = "put the right username and password into the Secret that spec.bmc.credentials names, " +
		"and check that the account is not locked"
	return e
}

// chooseCredentials gives the credentials of the next request: the session, a new session, or Basic if no session can
// be had.
func (c *Conn) chooseCredentials(ctx context.Context, doing string) (credentials, error) {
	c.login.Lock()
	defer c.login.Unlock()
	if until := c.refusedUntil(); !until.IsZero() {
		return credentials{}, &Error{
			Kind: Unauthorized, Doing: doing, Host: c.base.Host,
			Detail: "they are not tried again before " + until.UTC().Format(time.RFC3339) +
				", so that the account is not locked",
			Hint: "put the right username and password into the Secret that spec.bmc.credentials names: new ones are " +
				"tried at once, three an hour",
		}
	}
	c.mu.Lock()
	open, basic := c.session.token, c.basicUntil.After(c.config.Now())
	c.mu.Unlock()
	if open != "" {
		return credentials{token: open}, nil
	}
	named := credentials{username: c.config.Username, password: c.config.Password}
	if basic {
		return named, nil
	}
	return c.logIn(ctx, doing, named)
}

// logIn makes a session. The caller holds c.login.
func (c *Conn) logIn(ctx context.Context, doing string, named credentials) (credentials, error) {
	root, err := c.serviceRoot(ctx, doing)
	if err != nil {
		return credentials{}, err
	}
	if root.sessions == "" {
		return c.useBasic(named), nil
	}
	got, err := c.sendRequest(ctx, request{
		method: http.MethodPost, path: root.sessions, doing: doing,
		body: map[string]string{"UserName": named.username, "Password": named.password.Reveal()},
	}, credentials{})
	if err != nil { // no Basic after a failed connection: the password would be sent twice for a single fault
		return credentials{}, err
	}
	return c.keepSession(doing, named, got)
}

func (c *Conn) keepSession(doing string, named credentials, got answer) (credentials, error) {
	token := got.header.Get("X-Auth-Token")
	switch {
	case got.status < 300 && token != "":
		location, err := c.sessionLocation(got)
		if err != nil {
			return credentials{}, c.protocolError(doing, got.status, err)
		}
		c.mu.Lock()
		c.session = session{token: token, location: location}
		c.mu.Unlock()
		logins.Accepted(c.account())
		return credentials{token: token}, nil
	case got.status == http.StatusUnauthorized, got.status == http.StatusForbidden, refusedAsBadRequest(got):
		return credentials{}, c.unauthorizedError(doing, got)
	case got.status < 300, got.status == http.StatusNotFound, got.status == http.StatusMethodNotAllowed,
		got.status == http.StatusNotImplemented, saysNoSessionLeft(got):
		return c.useBasic(named), nil
	default:
		return credentials{}, c.refusalError(doing, got)
	}
}

// saysNoSessionLeft recognises that all sessions are taken: by DMTF's message, or iDRAC's.
func saysNoSessionLeft(got answer) bool {
	said := string(got.body)
	return strings.Contains(said, "SessionLimitExceeded") || strings.Contains(said, "RAC0218")
}

// refusedAsBadRequest recognises iLO, which answers wrong credentials with 400 and UnauthorizedLoginAttempt.
func refusedAsBadRequest(got answer) bool {
	return got.status == http.StatusBadRequest && strings.Contains(string(got.body), "Unauthorized")
}

// sessionLocation is the path at which the session is deleted; some BMCs send the path only in the body.
func (c *Conn) sessionLocation(got answer) (string, error) {
	if at := got.header.Get("Location"); at != "" {
		return c.resolveLink(at)
	}
	var doc struct {
		ID string `json:"@odata.id"`
	}
	if err := json.NewDecoder(bytes.NewReader(got.body)).Decode(&doc); err != nil || doc.ID == "" {
		return "", errors.New("the new session has no address to delete it at")
	}
	return c.resolveLink(doc.ID)
}

func (c *Conn) useBasic(named credentials) credentials {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.basicUntil = c.config.Now().Add(basicFor)
	return named
}

// Root is the service root. Paths are empty if the BMC does not name them.
type Root struct {
	Vendor, Product, Version string
	Systems, Managers        string // paths
	Tasks, Jobs              string // TaskService, JobService
	Registries               string
	// Expands says that a collection gives its members whole when asked with $expand.
	Expands  bool
	sessions string
}

func (c *Conn) serviceRoot(ctx context.Context, doing string) (*Root, error) {
	c.mu.Lock()
	known := c.root
	c.mu.Unlock()
	if known != nil {
		return known, nil
	}
	got, err := c.sendRequest(ctx, request{method: http.MethodGet, path: "/redfish/v1/", doing: doing}, credentials{})
	if err != nil {
		return nil, err
	}
	found := &Root{Systems: "/redfish/v1/Systems", Managers: "/redfish/v1/Managers",
		sessions: "/redfish/v1/SessionService/Sessions"}
	if got.status != http.StatusUnauthorized { // some BMCs hide even the root: the usual paths are used then
		if err := c.checkAnswer(doing, got); err != nil {
			return nil, err
		}
		if found, err = c.readRoot(got.body); err != nil {
			return nil, c.protocolError(doing, got.status, err)
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.root = found
	return found, nil
}

func (c *Conn) readRoot(body []byte) (*Root, error) {
	var doc struct {
		Vendor, Product, RedfishVersion string
		Systems, Managers               Link
		Tasks, JobService, Registries   Link
		Links                           struct{ Sessions Link }
		ProtocolFeaturesSupported       struct {
			ExpandQuery struct{ Levels, NoLinks bool }
		}
	}
	if err := json.NewDecoder(bytes.NewReader(body)).Decode(&doc); err != nil {
		return nil, errors.New("the service root cannot be read")
	}
	root := &Root{Vendor: doc.Vendor, Product: doc.Product, Version: doc.RedfishVersion}
	root.Expands = doc.ProtocolFeaturesSupported.ExpandQuery.Levels && doc.ProtocolFeaturesSupported.ExpandQuery.NoLinks
	for _, found := range []struct {
		link string
		at   *string
	}{{doc.Systems.ID, &root.Systems}, {doc.Managers.ID, &root.Managers}, {doc.Links.Sessions.ID, &root.sessions},
		{doc.Tasks.ID, &root.Tasks}, {doc.JobService.ID, &root.Jobs}, {doc.Registries.ID, &root.Registries}} {
		if found.link == "" {
			continue
		}
		var err error
		if *found.at, err = c.resolveLink(found.link); err != nil {
			return nil, err
		}
	}
	if root.Systems == "" {
		return nil, errors.New("the service lists no systems")
	}
	return root, nil
}

// Link refers to a resource; ID is empty if there is none.
type Link struct {
	ID string `json:"@odata.id"`
}
