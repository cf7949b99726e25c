package terminal_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/gitmetal/ingot/internal/daemon"
	"github.com/gitmetal/ingot/internal/terminal"
	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/requests"
	"github.com/gitmetal/ingot/reconcile/cause"
	"github.com/gitmetal/ingot/reconcile/plan"
	"github.com/gitmetal/ingot/reconcile/plan/change"
	"github.com/gitmetal/ingot/reconcile/status"
	"github.com/gitmetal/ingot/schemas"
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

// TestRequestsAreLines shows which requests of a host wait, and which were done.
func TestRequestsAreLines(t *testing.T) {
	document := status.Document{Metadata: status.Metadata{Name: "web-3"}, Phase: plan.Active,
		Requests: []string{"reboot fw-8 (Soft) waits: ring prod changes in its windows only"},
		Done: &requests.Done{Reboot: []string{"fw-6", "fw-7"}, Resume: []string{"cabling/9f3a12cd"},
			Notes: map[requests.Kind]string{requests.Resume: "it resumed nothing"}}}
	var out bytes.Buffer
	if err := terminal.WriteHost(&out, daemon.View{Hosts: []daemon.HostView{{Document: document}}}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"request  reboot fw-8 (Soft) waits: ring prod changes in its windows only", "done: reboot  fw-6, fw-7", "done: resume  cabling/9f3a12cd (it resumed nothing)"} {
		if squeezed := strings.Join(strings.Fields(out.String()), " "); !strings.Contains(squeezed, strings.Join(strings.Fields(want), " ")) {
			t.Errorf("no line %q in:\n%s", want, out.String())
		}
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

// TestManyHostsAlikeAreOneLine shows a fleet in which many hosts wait for the same: a line for each group, with the way to
// list it and to answer it; the hosts in small groups stand below.
func TestManyHostsAlikeAreOneLine(t *testing.T) {
	v := daemon.View{Commit: "0123456789abcdef"}
	add := func(count int, prefix string, d status.Document) {
		for i := range count {
			d.Metadata = status.Metadata{Name: fmt.Sprintf("%s-%03d", prefix, i)}
			v.Hosts = append(v.Hosts, daemon.HostView{Document: d})
		}
	}
	add(30, "dead", status.Document{Phase: plan.Waiting, Waits: "its BMC", Cause: &cause.Answer{Cause: "BMCUnreachable"}})
	add(20, "web", status.Document{Phase: plan.Held, Workload: "web", Cause: &cause.Answer{Cause: "NeedsConsent"},
		Hold: &status.Hold{Message: "this would erase disk D", Consent: schemas.EraseConsents{"D/0123"}}})
	add(3, "few", status.Document{Phase: plan.Held, Hold: &status.Hold{Reason: "NoDisk", Message: "no disk fits"}})
	var out bytes.Buffer
	if err := terminal.WriteTable(&out, v); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"20 hosts are Held (NeedsConsent): web-000, web-001, web-002, web-003, web-004, web-005, web-006, web-007 and 12 more\n" +
			"  the first: this would erase disk D\n" +
			"  to allow it for all: ingot consent --workload web\n" +
			"  to list them: ingot status --phase Held --cause NeedsConsent\n",
		"30 hosts are Waiting (BMCUnreachable): dead-000,",
		"  to list them: ingot status --phase Waiting --cause BMCUnreachable\n",
		"few-002", "few-001 is held: no disk fits",
	}
	for _, part := range want {
		if !strings.Contains(out.String(), part) {
			t.Errorf("%q is missing in:\n%s", part, out.String())
		}
	}
	if strings.Contains(out.String(), "dead-020") {
		t.Errorf("a host of a group has a line of its own:\n%s", out.String())
	}
	out.Reset()
	if err := terminal.WriteList(&out, v); err != nil {
		t.Fatal(err)
	}
	if lines := strings.Count(out.String(), "\ndead-"); lines != 30 {
		t.Errorf("the list has %d of 30 hosts:\n%s", lines, out.String())
	}
}

// TestASecretBesideAnotherHold: the list of the hosts whose Secret cannot be opened names the Secret, whatever else holds them.
func TestASecretBesideAnotherHold(t *testing.T) {
	const words = "the Secret bmc (secrets/bmc.yaml) cannot be opened"
	h := daemon.HostView{Pushed: true, Document: status.Document{Phase: plan.Held, Metadata: status.Metadata{Name: "web-1"},
		Hold:       &status.Hold{Reason: change.NeedsConsent, Message: "no consent"},
		Conditions: []status.Condition{{Type: status.Reachable, Status: "False", Reason: "SecretUnusable", Message: words}}}}
	for name, write := range map[string]func(*bytes.Buffer) error{
		"list": func(out *bytes.Buffer) error {
			return terminal.WriteList(out, daemon.View{Hosts: []daemon.HostView{h}})
		},
		"host": func(out *bytes.Buffer) error {
			return terminal.WriteHost(out, daemon.View{Hosts: []daemon.HostView{h}})
		},
		"event": func(out *bytes.Buffer) error {
			terminal.NewWatcher(out, false, "", "").ShowEvent(daemon.Event{Host: &h})
			return nil
		},
	} {
		var out bytes.Buffer
		if err := write(&out); err != nil || !strings.Contains(out.String(), "the BMC is not asked: "+words) && !strings.Contains(out.String(), "web-1: its BMC is not asked: "+words) {
			t.Errorf("%s: %v\n%s", name, err, out.String())
		}
	}
}
