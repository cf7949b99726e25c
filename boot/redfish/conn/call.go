package conn

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"

	"github.com/stmcginnis/gofish/schemas"
)

// Call is an attempt to do something at a BMC, with a context and with words for errors. Call implements gofish's
// client, whose methods have no context.
type Call struct {
	ctx   context.Context
	conn  *Conn
	doing string
}

// Call begins an attempt; doing names the attempt in errors.
func (c *Conn) Call(ctx context.Context, doing string) Call {
	return Call{ctx: ctx, conn: c, doing: doing}
}

// ResolveLink turns a link of a document into a path on the BMC. A link to a different host is an error.
func (call Call) ResolveLink(link string) (string, error) {
	at, err := call.conn.resolveLink(link)
	if err != nil {
		return "", call.ProtocolError(err)
	}
	return at, nil
}

// Over reports whether the caller's context has ended.
func (call Call) Over() bool { return call.ctx.Err() != nil }

// ReadRoot gives the service root, which is read once.
func (call Call) ReadRoot() (*Root, error) { return call.conn.serviceRoot(call.ctx, call.doing) }

// ProtocolError is the error for an answer that cannot be used.
func (call Call) ProtocolError(err error) *Error { return call.conn.protocolError(call.doing, 0, err) }

// RefusedError is the error for a BMC that cannot or will not; hint says what a person can do.
func (call Call) RefusedError(detail, hint string) *Error {
	e := call.ProtocolError(errors.New(detail))
	e.Kind, e.Hint = Refused, hint
	return e
}

// TemporaryError is a RefusedError for a state that may soon be different.
func (call Call) TemporaryError(detail, hint string) *Error {
	e := call.RefusedError(detail, hint)
	e.Temporary = true
	return e
}

var _ schemas.Client = Call{}

func (call Call) sendCall(method, link string, payload any, headers map[string]string) (*http.Response, error) {
	at, err := call.conn.resolveLink(link)
	if err != nil {
		return nil, call.conn.protocolError(call.doing, 0, err)
	}
	if fence := call.conn.config.Fence; fence != nil && method != http.MethodGet {
		if err := fence(); err != nil {
			return nil, &Error{Kind: NotSent, Doing: call.doing, Host: call.conn.base.Host, Detail: err.Error(),
				Temporary: true, Hint: "it is tried again while this daemon runs the fleet", cause: err}
		}
	}
	got, err := call.conn.doAuthenticated(call.ctx,
		request{method: method, path: at, body: payload, ifMatch: headers["If-Match"], doing: call.doing})
	if err != nil {
		return nil, err
	}
	return &http.Response{StatusCode: got.status, Header: got.header, Body: io.NopCloser(bytes.NewReader(got.body))},
		nil
}

// GetSettings implements schemas.Client.
func (call Call) GetSettings() schemas.ClientSettings { return schemas.ClientSettings{} }

// Get implements schemas.Client.
func (call Call) Get(link string) (*http.Response, error) {
	return call.sendCall(http.MethodGet, link, nil, nil)
}

// GetWithHeaders implements schemas.Client.
func (call Call) GetWithHeaders(link string, headers map[string]string) (*http.Response, error) {
	return call.sendCall(http.MethodGet, link, nil, headers)
}

// Post implements schemas.Client.
func (call Call) Post(link string, payload any) (*http.Response, error) {
	return call.sendCall(http.MethodPost, link, payload, nil)
}

// PostWithHeaders implements schemas.Client.
func (call Call) PostWithHeaders(link string, payload any, headers map[string]string) (*http.Response, error) {
	return call.sendCall(http.MethodPost, link, payload, headers)
}

var errMultipart = errors.New("uploads to a BMC are not made")

// PostMultipart implements schemas.Client.
func (call Call) PostMultipart(string, map[string]io.Reader) (*http.Response, error) {
	return nil, errMultipart
}

// PostMultipartWithHeaders implements schemas.Client.
func (call Call) PostMultipartWithHeaders(string, map[string]io.Reader, map[string]string) (*http.Response, error) {
	return nil, errMultipart
}

// Patch implements schemas.Client.
func (call Call) Patch(link string, payload any) (*http.Response, error) {
	return call.sendCall(http.MethodPatch, link, payload, nil)
}

