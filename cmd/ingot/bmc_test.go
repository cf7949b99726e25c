package main

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"

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
