package rules_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitmetal/ingot/internal/lab/rules"
)

// serve starts a BMC that answers every request with a document, behind rules; done counts what was carried out.
func serve(t *testing.T) (set *rules.Set, url string, done func() int) {
	t.Helper()
	set = &rules.Set{}
	count := 0
	server := httptest.NewServer(set.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		count++
		w.Header().Set("ETag", `"1"`)
		_, _ = io.WriteString(w, `{"Id":"1","Boot":{"Target":"None","Enabled":"Disabled"}}`)
	})))
	t.Cleanup(server.Close)
	return set, server.URL, func() int { return count }
}

func send(t *testing.T, method, url, body string) (status int, said string, header http.Header) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		text = append(text, " ("+err.Error()+")"...)
	}
	return response.StatusCode, string(text), response.Header
}

// TestTheShapeOfTheContract puts the example of the package's documentation over HTTP.
func TestTheShapeOfTheContract(t *testing.T) {
	t.Parallel()
	_, url, done := serve(t)
	const list = `[{"match": {"method": "PATCH", "path": "/redfish/v1/Systems/*", "body": {"Boot": {}}},
		"times": 3, "after": 1, "then": {"status": 400, "merge": {"error": {"code": "x"}}, "header": {"X-Lab": "1"},
		"delay": "1ms", "cut": 12}}]`
	if status, said, _ := send(t, "PUT", url+rules.Address, list); status != http.StatusNoContent {
		t.Fatalf("PUT = %d %s", status, said)
	}
	at, body := url+"/redfish/v1/Systems/1", `{"Boot":{"Target":"Cd"}}`
	for _, request := range []struct{ method, at, body string }{
		{"PATCH", at, body}, // after: 1
		{"GET", at, ""}, {"PATCH", at + "/Settings", body}, {"PATCH", at, `{"AssetTag":"x"}`},
	} {
		if status, said, _ := send(t, request.method, request.at, request.body); status != http.StatusOK {
			t.Errorf("%v = %d %s, want it carried out", request, status, said)
		}
	}
	for range 3 {
		status, said, header := send(t, "PATCH", at, body)
		if status != 400 || said != `{"error":{"c (unexpected EOF)` || header.Get("X-Lab") != "1" {
			t.Errorf("PATCH = %d %q %v", status, said, header)
		}
	}
	if status, _, _ := send(t, "PATCH", at, body); status != http.StatusOK || done() != 5 {
		t.Errorf("after three times: %d, %d carried out, want 200 and 5", status, done())
	}
	var listed []rules.State
	_, said, _ := send(t, "GET", url+rules.Address, "")
	if json.Unmarshal([]byte(said), &listed) != nil || listed[0].Met != 3 {
		t.Errorf("GET = %s", said)
	}
}

func TestTheFirstRuleWinsAndTheUnmetAreNamed(t *testing.T) {
	t.Parallel()
	set, url, done := serve(t)
	list, err := rules.Read([]byte(`[
		{"match": {"method": "GET", "path": "/a"}, "times": 1,
			"then": {"merge": {"Boot": {"Target": "Cd", "Enabled": null}}}},
		{"match": {"path": "/a"}, "then": {"status": 204}},
		{"match": {"path": "/b"}, "then": {"status": 503}}]`))
	if err != nil {
		t.Fatal(err)
	}
	set.Put(list)
	if status, said, _ := send(t, "GET", url+"/a/", ""); status != 200 || said != `{"Boot":{"Target":"Cd"},"Id":"1"}` {
		t.Errorf("first: %d %s", status, said)
	}
	if status, said, _ := send(t, "GET", url+"/a", ""); status != 204 || said != "" || done() != 1 {
		t.Errorf("second: %d %s, %d carried out", status, said, done())
	}
	if diff := cmp.Diff(list[2:], set.Unmet()); diff != "" {
		t.Errorf("Unmet (-want +got):\n%s", diff)
	}
}

func TestRulesThatAreNone(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`{}`:                                             "no JSON list",
		`[{"then":{"status":204}},{"when":{}}]`:          `rule 2: json: unknown field "when"`,
		`[{"match":{}}]`:                                 "changes nothing",
		`[{"then":{"status":99}}]`:                       "no final HTTP status",
		`[{"then":{"delay":"soon"}}]`:                    `the delay "soon" is none`,
		`[{"then":{"delay":5}}]`:                         `such as "29s"`,
		`[{"then":{"cut":-1}}]`:                          "then.cut",
		`[{"times":-1,"then":{"status":204}}]`:           "times and after",
		`[{"match":{"path":"["},"then":{"status":204}}]`: "no pattern",
	} {
		if _, err := rules.Read([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Read(%s) = %v, want %q", text, err, want)
		}
	}
}
