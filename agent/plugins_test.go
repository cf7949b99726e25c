package agent_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gitmetal/ingot/agent"
	"github.com/gitmetal/ingot/agent/wire"
	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/steps"
)

// mirror is what the mirror of newHub holds under every digest.
const mirror = "image of an OS"

// pluginOf is a plug-in of that many bytes.
func pluginOf(size int) wire.Plugin {
	body := bytes.Repeat([]byte("p"), size)
	sum := sha256.Sum256(body)
	return wire.Plugin{Name: "raid", SHA256: hex.EncodeToString(sum[:]), Size: int64(size), Step: "create", Body: body}
}

// TestPluginsReachTheMachine: the bytes come beside the job, verified, and what the plug-ins say comes back.
func TestPluginsReachTheMachine(t *testing.T) {
	t.Parallel()
	small, large := pluginOf(1<<10), pluginOf(9<<20)
	other := pluginOf(1 << 10)
	other.Size++
	mirrored := wire.Plugin{Name: "mirrored", Size: int64(len(mirror)), Step: "create"}
	sum := sha256.Sum256([]byte(mirror))
	mirrored.SHA256 = hex.EncodeToString(sum[:])
	damaged := mirrored
	damaged.SHA256 = small.SHA256
	for name, test := range map[string]struct {
		kind    string
		plugins []wire.Plugin
		want    string // error of the job
	}{
		"describe":        {wire.JobDescribe, []wire.Plugin{small, large, small}, ""},
		"a step":          {wire.JobStep, []wire.Plugin{large, small}, ""},
		"another size":    {wire.JobStep, []wire.Plugin{other}, "plug-in raid: the daemon's file is not the one of the job"},
		"from the mirror": {wire.JobStep, []wire.Plugin{mirrored}, ""},
		"other bytes":     {wire.JobStep, []wire.Plugin{damaged}, "plug-in mirrored: the daemon's file is not the one of the job: it has another digest"},
		"far too large":   {wire.JobStep, []wire.Plugin{{Name: "raid", Size: wire.MaxPlugin + 1}}, "this agent takes at most"},
		"no size at all":  {wire.JobStep, []wire.Plugin{{Name: "raid", Size: -1}}, "this agent takes at most"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h, boot := newHub(t)
			m := newMachine()
			got := make(chan []wire.Plugin, 1)
			said := []wire.Described{{SHA256: small.SHA256, Name: "raid", Version: "1.4.0", Step: "create", Support: wire.SupportVendor}}
			m.do = func(_ context.Context, step wire.Step, s agent.Session) (*wire.BootEntry, error) {
				if step.Script != nil {
					got <- step.Script.Plugins
				} else {
					got <- step.Describe[0].Plugins
				}
				s.NoteDescribed(said)
				return nil, nil
			}
			run(t, agent.Config{Boot: boot, Machine: m, Log: slog.New(slog.DiscardHandler)})
			h.until("its hardware", func(s inventory.AgentState) bool { return s.Facts != nil })
			step, script := wire.Step{Name: "raid", Timeout: time.Minute}, wire.Script{Plugins: test.plugins, Run: &wire.Run{ID: "raid"}}
			if step.Script = &script; test.kind == wire.JobDescribe {
				step.Script, step.Describe = nil, []wire.Script{script}
			}
			h.assign(wire.Job{ID: "op1", Attempt: 1, Kind: test.kind, Epoch: epoch, Steps: []wire.Step{step}})
			s := h.until("the end of the job", func(s inventory.AgentState) bool {
				return s.Job.State == inventory.JobSucceeded || s.Job.State == inventory.JobFailed
			})
			if (s.Job.State == inventory.JobSucceeded) != (test.want == "") || !strings.Contains(s.Job.Error, test.want) {
				t.Fatalf("job = %+v, want the error %q", s.Job, test.want)
			}
			if test.want != "" {
				if len(got) > 0 || !strings.Contains(s.Job.Error, "nothing was done") {
					t.Errorf("the machine got a step; error %s", s.Job.Error)
				}
				return
			}
			for i, p := range <-got {
				want := test.plugins[i]
				if want.Body == nil {
					want.Body = []byte(mirror)
				}
				if diff := cmp.Diff(want, p); diff != "" {
					t.Errorf("the machine got another plug-in: %.300s", diff)
				}
			}
			want := []steps.Described{{SHA256: small.SHA256, Name: "raid", Version: "1.4.0", Step: "create", Support: "vendor"}}
			if diff := cmp.Diff(want, s.Job.Described); diff != "" {
				t.Errorf("described (-want +got):\n%s", diff)
			}
		})
	}
}
