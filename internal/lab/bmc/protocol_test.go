package bmc_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/gitmetal/ingot/internal/lab/bmc"
)

const (
	accountsAt = "/redfish/v1/AccountService/Accounts"
	volumesAt  = system + "/Storage/1/Volumes"
)

// What DSP0266 asks of every service; DMTF's validators look closer, see TestDMTFValidators.
func TestProtocol(t *testing.T) {
	t.Parallel()
	b, _ := newBMC(t, bmc.Faults{})
	for _, test := range []struct {
		call   call
		status int
		header map[string]string // "*": anything but nothing
		body   string
	}{
		{call{method: "GET", path: "/redfish", anonymous: true}, 200, map[string]string{"Content-Type": "application/json"}, `{"v1":"/redfish/v1/"}` + "\n"},
		{call{method: "HEAD", path: "/redfish/v1/", anonymous: true}, 200, map[string]string{"Allow": "GET, HEAD", "Link": "*", "OData-Version": "4.0", "Cache-Control": "*"}, ""},
		{call{method: "GET", path: "/redfish/v1/odata", anonymous: true}, 200, map[string]string{"Content-Type": "application/json"}, `"@odata.context":"/redfish/v1/$metadata"`},
		{call{method: "GET", path: system, anonymous: true}, 401, map[string]string{"WWW-Authenticate": "*", "Content-Type": "application/json"}, ""},
		{call{method: "GET", path: system}, 200, map[string]string{"Allow": "GET, PATCH, HEAD", "Link": "<http://redfish.dmtf.org/schemas/v1/ComputerSystem.v1_23_1.json>; rel=describedby"}, ""},
		{call{method: "DELETE", path: "/redfish/v1/"}, 405, map[string]string{"Allow": "GET, HEAD"}, "OperationNotAllowed"},
		{call{method: "BREW", path: "/redfish/v1/"}, 405, map[string]string{"Allow": "GET, HEAD"}, ""},
		{call{method: "GET", path: reset}, 405, map[string]string{"Allow": "POST"}, ""},
		{call{method: "GET", path: "/redfish/v1/", header: map[string]string{"OData-Version": "4.1"}}, 412, nil, "HeaderInvalid"},
		{call{method: "GET", path: "/redfish/v1/nothing"}, 404, nil, "ResourceMissingAtURI"},
		{call{method: "POST", path: "/redfish/v1/SessionService/Sessions/Members", body: `{"UserName":"admin","Password":"correct horse"}`, anonymous: true}, 201, map[string]string{"Location": "*", "X-Auth-Token": "*"}, ""},
	} {
		response, _ := do(t, b, test.call)
		if response.Code != test.status || !strings.Contains(response.Body.String(), test.body) {
			t.Errorf("%s %s = %d %s, want %d %s", test.call.method, test.call.path, response.Code, response.Body, test.status, test.body)
		}
		for name, want := range test.header {
			if got := response.Header().Get(name); got != want && (want != "*" || got == "") {
				t.Errorf("%s %s: %s: %q, want %q", test.call.method, test.call.path, name, got, want)
			}
		}
	}
	request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/redfish/v1/$metadata", nil)
	recorder := httptest.NewRecorder()
	b.Handler().ServeHTTP(recorder, request)
	if body := recorder.Body.String(); recorder.Code != 200 || !strings.HasPrefix(recorder.Header().Get("Content-Type"), "application/xml") || !strings.Contains(body, "<EntityContainer ") {
		t.Errorf("$metadata = %d %s", recorder.Code, body)
	}
}

// as sends a request as another account.
func as(t *testing.T, b *bmc.BMC, user, password string, c call) int {
	t.Helper()
	request := httptest.NewRequestWithContext(t.Context(), c.method, c.path, strings.NewReader(c.body))
	request.SetBasicAuth(user, password)
	recorder := httptest.NewRecorder()
	b.Handler().ServeHTTP(recorder, request)
	return recorder.Code
}

