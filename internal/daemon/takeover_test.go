package daemon_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gitmetal/ingot/internal/daemon"
	"github.com/gitmetal/ingot/internal/lab/bmc"
	"github.com/gitmetal/ingot/inventory/discovery"
	"github.com/gitmetal/ingot/inventory/format"
)

// bootByHand has a person attach a medium to a machine that is off, and switch the machine on.
func (w *world) bootByHand(t *testing.T, name, iso string) *bmc.BMC {
	t.Helper()
	server := httptest.NewServer(http.FileServer(http.Dir(filepath.Dir(iso))))
	t.Cleanup(server.Close)
	b := w.rack.BMC(name)
	insertByHand(t, b, server.URL+"/"+filepath.Base(iso), w.rack.Description().Machines[0].Password)
	if err := b.PowerOn(t.Context()); err != nil {
		t.Fatal(err)
	}
	return b
}

// insertByHand has a person attach a medium to a machine, for its next start.
func insertByHand(t *testing.T, b *bmc.BMC, url, password string) {
	t.Helper()
	for _, call := range []struct{ method, path, body string }{
		{http.MethodPost, "/redfish/v1/Managers/1/VirtualMedia/Cd/Actions/VirtualMedia.InsertMedia", `{"Image":"` + url + `"}`},
		{http.MethodPatch, "/redfish/v1/Systems/1", `{"Boot":{"BootSourceOverrideTarget":"Cd","BootSourceOverrideEnabled":"Once"}}`},
	} {
		request := httptest.NewRequestWithContext(t.Context(), call.method, call.path, strings.NewReader(call.body))
		request.SetBasicAuth("admin", password)
		recorder := httptest.NewRecorder()
		if b.Handler().ServeHTTP(recorder, request); recorder.Code >= 300 {
			t.Fatalf("%s %s: %d %s", call.method, call.path, recorder.Code, recorder.Body)
		}
	}
}

// TestAProvedMachineIsTakenOver: a machine waits in the ramdisk of a discovery medium, its agent is proved to run behind
// the BMC, and its record is merged. The agent becomes the host's: the machine is installed without another boot of a
// ramdisk, and the first command to its BMC comes behind the install.
func TestAProvedMachineIsTakenOver(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2)
	machine := w.rack.Description().Machines[1]
	file := filepath.Join("hosts", machine.Name+".yaml")
	w.git(t, "rm", "--quiet", "--cached", file)
	w.git(t, "commit", "--quiet", "-m", "nobody knows the second machine")
	w.git(t, "push", "--quiet", "origin", "HEAD:main")
	stop := w.start(t)
	w.addEnrolmentKey(t)
	iso := filepath.Join(t.TempDir(), "discovery.iso")
	if _, _, err := verb(t, discoveryVerb, "iso", "--config", filepath.Join(w.dir, "ingot.yaml"), "--key", "pallet", "-o", iso); err != nil {
		t.Fatal(err)
	}
	b := w.bootByHand(t, machine.Name, iso)
	client := daemon.Connect(w.socket())
	record := w.awaitRecord(t, client, func(r discovery.Record) bool { return r.Identity.SerialLabel() == machine.Serial })
	stop()
	w.prove(t, record, machine.Address)
	w.start(t)
	before := len(b.Log().Story())
	w.edit(t, file, "  name: "+machine.Name, "  name: "+machine.Name+"\n  id: "+string(record.ID.Machine()))
	w.git(t, "add", "--force", file)
	w.push(t, "merge what was proposed")
	w.await(t, 2, "Active", active)
	var got []string
	for _, line := range b.Log().Story()[before:] {
		if strings.HasPrefix(line, "eject ") {
			line = "eject" // without the URL
		}
		got = append(got, line)
	}
	want := []string{"exit powered-off", "eject", "power-on", "start disk"}
	if counts := w.rack.Sim(machine.Name).Counts(); counts.Installs != 1 || !slices.Equal(got, want) {
		t.Errorf("%+v, and the BMC was told %q, want %q", counts, got, want)
	}
}

// prove writes the proof of a record's agent into the record, as the login with the agent's BMC account does. No daemon
// runs.
func (w *world) prove(t *testing.T, seen discovery.Record, system string) {
	t.Helper()
	file := filepath.Join(w.dir, w.stateDir(), "discovery", string(seen.ID)+".json")
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var record discovery.Record
	if err := format.Unmarshal(data, &record); err != nil {
		t.Fatal(err)
	}
	record.Proof = discovery.Proof{Kind: discovery.ByAccount, Agent: record.Agent.Key, System: system, At: seen.Registered}
	if data, err = format.Marshal(record); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
}
