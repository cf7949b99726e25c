package effects_test

import (
	"strings"
	"testing"
	"time"

	"github.com/gitmetal/ingot/internal/secret"
	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/refs"
	"github.com/gitmetal/ingot/reconcile/act"
	"github.com/gitmetal/ingot/reconcile/plan"
	"github.com/gitmetal/ingot/reconcile/plan/change"
)

// configured has the host's workload use a secret.
func (r *rig) configured(source string) {
	w := r.desired.Workload
	w.Butane = &inventory.Butane{Path: "workloads/web.bu", Source: []byte("variant: fcos\nversion: 1.6.0\n" + source)}
	w.Parts, w.Secrets = map[string]string{"butane": source}, []refs.Secret{{Name: "web", Key: "key"}}
	r.record.Operation = nil
}

func TestAConfigIsRenderedBeforeAnythingIsBootedForIt(t *testing.T) {
	t.Parallel()
	const file = "storage:\n  files:\n    - {path: /etc/key, contents: {inline: \"${secret.web.key}\"}}\n"
	for name, test := range map[string]struct {
		change func(*rig)
		want   string // in the error; "" for none
	}{
		"it renders":         {func(*rig) {}, ""},
		"the secret is gone": {func(r *rig) { delete(r.secrets, "web") }, "secret web is not in the fleet"},
		"so is its key":      {func(r *rig) { r.secrets["web"] = nil }, `no key "key"`},
		"the secret breaks it": {func(r *rig) {
			r.configured("storage:\n  files:\n    - {path: \"${secret.web.key}\", contents: {inline: x}}\n")
		}, "workloads/web.bu:5"},
		"it is too large": {func(r *rig) {
			r.configured("passwd:\n  users:\n    - {name: core, password_hash: \"${secret.web.key}\"}\n")
			r.secrets["web"]["key"] = secret.New(strings.Repeat("x", 65<<20))
		}, "at most 64 MiB can be delivered"},
		"nothing is to be installed": {func(r *rig) {
			delete(r.secrets, "web")
			r.record.Installed = &inventory.Installed{Inputs: r.desired.Workload.Inputs}
		}, ""},
		"it is written": {func(r *rig) {
			delete(r.secrets, "web")
			r.record.Operation = &inventory.Operation{ID: "op1", Kind: inventory.Install, Stage: inventory.Confirming}
		}, ""},
		"it is on its way": {func(r *rig) {
			delete(r.secrets, "web")
			r.record.Operation = &inventory.Operation{ID: "op1", Kind: inventory.Install, Stage: inventory.Published}
		}, "secret web is not in the fleet"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			r.configured(file)
			test.change(r)
			got := r.observe().Config.Error
			if (test.want == "") != (got == "") || !strings.Contains(got, test.want) {
				t.Errorf("Config = %q, want %q in it", got, test.want)
			}
			if strings.Contains(got, "the-key") || strings.Contains(got, "\n") || len(got) > 1000 {
				t.Errorf("Config = %.200q, want one line without the secret", got)
			}
		})
	}
}

// The planner holds a host whose config cannot be had, and lets it go on when it can.
func TestAConfigThatCannotBeHadBootsNothing(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.mirrored()
	r.wantDone(act.FetchImage)
	r.configured("storage:\n  files:\n    - {path: /etc/key, contents: {inline: \"${secret.web.key}\"}}\n")
	r.record = inventory.Record{ID: "web-03"}
	r.desired.Lifecycle, r.desired.Commit = "Managed", "abc"
	off := func() inventory.Observed { // for long
		o := r.observe()
		o.Evidence.Off = time.Hour
		return o
	}
	pins := plan.Next(r.desired, off(), time.Now())
	if pins.Action == nil || pins.Action.Kind != act.PinIdentity {
		t.Fatalf("plan = %+v, want the machine pinned first", pins)
	}
	r.record = act.Begin(r.record, *pins.Action, time.Now())
	kept := r.secrets["web"]
	delete(r.secrets, "web")
	p := plan.Next(r.desired, off(), time.Now())
	if p.Action != nil || p.Hold == nil || p.Hold.Reason != change.ConfigUnusable || p.Phase != plan.Held {
		t.Errorf("plan = %+v, want it held for the config", p)
	}
	r.secrets["web"] = kept
	if p := plan.Next(r.desired, off(), time.Now()); p.Hold != nil && p.Hold.Reason == change.ConfigUnusable {
		t.Errorf("plan = %+v, want it to go on", p)
	}
}
