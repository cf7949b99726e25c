package effects_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitmetal/ingot/agent/wire"
	"github.com/gitmetal/ingot/internal/secret"
	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/refs"
	"github.com/gitmetal/ingot/reconcile/act"
	"github.com/gitmetal/ingot/reconcile/effects"
	"github.com/gitmetal/ingot/schemas"
)

// TestAScriptGetsItsArgumentsOpened: the secrets stand in their places, and their names are told, so that the agent gives
// them on standard input alone.
func TestAScriptGetsItsArgumentsOpened(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.secrets["web"]["key"] = secret.New("hunter2")
	workload := *r.desired.Workload
	workload.Steps = []inventory.Step{{Name: "mend", ID: "first", Script: []byte("#!/bin/sh\n"), Seconds: 60, Attempts: 4, Once: true,
		Needs: schemas.Needs{Network: true, Memory: "1GiB", Processes: 9},
		Arguments: inventory.Arguments{
			Args:    map[string]any{"level": 3, "site": "${secret.web.key}", "password": "${secret.web.key}", "a/b": map[string]any{"deep": "${secret.web.key}"}},
			Secrets: map[string]refs.Secret{"/password": {Name: "web", Key: "key"}, "/a~1b/deep": {Name: "web", Key: "key"}},
		}}, {Name: "install", Seconds: 60}}
	desired, record := r.desired, r.record
	desired.Workload, desired.Vars = &workload, map[string]string{"site": "fra1"}
	record.Operation = r.record.Operation.Clone()
	record.Operation.Cursor, record.Operation.Steps = 0, inventory.NewSteps(workload)
	job, err := effects.Job(r.Effects, desired, record, act.Action{Contents: []string{wire.ContentBlank}})
	if err != nil {
		t.Fatal(err)
	}
	step := job.Steps[0]
	want := &wire.Run{Operation: "op1", Step: "mend", ID: "first", Attempts: 4, Once: true, Secrets: []string{"a/b", "password"},
		Needs:   wire.Needs{Network: true, Memory: 1 << 30, Processes: 9},
		Machine: wire.RunMachine{ID: string(record.ID), Name: desired.Name, Labels: desired.Labels, Vars: map[string]string{"site": "fra1"}},
		Args:    json.RawMessage(`{"a/b":{"deep":"hunter2"},"level":3,"password":"hunter2","site":"${secret.web.key}"}`)}
	if diff := cmp.Diff(want, step.Script.Run); diff != "" || step.Name != "first" || job.Kind != wire.JobStep {
		t.Errorf("job of kind %s, step %s (-want +got):\n%s", job.Kind, step.Name, diff)
	}
	r.mirrored()
	r.wantDone(act.FetchImage)
	workload.Steps[1].ID, record.Operation.Cursor, record.Operation.Steps[1].ID = "os", 1, "os"
	if job, err := effects.Job(r.Effects, desired, record, act.Action{Contents: []string{wire.ContentBlank}}); err != nil || job.Steps[0].Name != "install" || job.Kind != wire.JobWrite {
		t.Errorf("the install with an id of its own: %+v, %v", job.Steps, err)
	}
	record.Operation.Cursor = 0
	delete(r.secrets["web"], "key")
	if _, err := effects.Job(r.Effects, desired, record, act.Action{}); err == nil || !strings.Contains(err.Error(), "arguments of step first: secret web has no key") {
		t.Errorf("a secret without its key: %v", err)
	}
	r.secrets["web"]["key"] = secret.New(strings.Repeat("x", 1<<20))
	if _, err := effects.Job(r.Effects, desired, record, act.Action{}); err == nil || !strings.Contains(err.Error(), "can be delivered") || strings.Contains(err.Error(), "xxx") {
		t.Errorf("arguments that are too large: %.300v", err)
	}
}

// TestAScriptIsShownTheWrittenSystem: the job names the disk and the mark of the operation, and is of a kind that an older
// agent refuses.
func TestAScriptIsShownTheWrittenSystem(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	workload := *r.desired.Workload
	workload.Steps = []inventory.Step{{Name: "install", Seconds: 60}, {Name: "put", Script: []byte("#!/bin/sh\n"), Seconds: 60, Mounts: true}}
	desired, record := r.desired, r.record
	desired.Workload = &workload
	record.Operation = r.record.Operation.Clone()
	record.Operation.Cursor, record.Operation.Steps = 1, inventory.NewSteps(workload)
	record.Operation.Disks[0].Mark = "0a1b2c3d-4e5f-8677-8899-aabbccddeeff"
	job, err := effects.Job(r.Effects, desired, record, act.Action{})
	if err != nil {
		t.Fatal(err)
	}
	want := &wire.WrittenSystem{Disk: wire.DiskRef{Serial: "S1", WWN: "5000c500a1b2c3d4", Size: 1 << 34, Content: wire.ContentAny},
		Mark: "0a1b2c3d-4e5f-8677-8899-aabbccddeeff"}
	script := job.Steps[0].Script
	if diff := cmp.Diff(want, script.System); diff != "" || job.Kind != wire.JobSystemScript || !script.Run.Writes || len(script.Disks) > 0 {
		t.Errorf("job of kind %s with disks %+v, writes %t; its system (-want +got):\n%s", job.Kind, script.Disks, script.Run.Writes, diff)
	}
}

// TestAnInstallWithOptions is of a kind that an older agent, which would leave the options out, refuses.
func TestAnInstallWithOptions(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.mirrored()
	r.wantDone(act.FetchImage)
	workload := *r.desired.Workload
	workload.Installer = inventory.InstallerOptions{DeleteKernelArguments: []string{"quiet"}, Platform: "qemu", Consoles: []string{"tty0"}}
	desired := r.desired
	desired.Workload = &workload
	job, err := effects.Job(r.Effects, desired, r.record, act.Action{Contents: []string{wire.ContentBlank}})
	if err != nil {
		t.Fatal(err)
	}
	want := &wire.InstallerOptions{DeleteKernelArguments: []string{"quiet"}, Platform: "qemu", Consoles: []string{"tty0"}}
	if diff := cmp.Diff(want, job.Steps[0].Install.Options); diff != "" || job.Kind != wire.JobWriteOptions || !wire.WritesSystem(job.Kind) {
		t.Errorf("job of kind %s with options (-want +got):\n%s", job.Kind, diff)
	}
}
