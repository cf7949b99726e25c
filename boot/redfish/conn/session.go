package conn

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"
)

// basicFor is how long Basic authentication is used before a session is tried for again.
const basicFor = 5 * time.Minute

// do sends an authenticated request and returns the answer of a success. A session that has expired is renewed once.
func (c *Conn) do(ctx context.Context, r request) (answer, error) {
	for renewed := 0; ; renewed++ {
		with, err := c.authenticate(ctx, r.doing)
		if err != nil {
			return answer{}, err
		}
		got, err := c.exchange(ctx, r, with)
		if err != nil {
			return answer{}, err
		}
		if got.status != http.StatusUnauthorized {
			return got, c.judge(r.doing, got)
		}
		c.forget(with.token)
		if with.token == "" || renewed > 0 {
			return answer{}, c.unauthorized(r.doing, got)
		}
	}
}

// judge turns an answer that is no success into an error. Some BMCs send an error document with status 200.
func (c *Conn) judge(doing string, got answer) error {
	if got.status >= 300 {
		return c.refusal(doing, got)
	}
	body := bytes.TrimSpace(got.body)
	if len(body) == 0 {
		return nil
	}
	var doc struct {
		ID    string          `json:"@odata.id"`
		Error json.RawMessage `json:"error"`
	}
	// Only the first document counts: some BMCs send two in one body.
	if err := json.NewDecoder(bytes.NewReader(body)).Decode(&doc); err != nil {
		return c.protocol(doing, got.status, errors.New("it is no JSON object: "+c.scrub(string(body[:min(len(body), 80)]))))
	}
	if len(doc.Error) > 0 && doc.ID == "" && got.status == http.StatusOK && !harmless(body) {
		e := c.refusal(doing, got)
		e.Temporary, e.Hint = true, "it is tried again"
		return e
	}
	return nil
}

// harmless reports that a document under "error" only says that all went well, as some BMCs answer actions.
func harmless(body []byte) bool {
	for _, m := range messages(body) {
		if !strings.HasSuffix(m.MessageID, "Success") && !strings.HasSuffix(m.MessageID, "NoOperation") && !strings.HasSuffix(m.MessageID, "Created") {
			return false
		}
	}
	return true
}

// unauthorized notes that the credentials were refused, so that they are not tried again soon.
func (c *Conn) unauthorized(doing string, got answer) error {
	c.holdBack()
	e := c.refusal(doing, got)
	e.Kind, e.Temporary = Unauthorized, false
	e.Hint = "put the right username and password into the Secret that spec.bmc.credentials names, and check that the account is not locked"
	return e
}

// authenticate gives the credentials of the next request: the session, a new one, or Basic where sessions cannot be had.
func (c *Conn) authenticate(ctx context.Context, doing string) (credentials, error) {
	c.login.Lock()
	defer c.login.Unlock()
	if until := c.refusedUntil(); !until.IsZero() {
		return credentials{}, &Error{
			Kind: Unauthorized, Doing: doing, Host: c.base.Host,
			Detail: "they are not tried again before " + until.UTC().Format(time.RFC3339) + ", so that the account is not locked",
			Hint:   "put the right username and password into the Secret that spec.bmc.credentials names: new ones are tried at once",
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

// logIn makes a session. c.login is held.
func (c *Conn) logIn(ctx context.Context, doing string, named credentials) (credentials, error) {
	root, err := c.serviceRoot(ctx, doing)
	if err != nil {
		return credentials{}, err
	}
	if root.sessions == "" {
		return c.useBasic(named), nil
	}
	got, err := c.exchange(ctx, request{
		method: http.MethodPost, path: root.sessions, doing: doing,
		body: map[string]string{"UserName": named.username, "Password": named.password.Reveal()},
	}, credentials{})
	if err != nil { // never Basic after a failed connection: the password would go out twice for one fault
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
			return credentials{}, c.protocol(doing, got.status, err)
		}
		c.mu.Lock()
		c.session = session{token: token, location: location}
		c.mu.Unlock()
		return credentials{token: token}, nil
	case got.status == http.StatusUnauthorized, got.status == http.StatusForbidden, refusedAsBadRequest(got):
		return credentials{}, c.unauthorized(doing, got)
	case got.status < 300, got.status == http.StatusNotFound, got.status == http.StatusMethodNotAllowed,
		got.status == http.StatusNotImplemented, strings.Contains(string(got.body), "SessionLimitExceeded"):
		return c.useBasic(named), nil
	default:
		return credentials{}, c.refusal(doing, got)
	}
}

// refusedAsBadRequest recognises iLO, which answers wrong credentials with 400 and UnauthorizedLoginAttempt.
func refusedAsBadRequest(got answer) bool {
	return got.status == http.StatusBadRequest && strings.Contains(string(got.body), "Unauthorized")
}

// sessionLocation is where the session is deleted; some BMCs say it only in the body.
func (c *Conn) sessionLocation(got answer) (string, error) {
	if at := got.header.Get("Location"); at != "" {
		return c.resolve(at)
	}
	var doc struct {
		ID string `json:"@odata.id"`
	}
	if err := json.NewDecoder(bytes.NewReader(got.body)).Decode(&doc); err != nil || doc.ID == "" {
		return "", errors.New("the new session has no address to delete it at")
	}
	return c.resolve(doc.ID)
}

func (c *Conn) useBasic(named credentials) credentials {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.basicUntil = c.config.Now().Add(basicFor)
	return named
}

// Root is what the service root tells. Paths are empty when the BMC does not name them.
type Root struct {
	Vendor, Product, Version string
	Systems, Managers        string // paths
	sessions                 string
}

func (c *Conn) serviceRoot(ctx context.Context, doing string) (*Root, error) {
	c.mu.Lock()
	known := c.root
	c.mu.Unlock()
	if known != nil {
		return known, nil
	}
	got, err := c.exchange(ctx, request{method: http.MethodGet, path: "/redfish/v1/", doing: doing}, credentials{})
	if err != nil {
		return nil, err
	}
	found := &Root{Systems: "/redfish/v1/Systems", Managers: "/redfish/v1/Managers", sessions: "/redfish/v1/SessionService/Sessions"}
	if got.status != http.StatusUnauthorized { // some hide even the root; the usual places then
		if err := c.judge(doing, got); err != nil {
			return nil, err
		}
		if found, err = c.readRoot(got.body); err != nil {
			return nil, c.protocol(doing, got.status, err)
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
		Links                           struct{ Sessions Link }
	}
	if err := json.NewDecoder(bytes.NewReader(body)).Decode(&doc); err != nil {
		return nil, errors.New("the service root cannot be read")
	}
	root := &Root{Vendor: doc.Vendor, Product: doc.Product, Version: doc.RedfishVersion}
	for _, found := range []struct {
		link string
		at   *string
	}{{doc.Systems.ID, &root.Systems}, {doc.Managers.ID, &root.Managers}, {doc.Links.Sessions.ID, &root.sessions}} {
		if found.link == "" {
			continue
		}
		var err error
		if *found.at, err = c.resolve(found.link); err != nil {
			return nil, err
		}
	}
	if root.Systems == "" {
		return nil, errors.New("the service lists no systems")
	}
	return root, nil
}

// Link refers to a resource; ID is empty when there is none.
type Link struct {
	ID string `json:"@odata.id"`
}
