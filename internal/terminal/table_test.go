package terminal_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/gitmetal/ingot/internal/daemon"
	"github.com/gitmetal/ingot/internal/terminal"
	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile/plan"
	"github.com/gitmetal/ingot/reconcile/status"
)

func TestCountsByPhaseAndRing(t *testing.T) {
	v := daemon.View{Commit: "0123456789abcdef"}
	for _, h := range []struct {
		name, ring string
		phase      plan.Phase
	}{{"a", "canary", plan.Active}, {"b", "canary", plan.Failed}, {"c", "prod", plan.Active}, {"d", "prod", plan.Active}, {"e", "", plan.Held}} {
		v.Hosts = append(v.Hosts, daemon.HostView{Document: status.Document{Metadata: status.Metadata{Name: h.name}, Ring: h.ring, Phase: h.phase}})
	}
	want := strings.Join([]string{
		"5 hosts: 1 Failed, 1 Held, 3 Active",
		"",
		"PHASE   HOSTS  no ring  canary  prod",
		"Failed  1      0        1       0",
		"Held    1      1        0       0",
		"Active  3      0        1       2",
		"", ""}, "\n")
	var out bytes.Buffer
	if err := terminal.WriteTable(&out, v); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), want) {
		t.Errorf("no table by phase and ring:\n%s\nwant:\n%s", out.String(), want)
	}
	for i := range v.Hosts {
		v.Hosts[i].Ring = ""
	}
	out.Reset()
	if err := terminal.WriteTable(&out, v); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), "5 hosts: 1 Failed, 1 Held, 3 Active\n\n") || strings.Contains(out.String(), "no ring") {
		t.Errorf("a fleet without rings:\n%s", out.String())
	}
}

// TestSaysOnceWhyNothingIsAccepted has a daemon that lost its journal find another history: the commit that was accepted before is spoken of.
func TestSaysOnceWhyNothingIsAccepted(t *testing.T) {
	const why = "branch main was rewritten: it does not contain the accepted commit 3d2e"
	var out bytes.Buffer
	if err := terminal.WriteTable(&out, daemon.View{Source: why, Frozen: why}); err != nil {
		t.Fatal(err)
	}
	want := "No commit of the fleet is accepted since the daemon started\nNothing is erased until an operator has looked: " + why + "\n\n"
	if got := out.String(); !strings.HasPrefix(got, want) {
		t.Errorf("Table = %q, want it to begin with %q", got, want)
	}
}

// An operation is one line: its step, its attempt, and the disk that an attempt may have written to.
func TestAnOperationIsALine(t *testing.T) {
	step := func(name string) inventory.StepState {
		return inventory.StepState{Name: name, State: inventory.StepWaiting}
	}
	op := inventory.Operation{
		ID: "o1", Stage: inventory.Working, Attempt: 2, Cursor: 1, Steps: []inventory.StepState{step("wipe"), step("install"), step("check")},
		Disks: []inventory.OperationDisk{{Disk: inventory.DiskID{Serial: "S1"}, Begun: 1}},
	}
	v := daemon.View{Hosts: []daemon.HostView{{Document: status.Document{Metadata: status.Metadata{Name: "a"}, Phase: plan.Installing, Operation: &op}}}}
	var out bytes.Buffer
	if err := terminal.WriteHost(&out, v); err != nil {
		t.Fatal(err)
	}
	if want := "o1, Working, step 2 of 3 `install`, attempt 2, disk S1 may be written to"; !strings.Contains(out.String(), want) {
		t.Errorf("%q is not in\n%s", want, out.String())
	}
}
