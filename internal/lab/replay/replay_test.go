package replay_test

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gitmetal/ingot/internal/lab/ports"
	"github.com/gitmetal/ingot/internal/lab/replay"
	"github.com/gitmetal/ingot/internal/secret"
)

// files is a recording as a user gives it: DMTF's layout, files with their addresses inside, and files that are no
// resource.
var files = map[string]string{
	"redfish/v1/index.json": `{"@odata.id":"/redfish/v1/","Systems":{"@odata.id":"/redfish/v1/Systems"}}`,
	"redfish/v1/Systems/index.json": `{"@odata.id":"/redfish/v1/Systems",
		"Members":[{"@odata.id":"/redfish/v1/Systems/A"}],
		"Members@odata.count":1}`,
	"redfish/v1/Systems/A/index.json": `{"@odata.id":"/redfish/v1/Systems/A","PowerState":"Off","Name":"recorded",
		"@Redfish.Settings":{"SettingsObject":{"@odata.id":"/redfish/v1/Systems/A/SD"}},
		"Boot":{"BootSourceOverrideTarget":"None","BootSourceOverrideEnabled":"Disabled",
			"BootSourceOverrideTarget@Redfish.AllowableValues":["None","Cd"]},
		"Actions":{"#ComputerSystem.Reset":{"target":"/redfish/v1/Systems/A/Reset",
			"@Redfish.ActionInfo":"/redfish/v1/Systems/A/ResetInfo"}}}`,
	"flat/_redfish_v1_Systems_A_SD.json": `{"@odata.id":"/redfish/v1/Systems/A/SD","Id":"SD"}`,
	"flat/info.json": `{"@odata.id":"/redfish/v1/Systems/A/ResetInfo",
		"Parameters":[{"Name":"ResetType","AllowableValues":["On","ForceOff"]}]}`,
	"flat/cd.json": `{"@odata.id":"/redfish/v1/Managers/1/VirtualMedia/Cd","MediaTypes":["CD"],"Inserted":false,
		"Actions":{"#VirtualMedia.InsertMedia":{"target":"/redfish/v1/cd/in"},
			"#VirtualMedia.EjectMedia":{"target":"/redfish/v1/cd/out"}}}`,
	"flat/update.json": `{"@odata.id":"/redfish/v1/UpdateService",
		"Actions":{"#UpdateService.SimpleUpdate":{"target":"/redfish/v1/update"}}}`,
	"broken.json": `{`,
	"readme.json": `{"about":"this recording"}`,
	"headers.txt": `x`,
}

type bmc struct {
	t       *testing.T
	server  *replay.Server
	address string
	client  *http.Client
	token   string
}