// An account does what its role allows, and nothing else.
func TestRoles(t *testing.T) {
	t.Parallel()
	b, _ := newBMC(t, bmc.Faults{})
	for _, account := range []string{`{"UserName":"op","Password":"p1","RoleId":"Operator"}`, `{"UserName":"ro","Password":"p2","RoleId":"ReadOnly"}`} {
		wantStatus(t, b, call{method: "POST", path: accountsAt, body: account}, 201)
	}
	for body, status := range map[string]int{`{"UserName":"ro","Password":"p2","RoleId":"ReadOnly"}`: 409, `{"UserName":"x","Password":"p2","RoleId":"King"}`: 400, `{"UserName":"x"}`: 400} {
		wantStatus(t, b, call{method: "POST", path: accountsAt, body: body}, status)
	}
	override := `{"Boot":{"BootSourceOverrideTarget":"Cd"}}`
	for _, test := range []struct {
		user, password string
		call           call
		status         int
	}{
		{"ro", "p2", call{method: "GET", path: system}, 200},
		{"ro", "p2", call{method: "PATCH", path: system, body: override}, 403},
		{"ro", "p2", call{method: "POST", path: reset, body: `{"ResetType":"On"}`}, 403},
		{"ro", "p2", call{method: "POST", path: accountsAt, body: `{"UserName":"y","Password":"p","RoleId":"ReadOnly"}`}, 403},
		{"ro", "p2", call{method: "PATCH", path: accountsAt + "/2", body: `{"Password":"p9"}`}, 403},
		{"ro", "p2", call{method: "DELETE", path: accountsAt + "/2"}, 403},
		{"op", "p1", call{method: "PATCH", path: system, body: override}, 200},
		{"op", "p1", call{method: "PATCH", path: accountsAt + "/1", body: `{"Password":"p9"}`}, 403},
		{"ro", "p2", call{method: "PATCH", path: accountsAt + "/3", body: `{"Password":"p3"}`}, 200},
		{"ro", "p2", call{method: "GET", path: system}, 401},
		{"ro", "p3", call{method: "GET", path: system}, 200},
		{"ro", "wrong", call{method: "GET", path: system}, 401},
	} {
		if got := as(t, b, test.user, test.password, test.call); got != test.status {
			t.Errorf("%s: %s %s = %d, want %d", test.user, test.call.method, test.call.path, got, test.status)
		}
	}
	response, _ := do(t, b, call{method: "POST", path: "/redfish/v1/SessionService/Sessions", body: `{"UserName":"admin","Password":"correct horse"}`, anonymous: true})
	session := response.Header().Get("Location")
	if got := as(t, b, "op", "p1", call{method: "DELETE", path: session}); got != 403 {
		t.Errorf("an operator ends the administrator's session: %d", got)
	}
	for body, status := range map[string]int{`{"Enabled":false}`: 200, `{"RoleId":"King"}`: 400, `{"Bogus":1}`: 400, `{"@odata.id":"x"}`: 400, `{"Password":"p4","Bogus":1}`: 400} {
		wantStatus(t, b, call{method: "PATCH", path: accountsAt + "/3", body: body}, status)
	}
	if got := as(t, b, "ro", "p3", call{method: "GET", path: system}); got != 401 {
		t.Errorf("an account that was switched off reads: %d", got)
	}
	wantStatus(t, b, call{method: "DELETE", path: accountsAt + "/1"}, 400)
	wantStatus(t, b, call{method: "DELETE", path: accountsAt + "/3"}, 204)
	wantStatus(t, b, call{method: "GET", path: accountsAt + "/3"}, 404)
	wantStatus(t, b, call{method: "PATCH", path: "/redfish/v1/AccountService/Roles/ReadOnly", body: `{}`}, 405)
}

// Of many changes with one ETag one is made.
func TestOneETagIsOneChange(t *testing.T) {
	t.Parallel()
	b, _ := newBMC(t, bmc.Faults{})
	wantStatus(t, b, call{method: "POST", path: accountsAt, body: `{"UserName":"u","Password":"p","RoleId":"ReadOnly"}`}, 201)
	response, _ := do(t, b, call{method: "GET", path: accountsAt + "/2"})
	tag := response.Header().Get("ETag")
	var won atomic.Int32
	var writers sync.WaitGroup
	for range 16 {
		writers.Go(func() {
			request := httptest.NewRequestWithContext(t.Context(), http.MethodPatch, accountsAt+"/2", strings.NewReader(`{"RoleId":"Operator"}`))
			request.SetBasicAuth("admin", "correct horse")
			request.Header.Set("If-Match", tag)
			recorder := httptest.NewRecorder()
			b.Handler().ServeHTTP(recorder, request)
			if recorder.Code == http.StatusOK {
				won.Add(1)
			} else if recorder.Code != http.StatusPreconditionFailed {
				t.Errorf("PATCH = %d %s", recorder.Code, recorder.Body)
			}
		})
	}
	writers.Wait()
	if won.Load() != 1 {
		t.Errorf("%d of 16 changes with one ETag were made", won.Load())
	}
}

// A volume is made of drives that are there, is listed, and goes again.
func TestVolumes(t *testing.T) {
	t.Parallel()
	b, _ := newBMC(t, bmc.Faults{})
	drive := `{"@odata.id":"` + system + `/Storage/1/Drives/0"}`
	for body, status := range map[string]int{
		`{"RAIDType":"RAID0","Links":{"Drives":[]}}`:                                                        400,
		`{"RAIDType":"RAID1","Links":{"Drives":[` + drive + `]}}`:                                           400,
		`{"RAIDType":"RAID0","Links":{"Drives":[` + drive + `,` + drive + `]}}`:                             400,
		`{"RAIDType":"RAID7","Links":{"Drives":[` + drive + `]}}`:                                           400,
		`{"RAIDType":"RAID0","Links":{"Drives":[{"@odata.id":"/redfish/v1"}]}}`:                             400,
		`{"RAIDType":"RAID0","@Redfish.OperationApplyTime":"OnReset","Links":{"Drives":[` + drive + `]}}`:   400,
		`{"RAIDType":"RAID0","@Redfish.OperationApplyTime":"Immediate","Links":{"Drives":[` + drive + `]}}`: 201,
	} {
		wantStatus(t, b, call{method: "POST", path: volumesAt, body: body}, status)
	}
	if doc := wantStatus(t, b, call{method: "GET", path: volumesAt + "/1"}, 200); doc["CapacityBytes"] != float64(4<<30) || doc["RAIDType"] != "RAID0" {
		t.Errorf("the volume is %v", doc)
	}
	wantStatus(t, b, call{method: "DELETE", path: volumesAt + "/1"}, 204)
	wantStatus(t, b, call{method: "DELETE", path: volumesAt + "/1"}, 404)
	if doc := wantStatus(t, b, call{method: "GET", path: volumesAt}, 200); doc["Members@odata.count"] != float64(0) {
		t.Errorf("the collection is %v", doc)
	}
}
