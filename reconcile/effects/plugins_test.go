package effects_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitmetal/ingot/agent/wire"
	"github.com/gitmetal/ingot/internal/secret"
	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/refs"
	"github.com/gitmetal/ingot/inventory/steps"
	"github.com/gitmetal/ingot/reconcile/act"
	"github.com/gitmetal/ingot/reconcile/effects"
)

// pluginRig is a rig whose workload has a step of plug-ins: one of the commit, and one of the mirror.
func pluginRig(t *testing.T) (*rig, inventory.Desired, inventory.Record) {
	t.Helper()
	r := newRig(t)
	r.secrets["web"]["key"] = secret.New("hunter2")
	body := []byte("#!/bin/sh\n")
	workload := *r.desired.Workload
	workload.Steps = []inventory.Step{{Name: "describe", Looks: true, Seconds: 300}, {Name: "install", Seconds: 60},
		{Name: "raid", ID: "data", Seconds: 60, Writes: []string{"data"}, Plugins: []inventory.Plugin{
			{URL: "http://127.0.0.1:1/dir/acme?x=1", SHA256: digest(pluginBytes), Step: "create"},
			{Path: "plugins/raid", SHA256: digest(body), Step: "make", Body: body}},
			Arguments: inventory.Arguments{Args: map[string]any{"level": "raid1", "password": "${secret.web.key}"},
				Secrets: map[string]refs.Secret{"/password": {Name: "web", Key: "key"}}}}}
	desired, record := r.desired, r.record
	desired.Workload = &workload
	record.Operation = r.record.Operation.Clone()
	record.Operation.Cursor, record.Operation.Steps = 0, inventory.NewSteps(workload)
	record.Operation.Disks = append(record.Operation.Disks, inventory.OperationDisk{Disk: inventory.DiskID{Serial: "S2", Size: 1 << 34}, Name: "data"})
	return r, desired, record
}

// pluginBytes is a plug-in in the mirror.
var pluginBytes = []byte("#!/bin/sh\necho acme\n")

// mirrorPlugin puts the plug-in into the mirror.
func (r *rig) mirrorPlugin(body []byte) {
	r.t.Helper()
	if err := os.WriteFile(filepath.Join(r.mirror, "sha256-"+digest(pluginBytes)), body, 0o600); err != nil {
		r.t.Fatal(err)
	}
}

// TestJobsOfPlugins: first all plug-ins are asked, without secrets; later the step gets its plug-ins with what they said.
func TestJobsOfPlugins(t *testing.T) {
	t.Parallel()
	r, desired, record := pluginRig(t)
	if _, err := effects.Job(r.Effects, desired, record, act.Action{}); err == nil || !strings.Contains(err.Error(), "plug-in acme of step data is not in the mirror") {
		t.Errorf("a plug-in that is not in the mirror: %v", err)
	}
	r.mirrorPlugin(pluginBytes)
	job, err := effects.Job(r.Effects, desired, record, act.Action{})
	if err != nil {
		t.Fatal(err)
	}
	plugins := []wire.Plugin{{Name: "acme", SHA256: digest(pluginBytes), Size: int64(len(pluginBytes)), Step: "create"},
		{Name: "raid", SHA256: digest([]byte("#!/bin/sh\n")), Size: 10, Step: "make", Body: []byte("#!/bin/sh\n")}}
	if diff := cmp.Diff(plugins, job.Steps[0].Describe[0].Plugins); diff != "" || job.Kind != wire.JobDescribe || job.Steps[0].Script != nil || len(job.Steps[0].Describe) != 1 {
		t.Errorf("job %+v (-want +got):\n%s", job, diff)
	}
	if run := job.Steps[0].Describe[0].Run; string(run.Args) != `{"level":"raid1","password":"${secret.web.key}"}` || !run.Writes || run.ID != "data" {
		t.Errorf("the describe job says %+v, args %s", run, run.Args)
	}
	record.Operation.Steps[0].Described = []steps.Described{{SHA256: digest(pluginBytes), Version: "1.4.0"}}
	record.Operation.Cursor = 2
	if job, err = effects.Job(r.Effects, desired, record, act.Action{Contents: []string{wire.ContentBlank}}); err != nil {
		t.Fatal(err)
	}
	plugins[0].Version = "1.4.0"
	script := job.Steps[0].Script
	if diff := cmp.Diff(plugins, script.Plugins); diff != "" || job.Kind != wire.JobWriteStep || len(script.Body) > 0 || len(script.Disks) != 1 {
		t.Errorf("job %+v (-want +got):\n%s", job, diff)
	}
	if string(script.Run.Args) != `{"level":"raid1","password":"hunter2"}` || !cmp.Equal(script.Run.Secrets, []string{"password"}) {
		t.Errorf("the step gets %s", script.Run.Args)
	}
	if message, err := json.Marshal(job.Steps); err != nil || strings.Contains(string(message), "IyEvYmlu") { // #!/bin in base64
		t.Errorf("the message holds the bytes of a plug-in: %v", err)
	}
}

// TestTheMirrorHoldsPlugins: no machine boots before every plug-in with a URL is in the mirror, and small enough.
func TestTheMirrorHoldsPlugins(t *testing.T) {
	t.Parallel()
	r, desired, _ := pluginRig(t)
	r.desired = desired
	r.mirrored()
	if got := r.observe().Image; got.State != inventory.ImageMissing {
		t.Errorf("without the plug-in the image is %+v", got)
	}
	r.mirrorPlugin(pluginBytes)
	if got := r.observe().Image; got.State != inventory.ImageReady {
		t.Errorf("with the plug-in the image is %+v", got)
	}
	r.wantDone(act.FetchImage)
	if err := os.Truncate(filepath.Join(r.mirror, "sha256-"+digest(pluginBytes)), wire.MaxPlugin+1); err != nil {
		t.Fatal(err)
	}
	if got := r.observe().Image; got.State != inventory.ImageFailed || !strings.Contains(got.Error, "a plug-in of Step raid has 134217729 bytes") {
		t.Errorf("with a plug-in that is too large the image is %+v", got)
	}
}