func serve(t *testing.T, options replay.Options) *bmc {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		at := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(at), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(at, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	tree, err := replay.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	options.Username, options.Password = "admin", secret.New("pw")
	server, err := replay.New(tree, options)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := ports.Listen(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	var serving sync.WaitGroup
	serving.Go(func() {
		if err := server.Serve(ctx, listener); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() { stop(); serving.Wait() })
	b := &bmc{t: t, server: server, address: listener.Addr().String(), client: &http.Client{Transport: &http.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}} // the server's certificate signs itself
	return b
}

// send sends a request and returns status, document and headers.
func (b *bmc) send(method, at, body string) (int, map[string]any, http.Header) {
	b.t.Helper()
	base := "https://" + b.address
	request, err := http.NewRequestWithContext(b.t.Context(), method, base+at, strings.NewReader(body))
	if err != nil {
		b.t.Fatal(err)
	}
	request.Header.Set("X-Auth-Token", b.token)
	response, err := b.client.Do(request)
	if err != nil {
		b.t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	var document map[string]any
	_ = json.Unmarshal(text, &document) // 204 has none
	return response.StatusCode, document, response.Header
}

func (b *bmc) want(status int, method, at, body string) map[string]any {
	b.t.Helper()
	got, document, _ := b.send(method, at, body)
	if got != status {
		b.t.Errorf("%s %s %s = %d %v, want %d", method, at, body, got, document, status)
	}
	return document
}

func (b *bmc) logIn() string {
	b.t.Helper()
	status, _, header := b.send("POST", "/redfish/v1/SessionService/Sessions", `{"UserName":"admin","Password":"pw"}`)
	if status != http.StatusCreated {
		b.t.Fatalf("login = %d", status)
	}
	b.token = header.Get("X-Auth-Token")
	return header.Get("Location")
}

func TestARecordingIsServed(t *testing.T) {
	t.Parallel()
	b := serve(t, replay.Options{})
	b.want(200, "GET", "/redfish/v1/", "")
	b.want(401, "GET", "/redfish/v1/Systems/A", "")
	b.want(401, "POST", "/redfish/v1/SessionService/Sessions", `{"UserName":"admin","Password":"no"}`)
	session := b.logIn()
	if got := b.want(200, "GET", "/redfish/v1/Systems/A/", ""); got["Name"] != "recorded" {
		t.Errorf("System = %v", got)
	}
	if got := b.want(200, "GET", "/redfish/v1/Managers", ""); got["Members@odata.count"] != 0.0 {
		t.Errorf("Managers = %v", got)
	}
	if got := b.want(200, "GET", "/redfish/v1/SessionService/Sessions", ""); got["Members@odata.count"] != 1.0 {
		t.Errorf("Sessions = %v", got)
	}
	b.want(404, "GET", "/redfish/v1/Nothing", "")
	b.want(204, "DELETE", session, "")
	b.want(401, "GET", "/redfish/v1/Systems/A", "")
}

// TestASettingsObjectIsAppliedAtTheReset also starts the machine, which uses a Once up.
func TestASettingsObjectIsAppliedAtTheReset(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	b := serve(t, replay.Options{PowerTakes: time.Minute, Now: func() time.Time { return now }})
	b.logIn()
	boot := func(at string) any {
		document, _ := b.want(200, "GET", at, "")["Boot"].(map[string]any)
		return document["BootSourceOverrideTarget"]
	}
	const system, settings = "/redfish/v1/Systems/A", "/redfish/v1/Systems/A/SD"
	b.want(400, "PATCH", settings, `{"Boot":{"BootSourceOverrideTarget":"Usb"}}`) // the System declares what it takes
	b.want(204, "PATCH", settings, `{"Boot":{"BootSourceOverrideTarget":"Cd","BootSourceOverrideEnabled":"Once"}}`)
	if boot(system) != "None" || boot(settings) != "Cd" {
		t.Errorf("before the reset: %v, %v", boot(system), boot(settings))
	}
	b.want(204, "POST", "/redfish/v1/cd/in", `{"Image":"http://h/a.iso"}`)
	b.want(400, "POST", "/redfish/v1/cd/in", `{"Image":"http://h/b.iso"}`)
	b.want(400, "POST", system+"/Reset", `{"ResetType":"ForceRestart"}`) // not in the ActionInfo
	b.want(204, "POST", system+"/Reset", `{"ResetType":"On"}`)
	if power := b.want(200, "GET", system, "")["PowerState"]; power != "Off" {
		t.Errorf("at once: %v", power)
	}
	now = now.Add(time.Minute)
	if power := b.want(200, "GET", system, "")["PowerState"]; power != "On" || boot(system) != "None" {
		t.Errorf("after a minute: %v, %v", power, boot(system))
	}
	b.want(204, "POST", "/redfish/v1/cd/out", `{}`)
	if status, task, header := b.send("POST", "/redfish/v1/update", `{"ImageURI":"http://h/f"}`); status != 202 ||
		task["TaskState"] != "Completed" || b.want(200, "GET", header.Get("Location"), "") == nil {
		t.Errorf("update = %d %v", status, task)
	}
	want := []string{"override Cd/Once", "insert http://h/a.iso", "power-on", "start cd", "eject http://h/a.iso"}
	if diff := cmp.Diff(want, b.server.Log().Story()); diff != "" {
		t.Errorf("story (-want +got):\n%s", diff)
	}
}

func TestWritesNameTheETagThatTheyRead(t *testing.T) {
	t.Parallel()
	b := serve(t, replay.Options{})
	b.logIn()
	_, _, header := b.send("GET", "/redfish/v1/Systems/A", "")
	tag := header.Get("ETag")
	b.want(204, "PATCH", "/redfish/v1/Systems/A", `{"AssetTag":"x"}`)
	if _, _, header := b.send("GET", "/redfish/v1/Systems/A", ""); header.Get("ETag") == tag {
		t.Errorf("the ETag %s stays after a change", tag)
	}
}

func TestNoRecording(t *testing.T) {
	t.Parallel()
	if _, err := replay.Load(t.TempDir()); err == nil || !strings.Contains(err.Error(), "holds no resource") {
		t.Errorf("Load of an empty directory = %v", err)
	}
	if _, err := replay.Load(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("Load of no directory succeeds")
	}
}
