// Package rules makes a lab's BMC answer as a BMC in a field report does, from data and without code: a list of rules,
// each with requests that the rule is for and with what happens to them. Read parses a list, Set.Put begins to apply
// it, and Set.Wrap puts a Set before a BMC's handler. The list can also be put while the BMC runs:
//
//	PUT /lab/rules    [{"match": {"method": "PATCH", "path": "/redfish/v1/Systems/*", "body": {"Boot": {}}},
//	                    "times": 3, "after": 1,
//	                    "then": {"status": 400, "merge": {}, "header": {}, "delay": "29s", "cut": 120}}]
//	GET /lab/rules    the same list, each rule with "met": how many requests the rule was applied to
//
// The first rule that matches a request and is not used up is applied, and no other. A rule that was never met proves
// nothing: a test that puts rules checks Set.Unmet at its end.
package rules

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"path"
	"strings"
	"sync"
	"time"
)

// Rule changes the answers to some requests.
type Rule struct {
	Match Match `json:"match"`
	// Times is how many requests the rule is applied to; 0 is all.
	Times int `json:"times,omitempty"`
	// After is how many matching requests pass before the rule is applied for the first time.
	After int  `json:"after,omitempty"`
	Then  Then `json:"then"`
}

// Match says which requests a rule is for. An empty Match is for all.
type Match struct {
	Method string `json:"method,omitempty"` // empty: any
	// Path is the request's path, without a slash at its end; * stands for any characters but a slash. Empty: any.
	Path string `json:"path,omitempty"`
	// Body is a part of the request's document: each member must be there with the same value; {} matches any object.
	Body map[string]any `json:"body,omitempty"`
}

// Then is what happens to a request. With a Status the request is not carried out: the answer is the Status with Merge
// as its document. Without a Status the request is carried out, and Merge is merged into the answer's document.
type Then struct {
	Status int `json:"status,omitempty"`
	// Merge is a JSON merge patch (RFC 7396): null takes a member away.
	Merge  map[string]any    `json:"merge,omitempty"`
	Header map[string]string `json:"header,omitempty"`
	Delay  Delay             `json:"delay,omitempty"` // before the request is carried out
	// Cut closes the connection after so many bytes of the document, although Content-Length promises all of it.
	Cut *int `json:"cut,omitempty"`
}

// Delay is a duration that is written as Go writes it, for example "29s".
type Delay time.Duration

// MarshalJSON implements json.Marshaler.
func (d Delay) MarshalJSON() ([]byte, error) { return json.Marshal(time.Duration(d).String()) }

// UnmarshalJSON implements json.Unmarshaler.
func (d *Delay) UnmarshalJSON(text []byte) error {
	var said string
	if err := json.Unmarshal(text, &said); err != nil {
		return errors.New(`a delay is a text such as "29s"`)
	}
	read, err := time.ParseDuration(said)
	if err != nil || read < 0 {
		return fmt.Errorf(`the delay %q is none: write it as "29s"`, said)
	}
	*d = Delay(read)
	return nil
}

// State is a rule with the number of requests that it was applied to.
type State struct {
	Rule
	Met int `json:"met"`
}

// Read parses a JSON list of rules. Unknown members are refused; the error names the rule.
func Read(text []byte) ([]Rule, error) {
	var parts []json.RawMessage
	if err := json.Unmarshal(text, &parts); err != nil {
		return nil, fmt.Errorf("rules: no JSON list: %w", err)
	}
	list := make([]Rule, len(parts))
	for i, part := range parts {
		decoder := json.NewDecoder(bytes.NewReader(part))
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(&list[i]); err != nil {
			return nil, fmt.Errorf("rules: rule %d: %w", i+1, err)
		}
		if err := list[i].checkRule(); err != nil {
			return nil, fmt.Errorf("rules: rule %d: %w", i+1, err)
		}
	}
	return list, nil
}

func (r Rule) checkRule() error {
	_, badPath := path.Match(r.Match.Path, "/")
	switch then := r.Then; {
	case badPath != nil:
		return fmt.Errorf("match.path %q is no pattern", r.Match.Path)
	case r.Times < 0 || r.After < 0:
		return errors.New("times and after are 0 or more")
	case then.Status != 0 && (then.Status < 200 || then.Status > 599):
		return fmt.Errorf("then.status %d is no final HTTP status", then.Status)
	case then.Cut != nil && *then.Cut < 0:
		return errors.New("then.cut is 0 or more")
	case then.Status == 0 && then.Merge == nil && then.Header == nil && then.Delay == 0 && then.Cut == nil:
		return errors.New("then is empty: the rule changes nothing")
	}
	return nil
}

// matchesRequest reports whether the rule is for a request with a document.
func (m Match) matchesRequest(method, at string, body []byte) bool {
	if m.Method != "" && !strings.EqualFold(m.Method, method) {
		return false
	}
	if m.Path != "" {
		if same, err := path.Match(trimSlash(m.Path), trimSlash(at)); err != nil || !same {
			return false
		}
	}
	if m.Body == nil {
		return true
	}
	var document any
	return json.Unmarshal(body, &document) == nil && containsPart(document, m.Body)
}

func trimSlash(at string) string {
	if at == "/" {
		return at
	}
	return strings.TrimSuffix(at, "/")
}

// containsPart reports whether all of a part is in a document.
func containsPart(document, part any) bool {
	wanted, object := part.(map[string]any)
	if !object {
		return equalJSON(document, part)
	}
	members, object := document.(map[string]any)
	if !object {
		return false
	}
	for name, value := range wanted {
		have, there := members[name]
		if !there || !containsPart(have, value) {
			return false
		}
	}
	return true
}

func equalJSON(a, b any) bool {
	one, failed := json.Marshal(a)
	other, alsoFailed := json.Marshal(b)
	return failed == nil && alsoFailed == nil && bytes.Equal(one, other)
}

// Merge applies a JSON merge patch (RFC 7396) to a document and returns the result; the document is not changed.
func Merge(document any, patch any) any {
	changes, object := patch.(map[string]any)
	if !object {
		return patch
	}
	merged := map[string]any{}
	if members, object := document.(map[string]any); object {
		for name, value := range members {
			merged[name] = value
		}
	}
	for name, value := range changes {
		if value == nil {
			delete(merged, name)
			continue
		}
		merged[name] = Merge(merged[name], value)
	}
	return merged
}

// Set is the rules of one BMC. Its methods may be called from several goroutines; the zero Set has no rules.
type Set struct {
	mu    sync.Mutex
	rules []State
	seen  []int // matching requests so far, by rule
}

// Put replaces the rules; counts begin anew.
func (s *Set) Put(list []Rule) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rules, s.seen = make([]State, len(list)), make([]int, len(list))
	for i, rule := range list {
		s.rules[i].Rule = rule
	}
}

// List returns the rules with their counts.
func (s *Set) List() []State {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]State{}, s.rules...)
}

// Unmet returns the rules that were applied to no request.
func (s *Set) Unmet() []Rule {
	var unmet []Rule
	for _, state := range s.List() {
		if state.Met == 0 {
			unmet = append(unmet, state.Rule)
		}
	}
	return unmet
}

// chooseRule finds the rule for a request and counts it.
func (s *Set) chooseRule(r *http.Request, body []byte) (Then, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.rules {
		rule := &s.rules[i]
		if rule.Times > 0 && rule.Met >= rule.Times || !rule.Match.matchesRequest(r.Method, r.URL.Path, body) {
			continue
		}
		if s.seen[i]++; s.seen[i] <= rule.After {
			continue
		}
		rule.Met++
		return rule.Then, true
	}
	return Then{}, false
}
