package redfish

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"

	"github.com/stmcginnis/gofish/schemas"
)

// wire lets gofish speak through a Client, for one call of ours: its interface has no context, so wire carries it.
type wire struct {
	ctx    context.Context
	client *Client
	doing  string
}

var _ schemas.Client = wire{}

func (w wire) send(method, link string, payload any, headers map[string]string) (*http.Response, error) {
	at, err := w.client.resolve(link)
	if err != nil {
		return nil, w.client.protocol(w.doing, 0, err)
	}
	got, err := w.client.do(w.ctx, request{method: method, path: at, body: payload, ifMatch: headers["If-Match"], doing: w.doing})
	if err != nil {
		return nil, err
	}
	return &http.Response{StatusCode: got.status, Header: got.header, Body: io.NopCloser(bytes.NewReader(got.body))}, nil
}

// GetSettings implements schemas.Client.
func (w wire) GetSettings() schemas.ClientSettings { return schemas.ClientSettings{} }

// Get implements schemas.Client.
func (w wire) Get(link string) (*http.Response, error) {
	return w.send(http.MethodGet, link, nil, nil)
}

// GetWithHeaders implements schemas.Client.
func (w wire) GetWithHeaders(link string, headers map[string]string) (*http.Response, error) {
	return w.send(http.MethodGet, link, nil, headers)
}

// Post implements schemas.Client.
func (w wire) Post(link string, payload any) (*http.Response, error) {
	return w.send(http.MethodPost, link, payload, nil)
}

// PostWithHeaders implements schemas.Client.
func (w wire) PostWithHeaders(link string, payload any, headers map[string]string) (*http.Response, error) {
	return w.send(http.MethodPost, link, payload, headers)
}

var errMultipart = errors.New("uploads to a BMC are not made")

// PostMultipart implements schemas.Client.
func (w wire) PostMultipart(string, map[string]io.Reader) (*http.Response, error) {
	return nil, errMultipart
}

// PostMultipartWithHeaders implements schemas.Client.
func (w wire) PostMultipartWithHeaders(string, map[string]io.Reader, map[string]string) (*http.Response, error) {
	return nil, errMultipart
}

// Patch implements schemas.Client.
func (w wire) Patch(link string, payload any) (*http.Response, error) {
	return w.send(http.MethodPatch, link, payload, nil)
}

// PatchWithHeaders implements schemas.Client.
func (w wire) PatchWithHeaders(link string, payload any, headers map[string]string) (*http.Response, error) {
	return w.send(http.MethodPatch, link, payload, headers)
}

// Put implements schemas.Client.
func (w wire) Put(link string, payload any) (*http.Response, error) {
	return w.send(http.MethodPut, link, payload, nil)
}

// PutWithHeaders implements schemas.Client.
func (w wire) PutWithHeaders(link string, payload any, headers map[string]string) (*http.Response, error) {
	return w.send(http.MethodPut, link, payload, headers)
}

// Delete implements schemas.Client.
func (w wire) Delete(link string) (*http.Response, error) {
	return w.send(http.MethodDelete, link, nil, nil)
}

// DeleteWithHeaders implements schemas.Client.
func (w wire) DeleteWithHeaders(link string, headers map[string]string) (*http.Response, error) {
	return w.send(http.MethodDelete, link, nil, headers)
}

// resource is one document: gofish's view of it, its ETag, and the members that gofish could not read.
type resource[T any] struct {
	doc     *T
	raw     []byte
	etag    string
	dropped []string
}

// get reads one resource.
func get[T any](w wire, path string) (resource[T], error) {
	got, err := w.client.do(w.ctx, request{method: http.MethodGet, path: path, doing: w.doing})
	if err != nil {
		return resource[T]{}, err
	}
	var raw json.RawMessage
	if err := json.NewDecoder(bytes.NewReader(got.body)).Decode(&raw); err != nil {
		return resource[T]{}, w.client.protocol(w.doing, got.status, errors.New("it is empty"))
	}
	doc, dropped, err := decode[T](raw)
	if err != nil {
		return resource[T]{}, w.client.protocol(w.doing, got.status, err)
	}
	tag := got.header.Get("ETag")
	if tag == "" {
		var annotated struct {
			ETag string `json:"@odata.etag"`
		}
		_ = json.Unmarshal(raw, &annotated) // an ETag that is no text is none
		tag = annotated.ETag
	}
	return resource[T]{doc: doc, raw: raw, etag: tag, dropped: dropped}, nil
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

// members lists the paths in a collection, the next pages included, up to maxMembers.
func (w wire) members(path string) ([]string, error) {
	var found []string
	for page := 0; path != "" && page < maxMembers && len(found) < maxMembers; page++ {
		got, err := get[schemas.Collection](w, path)
		if err != nil {
			return nil, err
		}
		for _, link := range got.doc.ItemLinks {
			if link == "" {
				continue // a member without an address
			}
			at, err := w.client.resolve(link)
			if err != nil {
				return nil, w.client.protocol(w.doing, 0, err)
			}
			found = append(found, at)
		}
		if path = got.doc.MembersNextLink; path != "" {
			if path, err = w.client.resolve(path); err != nil {
				return nil, w.client.protocol(w.doing, 0, err)
			}
		}
	}
	return found[:min(len(found), maxMembers)], nil
}