// PatchWithHeaders implements schemas.Client.
func (call Call) PatchWithHeaders(link string, payload any, headers map[string]string) (*http.Response, error) {
	return call.sendCall(http.MethodPatch, link, payload, headers)
}

// Put implements schemas.Client.
func (call Call) Put(link string, payload any) (*http.Response, error) {
	return call.sendCall(http.MethodPut, link, payload, nil)
}

// PutWithHeaders implements schemas.Client.
func (call Call) PutWithHeaders(link string, payload any, headers map[string]string) (*http.Response, error) {
	return call.sendCall(http.MethodPut, link, payload, headers)
}

// Delete implements schemas.Client.
func (call Call) Delete(link string) (*http.Response, error) {
	return call.sendCall(http.MethodDelete, link, nil, nil)
}

// DeleteWithHeaders implements schemas.Client.
func (call Call) DeleteWithHeaders(link string, headers map[string]string) (*http.Response, error) {
	return call.sendCall(http.MethodDelete, link, nil, headers)
}

// Resource is a document: gofish's view, the ETag, and the members that gofish could not read.
type Resource[T any] struct {
	Doc     *T       // gofish's view, or another struct; nil without a document
	Raw     []byte   // as the BMC wrote it
	ETag    string   // as the BMC wrote it; may be empty
	Dropped []string // members that do not have the shape of T
}

// Get reads a resource at a path from ResolveLink.
func Get[T any](call Call, path string) (Resource[T], error) {
	got, err := call.conn.doAuthenticated(call.ctx, request{method: http.MethodGet, path: path, doing: call.doing})
	if err != nil {
		return Resource[T]{}, err
	}
	var raw json.RawMessage
	if err := json.NewDecoder(bytes.NewReader(got.body)).Decode(&raw); err != nil {
		return Resource[T]{}, call.conn.protocolError(call.doing, got.status, errors.New("it is empty"))
	}
	doc, dropped, err := decodeDocument[T](raw)
	if err != nil {
		return Resource[T]{}, call.conn.protocolError(call.doing, got.status, err)
	}
	tag := got.header.Get("ETag")
	if tag == "" {
		var annotated struct {
			ETag string `json:"@odata.etag"`
		}
		_ = json.Unmarshal(raw, &annotated) // an ETag that is no string counts as absent
		tag = annotated.ETag
	}
	return Resource[T]{Doc: doc, Raw: raw, ETag: tag, Dropped: dropped}, nil
}

// decodeDocument reads a document. If the whole does not fit, every member is read alone, and only misshapen members
// are dropped.
func decodeDocument[T any](raw []byte) (doc *T, dropped []string, err error) {
	doc = new(T)
	if json.Unmarshal(raw, doc) == nil {
		return doc, nil, nil
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(raw, &members); err != nil {
		return nil, nil, errors.New("it is no JSON object")
	}
	for name, value := range members {
		alone, err := json.Marshal(map[string]json.RawMessage{name: value})
		if err != nil || json.Unmarshal(alone, new(T)) != nil {
			dropped = append(dropped, name)
			delete(members, name)
		}
	}
	rest, err := json.Marshal(members)
	if err != nil {
		return nil, nil, errors.New("it cannot be read")
	}
	doc = new(T)
	if err := json.Unmarshal(rest, doc); err != nil {
		return nil, nil, errors.New("it does not have the shape of its schema")
	}
	return doc, dropped, nil
}

// ListMembers lists the paths in a collection, with the following pages, up to MaxMembers.
func (call Call) ListMembers(path string) ([]string, error) {
	var found []string
	for page := 0; path != "" && page < MaxMembers && len(found) < MaxMembers; page++ {
		got, err := Get[schemas.Collection](call, path)
		if err != nil {
			return nil, err
		}
		for _, link := range got.Doc.ItemLinks {
			if link == "" {
				continue // a member without an address
			}
			at, err := call.conn.resolveLink(link)
			if err != nil {
				return nil, call.conn.protocolError(call.doing, 0, err)
			}
			found = append(found, at)
		}
		if path = got.Doc.MembersNextLink; path != "" {
			if path, err = call.conn.resolveLink(path); err != nil {
				return nil, call.conn.protocolError(call.doing, 0, err)
			}
		}
	}
	return found[:min(len(found), MaxMembers)], nil
}
