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

// Call is one thing attempted with a BMC, under a context and with words for its errors. It implements gofish's client, whose
// methods have no context.
type Call struct {
	ctx   context.Context
	conn  *Conn
	doing string
}

// Call begins to attempt something; doing says what, for errors.
func (c *Conn) Call(ctx context.Context, doing string) Call {
	return Call{ctx: ctx, conn: c, doing: doing}
}

// Resolve turns a link of a document into a path on the BMC. A link to anywhere else is an error.
func (call Call) Resolve(link string) (string, error) {
	at, err := call.conn.resolve(link)
	if err != nil {
		return "", call.Protocol(err)
	}
	return at, nil
}

// Root is the service root, read once.
func (call Call) Root() (*Root, error) { return call.conn.serviceRoot(call.ctx, call.doing) }

// Protocol is the error for an answer that cannot be used.
func (call Call) Protocol(err error) *Error { return call.conn.protocol(call.doing, 0, err) }

// Refused is the error for a BMC that cannot or will not; hint says what a person can do.
func (call Call) Refused(detail, hint string) *Error {
	e := call.Protocol(errors.New(detail))
	e.Kind, e.Hint = Refused, hint
	return e
}

// NotYet is Refused for what may be otherwise a little later.
func (call Call) NotYet(detail, hint string) *Error {
	e := call.Refused(detail, hint)
	e.Temporary = true
	return e
}

var _ schemas.Client = Call{}

func (call Call) send(method, link string, payload any, headers map[string]string) (*http.Response, error) {
	at, err := call.conn.resolve(link)
	if err != nil {
		return nil, call.conn.protocol(call.doing, 0, err)
	}
	got, err := call.conn.do(call.ctx, request{method: method, path: at, body: payload, ifMatch: headers["If-Match"], doing: call.doing})
	if err != nil {
		return nil, err
	}
	return &http.Response{StatusCode: got.status, Header: got.header, Body: io.NopCloser(bytes.NewReader(got.body))}, nil
}

// GetSettings implements schemas.Client.
func (call Call) GetSettings() schemas.ClientSettings { return schemas.ClientSettings{} }

// Get implements schemas.Client.
func (call Call) Get(link string) (*http.Response, error) {
	return call.send(http.MethodGet, link, nil, nil)
}

// GetWithHeaders implements schemas.Client.
func (call Call) GetWithHeaders(link string, headers map[string]string) (*http.Response, error) {
	return call.send(http.MethodGet, link, nil, headers)
}

// Post implements schemas.Client.
func (call Call) Post(link string, payload any) (*http.Response, error) {
	return call.send(http.MethodPost, link, payload, nil)
}

// PostWithHeaders implements schemas.Client.
func (call Call) PostWithHeaders(link string, payload any, headers map[string]string) (*http.Response, error) {
	return call.send(http.MethodPost, link, payload, headers)
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
	return call.send(http.MethodPatch, link, payload, nil)
}

// PatchWithHeaders implements schemas.Client.
func (call Call) PatchWithHeaders(link string, payload any, headers map[string]string) (*http.Response, error) {
	return call.send(http.MethodPatch, link, payload, headers)
}

// Put implements schemas.Client.
func (call Call) Put(link string, payload any) (*http.Response, error) {
	return call.send(http.MethodPut, link, payload, nil)
}

// PutWithHeaders implements schemas.Client.
func (call Call) PutWithHeaders(link string, payload any, headers map[string]string) (*http.Response, error) {
	return call.send(http.MethodPut, link, payload, headers)
}

// Delete implements schemas.Client.
func (call Call) Delete(link string) (*http.Response, error) {
	return call.send(http.MethodDelete, link, nil, nil)
}

// DeleteWithHeaders implements schemas.Client.
func (call Call) DeleteWithHeaders(link string, headers map[string]string) (*http.Response, error) {
	return call.send(http.MethodDelete, link, nil, headers)
}

// resource is one document: gofish's view of it, its ETag, and the members that gofish could not read.
type Resource[T any] struct {
	Doc     *T       // gofish's view of it, or another; nil when there is none
	Raw     []byte   // as the BMC wrote it
	ETag    string   // as the BMC wrote it; may be empty
	Dropped []string // members that do not have the shape of T
}

// Get reads one resource at a path that Resolve gave.
func Get[T any](call Call, path string) (Resource[T], error) {
	got, err := call.conn.do(call.ctx, request{method: http.MethodGet, path: path, doing: call.doing})
	if err != nil {
		return Resource[T]{}, err
	}
	var raw json.RawMessage
	if err := json.NewDecoder(bytes.NewReader(got.body)).Decode(&raw); err != nil {
		return Resource[T]{}, call.conn.protocol(call.doing, got.status, errors.New("it is empty"))
	}
	doc, dropped, err := decode[T](raw)
	if err != nil {
		return Resource[T]{}, call.conn.protocol(call.doing, got.status, err)
	}
	tag := got.header.Get("ETag")
	if tag == "" {
		var annotated struct {
			ETag string `json:"@odata.etag"`
		}
		_ = json.Unmarshal(raw, &annotated) // an ETag that is no text is none
		tag = annotated.ETag
	}
	return Resource[T]{Doc: doc, Raw: raw, ETag: tag, Dropped: dropped}, nil
}

// decode reads a document, member by member when it does not fit as a whole, so that one misshapen member costs only itself.
func decode[T any](raw []byte) (doc *T, dropped []string, err error) {
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

// Members lists the paths in a collection, the next pages included, up to MaxMembers.
func (call Call) Members(path string) ([]string, error) {
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
			at, err := call.conn.resolve(link)
			if err != nil {
				return nil, call.conn.protocol(call.doing, 0, err)
			}
			found = append(found, at)
		}
		if path = got.Doc.MembersNextLink; path != "" {
			if path, err = call.conn.resolve(path); err != nil {
				return nil, call.conn.protocol(call.doing, 0, err)
			}
		}
	}
	return found[:min(len(found), MaxMembers)], nil
}
