package bmc_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitmetal/ingot/internal/lab/bmc"
	"github.com/gitmetal/ingot/internal/lab/rules"
)

const (
	system = "/redfish/v1/Systems/1"
	slot   = "/redfish/v1/Managers/1/VirtualMedia/Cd"
	reset  = system + "/Actions/ComputerSystem.Reset"
)

type call struct {
	method, path, body string
	header             map[string]string
	anonymous          bool
}

// do sends one request straight into the handler and returns the answer with its JSON.
func do(t *testing.T, b *bmc.BMC, c call) (*httptest.ResponseRecorder, map[string]any) {
	t.Helper()
	request := httptest.NewRequestWithContext(t.Context(), c.method, c.path, strings.NewReader(c.body))
	if !c.anonymous {
		request.SetBasicAuth("admin", "correct horse")
	}
	for name, value := range c.header {
		request.Header.Set(name, value)
	}
	recorder := httptest.NewRecorder()
	b.Handler().ServeHTTP(recorder, request)
	var doc map[string]any
	if recorder.Body.Len() > 0 {
		if err := json.Unmarshal(recorder.Body.Bytes(), &doc); err != nil {
			t.Fatalf("%s %s answered %q: %v", c.method, c.path, recorder.Body, err)
		}
	}
	return recorder, doc
}

func wantStatus(t *testing.T, b *bmc.BMC, c call, want int) map[string]any {
	t.Helper()
	response, doc := do(t, b, c)
	if response.Code != want {
		t.Fatalf("%s %s %s = %d %v, want %d", c.method, c.path, c.body, response.Code, doc, want)
	}
	return doc
}

func TestEveryLinkedResourceAnswers(t *testing.T) {
	t.Parallel()
	b, _ := newBMC(t, bmc.Faults{MediaUnder: bmc.UnderBoth})
	seen := map[string]bool{}
	var visit func(at string)
	visit = func(at string) {
		if seen[at] {
			return
		}
		seen[at] = true
		doc := wantStatus(t, b, call{method: "GET", path: at}, http.StatusOK)
		if got := strings.TrimSuffix(doc["@odata.id"].(string), "/"); got != strings.TrimSuffix(at, "/") {
			t.Errorf("GET %s has @odata.id %q", at, got)
		}
		for _, next := range links(doc) {
			visit(next)
		}
	}
	visit("/redfish/v1/")
	if len(seen) < 20 {
		t.Errorf("found %d resources from the root, want at least 20: %v", len(seen), seen)
	}
}

func links(value any) []string {
	var found []string
	switch value := value.(type) {
	case map[string]any:
		for name, member := range value {
			if at, ok := member.(string); ok && name == "@odata.id" {
				found = append(found, at)
			}
			found = append(found, links(member)...)
		}
	case []any:
		for _, member := range value {
			found = append(found, links(member)...)
		}
	}
	return found
}

func TestInstallSequence(t *testing.T) {
	t.Parallel()
	b, m := newBMC(t, bmc.Faults{})
	wantStatus(t, b, call{method: "POST", path: slot + "/Actions/VirtualMedia.InsertMedia", body: `{"Image":"http://10.0.2.2/a.iso"}`}, 204)
	wantStatus(t, b, call{method: "POST", path: slot + "/Actions/VirtualMedia.InsertMedia", body: `{"Image":"http://10.0.2.2/b.iso"}`}, 409)
	wantStatus(t, b, call{method: "PATCH", path: system, body: `{"Boot":{"BootSourceOverrideTarget":"Cd","BootSourceOverrideEnabled":"Continuous"}}`}, 200)
	wantStatus(t, b, call{method: "POST", path: reset, body: `{"ResetType":"On"}`}, 204)
	wantStatus(t, b, call{method: "POST", path: reset, body: `{"ResetType":"On"}`}, 409)
	m.end(bmc.Exit{Cause: bmc.Rebooted})
	eventually(t, b, "the second pass", func() bool { return b.Log().Counts().CDStarts == 2 })
	m.end(bmc.Exit{Cause: bmc.PoweredOff})
	eventually(t, b, "the machine's own power-off", func() bool { return !b.On() })
	doc := wantStatus(t, b, call{method: "GET", path: system}, 200)
	if doc["PowerState"] != "Off" {
		t.Errorf("PowerState = %v after the machine powered itself off", doc["PowerState"])
	}
	wantStatus(t, b, call{method: "POST", path: slot + "/Actions/VirtualMedia.EjectMedia", body: `{}`}, 204)
	wantStatus(t, b, call{method: "PATCH", path: system, body: `{"Boot":{"BootSourceOverrideEnabled":"Disabled"}}`}, 200)
	wantStatus(t, b, call{method: "POST", path: reset, body: `{"ResetType":"On"}`}, 204)
	want := []string{
		"insert http://10.0.2.2/a.iso", "override Cd/Continuous", "power-on", "start cd", "exit rebooted", "start cd", "exit powered-off",
		"eject http://10.0.2.2/a.iso", "override None/Disabled", "power-on", "start disk",
	}
	if diff := cmp.Diff(want, b.Log().Story()); diff != "" {
		t.Errorf("story (-want +got):\n%s", diff)
	}
	boots := []bmc.Boot{{From: bmc.FromCD, MediaURL: "http://10.0.2.2/a.iso"}, {From: bmc.FromCD, MediaURL: "http://10.0.2.2/a.iso"}, {From: bmc.FromDisk}}
	if diff := cmp.Diff(boots, m.boots); diff != "" {
		t.Errorf("boots (-want +got):\n%s", diff)
	}
}

