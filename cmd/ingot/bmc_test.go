package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gitmetal/ingot/agent/hub"
	"github.com/gitmetal/ingot/boot/redfish"
	"github.com/gitmetal/ingot/internal/lab"
)

// A BMC is looked at: the host key of its serial console is printed as the fleet wants it, and nobody logs in there.
func TestBMCCheckNamesTheConsolesKey(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(context.Background())
	rack, err := lab.New(ctx, lab.Options{Dir: dir, Backend: lab.Sim, Machines: 1})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = rack.Run(ctx) // it ends when it is told to
	}()
	t.Cleanup(func() { cancel(); <-done })
	key := rack.Description().Machines[0].ConsoleKey
	check := func(args ...string) string {
		var out, talk bytes.Buffer
		if code := runCommand(append([]string{"bmc", "check", "--rack", dir, "machine-1"}, args...), streams{strings.NewReader(""), &out, &talk}); code != exitOK {
			t.Fatalf("exit code %d: %s%s", code, out.String(), talk.String())
		}
		return out.String()
	}
	if text := check(); !strings.Contains(text, "serial console's host key "+key+"\n") || !strings.Contains(text, "over SSH at port") {
		t.Errorf("it prints\n%s\nwant the host key %s", text, key)
	}
	var report redfish.Report
	if text := check("-o", "json"); json.Unmarshal([]byte(text), &report) != nil || !slices.Equal(report.ConsoleKeys, []string{key}) {
		t.Errorf("as JSON it prints %s", text)
	}
	if server, _ := rack.Console("machine-1"); server.Counts().Logins != 0 || server.Counts().Connections == 0 {
		t.Errorf("%+v, want connections and no login", server.Counts())
	}
}

// replayTree serves a tree with the verb, and returns the address of the BMC.
func replayTree(t *testing.T, tree map[string]map[string]any) string {
	t.Helper()
	dir := t.TempDir()
	for at, document := range tree {
		text, err := json.Marshal(document)
		if err != nil {
			t.Fatal(err)
		}
		name := filepath.Join(dir, at, "index.json")
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return replayBMC(t, dir)
}

// replayBMC serves a BMC with the verb's arguments.
func replayBMC(t *testing.T, args ...string) string {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	out, said := io.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		root := newRoot(streams{strings.NewReader(""), said, io.Discard})
		root.SetArgs(append([]string{"lab", "replay"}, args...))
		if err := root.ExecuteContext(ctx); err != nil {
			t.Error(err)
		}
	}()
	t.Cleanup(func() { stop(); <-done })
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	address, _, _ := strings.Cut(line, ": ")
	return address
}

// A check only reads: it never says that ingot can install a machine, and it says what reading does not tell.
func TestBMCCheckSaysWhatItCannotKnow(t *testing.T) {
	t.Setenv(passwordVariable, "lab")
	tree := map[string]map[string]any{
		"redfish/v1/Systems/1": {"@odata.id": "/redfish/v1/Systems/1", "PowerState": "Off", "SerialNumber": "S1",
			"VirtualMedia":      map[string]any{"@odata.id": "/redfish/v1/Systems/1/VirtualMedia"},
			"@Redfish.Settings": map[string]any{"SettingsObject": map[string]any{"@odata.id": "/redfish/v1/Systems/1/SD"}},
			"Actions":           map[string]any{"#ComputerSystem.Reset": map[string]any{"target": "/redfish/v1/Systems/1/Reset"}},
			"Boot": map[string]any{"BootSourceOverrideEnabled@Redfish.AllowableValues": []string{"Once", "Disabled"},
				"BootSourceOverrideTarget@Redfish.AllowableValues": []string{"Cd"}}},
		"redfish/v1/Systems/1/VirtualMedia": {"Members": []map[string]any{{"@odata.id": "/redfish/v1/Systems/1/VirtualMedia/1"}}},
		"redfish/v1/Systems/1/VirtualMedia/1": {"Id": "1", "MediaTypes": []string{"CD"}, "Image": "None", "Inserted": false,
			"ConnectedVia": "NotConnected"},
	}
	address := replayTree(t, tree)
	var out, talk bytes.Buffer
	code := runCommand([]string{"bmc", "check", address, "--username", "admin", "--first-use"},
		streams{strings.NewReader(""), &out, &talk})
	if code != exitOK {
		t.Errorf("exit code %d: %s", code, talk.String())
	}
	for _, want := range []string{"Once, not Continuous", `shows the image "None"`, "the System has a settings object",
		"unknown  virtual media", "Nothing is missing that ingot needs. What is unknown above only a boot shows"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("it does not say %q", want)
		}
	}
	if strings.Contains(out.String(), "can install") || t.Failed() {
		t.Errorf("it prints\n%s", out.String())
	}
}

// The daemon's authority is put into a BMC that takes media over HTTPS only; a BMC without a place for it says so.
func TestBMCTrust(t *testing.T) {
	t.Setenv(passwordVariable, "lab")
	identity := filepath.Join(t.TempDir(), "identity")
	made, err := hub.CreateIdentity(identity)
	if err != nil {
		t.Fatal(err)
	}
	authority := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(authority, made.CAPEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		profile string
		code    int
		says    []string
	}{
		{"declares-https", exitOK, []string{"the BMC trusts the authority at /redfish/v1/Managers/1/VirtualMedia/1\n", "the BMC trusts the authority already\n"}},
		{"well-behaved", exitFailed, []string{"it has no place for authorities"}},
	} {
		address := replayBMC(t, "--profile", test.profile)
		for _, want := range test.says {
			var out, talk bytes.Buffer
			code := runCommand([]string{"bmc", "trust", address, "--username", "admin", "--first-use", "--authority", authority},
				streams{strings.NewReader(""), &out, &talk})
			if code != test.code || !strings.Contains(out.String()+talk.String(), want) {
				t.Errorf("%s: exit code %d: %s%s; want %q", test.profile, code, out.String(), talk.String(), want)
			}
		}
	}
}