func TestOnceIsConsumedAtTheStart(t *testing.T) {
	t.Parallel()
	b, m := newBMC(t, bmc.Faults{})
	wantStatus(t, b, call{method: "POST", path: slot + "/Actions/VirtualMedia.InsertMedia", body: `{"Image":"http://h/a.iso"}`}, 204)
	wantStatus(t, b, call{method: "PATCH", path: system, body: `{"Boot":{"BootSourceOverrideTarget":"Cd","BootSourceOverrideEnabled":"Once"}}`}, 200)
	wantStatus(t, b, call{method: "POST", path: reset, body: `{"ResetType":"On"}`}, 204)
	if got := b.Override(); got.Enabled != "Disabled" || got.Target != "None" {
		t.Errorf("override after the start = %+v, want it consumed", got)
	}
	wantStatus(t, b, call{method: "POST", path: reset, body: `{"ResetType":"ForceRestart"}`}, 204)
	eventually(t, b, "the restart", func() bool { return b.Log().Counts().DiskStarts == 1 })
	if got := m.boots[1]; got.From != bmc.FromDisk || got.MediaURL != "http://h/a.iso" {
		t.Errorf("second boot = %+v, want from disk with the medium attached", got)
	}
	wantStatus(t, b, call{method: "POST", path: slot + "/Actions/VirtualMedia.EjectMedia", body: `{}`}, 204)
	if got := b.Log().Counts(); got.EjectsWhileOn != 1 || got.Restarts != 1 {
		t.Errorf("counts = %+v, want one eject while on and one restart", got)
	}
}

func TestPowerActionsThatDoNotApply(t *testing.T) {
	t.Parallel()
	b, m := newBMC(t, bmc.Faults{PowerOnConflicts: 1})
	for _, how := range []string{"ForceOff", "GracefulShutdown", "ForceRestart"} {
		wantStatus(t, b, call{method: "POST", path: reset, body: `{"ResetType":"` + how + `"}`}, 409)
	}
	wantStatus(t, b, call{method: "POST", path: reset, body: `{"ResetType":"Nmi"}`}, 400)
	wantStatus(t, b, call{method: "POST", path: reset, body: `{"ResetType":"On"}`}, 204)
	m.end(bmc.Exit{Cause: bmc.PowerLost})
	eventually(t, b, "the power loss", func() bool { return !b.On() })
	doc := wantStatus(t, b, call{method: "POST", path: reset, body: `{"ResetType":"On"}`}, 409)
	info := doc["error"].(map[string]any)["@Message.ExtendedInfo"].([]any)[0].(map[string]any)
	if info["MessageId"] != "Base.1.18.ActionParameterValueConflict" {
		t.Errorf("message id = %v", info["MessageId"])
	}
	wantStatus(t, b, call{method: "POST", path: reset, body: `{"ResetType":"On"}`}, 204)
}

func TestETags(t *testing.T) {
	t.Parallel()
	b, _ := newBMC(t, bmc.Faults{})
	response, doc := do(t, b, call{method: "GET", path: system})
	tag := response.Header().Get("ETag")
	if tag == "" || doc["@odata.etag"] != tag {
		t.Fatalf("ETag header %q, member %v", tag, doc["@odata.etag"])
	}
	wantStatus(t, b, call{method: "GET", path: system, header: map[string]string{"If-None-Match": tag}}, 304)
	patch := call{method: "PATCH", path: system, body: `{"Boot":{"BootSourceOverrideTarget":"Hdd","BootSourceOverrideEnabled":"Once"}}`}
	patch.header = map[string]string{"If-Match": `"old"`}
	wantStatus(t, b, patch, 412)
	patch.header = map[string]string{"If-Match": tag}
	wantStatus(t, b, patch, 200)
	wantStatus(t, b, patch, 412)
}

func TestAccountsAndSessions(t *testing.T) {
	t.Parallel()
	b, _ := newBMC(t, bmc.Faults{})
	wantStatus(t, b, call{method: "GET", path: "/redfish/v1/", anonymous: true}, 200)
	wantStatus(t, b, call{method: "GET", path: system, anonymous: true}, 401)
	login := call{method: "POST", path: "/redfish/v1/SessionService/Sessions", body: `{"UserName":"admin","Password":"correct horse"}`, anonymous: true}
	first, _ := do(t, b, login)
	wantStatus(t, b, login, 201)
	wantStatus(t, b, login, 503)
	with := map[string]string{"X-Auth-Token": first.Header().Get("X-Auth-Token")}
	wantStatus(t, b, call{method: "GET", path: system, anonymous: true, header: with}, 200)
	wantStatus(t, b, call{method: "DELETE", path: first.Header().Get("Location"), anonymous: true, header: with}, 204)
	wantStatus(t, b, call{method: "GET", path: system, anonymous: true, header: with}, 401)
	wrong := login
	wrong.body = `{"UserName":"admin","Password":"battery staple"}`
	wantStatus(t, b, wrong, 401)
	if got := b.Log().Counts(); got.Logins != 2 || got.RefusedLogins != 1 || got.Writes != 0 {
		t.Errorf("counts = %+v, want 2 logins, 1 refused, 0 writes", got)
	}
}

func TestResetAsTask(t *testing.T) {
	t.Parallel()
	b, _ := newBMC(t, bmc.Faults{ResetAsTask: true, TaskPolls: 1})
	response, doc := do(t, b, call{method: "POST", path: reset, body: `{"ResetType":"On"}`})
	if response.Code != http.StatusAccepted || doc["TaskState"] != "Running" {
		t.Fatalf("reset = %d %v, want 202 and a running task", response.Code, doc)
	}
	monitor := call{method: "GET", path: response.Header().Get("Location")}
	wantStatus(t, b, monitor, 202)
	wantStatus(t, b, monitor, 204)
	if task := wantStatus(t, b, call{method: "GET", path: doc["@odata.id"].(string)}, 200); task["TaskState"] != "Completed" {
		t.Errorf("task = %v, want Completed", task["TaskState"])
	}
}

// TestRulesChangeAnswers: rules are put over HTTP without an account, and what a rule answers is counted and not carried out.
func TestRulesChangeAnswers(t *testing.T) {
	t.Parallel()
	b, _ := newBMC(t, bmc.Faults{})
	server := httptest.NewServer(b.Handler())
	defer server.Close()
	send := func(method, path, body string) int {
		t.Helper()
		request, err := http.NewRequestWithContext(t.Context(), method, server.URL+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		request.SetBasicAuth("admin", "correct horse")
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		return response.StatusCode
	}
	const list = `[{"match": {"method": "POST", "path": "/redfish/v1/Systems/1/Actions/*"}, "times": 1, "then": {"status": 204}}]`
	if got := send("PUT", rules.Address, list); got != http.StatusNoContent {
		t.Fatalf("PUT = %d", got)
	}
	reset := func() int {
		return send("POST", "/redfish/v1/Systems/1/Actions/ComputerSystem.Reset", `{"ResetType":"On"}`)
	}
	if got := reset(); got != http.StatusNoContent || b.On() {
		t.Errorf("the rule answers %d, on %t", got, b.On())
	}
	if got := reset(); got != http.StatusNoContent || !b.On() {
		t.Errorf("after the rule: %d, on %t", got, b.On())
	}
	if counts := b.Log().Counts(); counts.Requests != 2 || counts.Writes != 2 || len(b.Rules().Unmet()) != 0 {
		t.Errorf("counts = %+v, unmet %v", counts, b.Rules().Unmet())
	}
}
