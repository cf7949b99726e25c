package effects_test

import (
	"bytes"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/gitmetal/ingot/boot/media"
	"github.com/gitmetal/ingot/internal/lab/sim"
	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/runs"
	"github.com/gitmetal/ingot/reconcile/act"
)

// heard is a store of results for one run.
type heard struct {
	begun  []string
	limits runs.Limits
	report runs.Report
	broken error
}

func (h *heard) Begin(run runs.Run, limits runs.Limits) error {
	h.begun, h.limits = append(h.begun, run.ID+" on "+run.Boot), limits
	return h.broken
}

func (h *heard) Finish(_ string, ended runs.Ended) error {
	if h.report.Ended == nil && h.report.Orphan == "" {
		h.report.Ended = &ended
	}
	return h.broken
}

func (h *heard) GiveUp(_, why string) error {
	if h.report.Ended == nil && h.report.Orphan == "" {
		h.report.Orphan = why
	}
	return h.broken
}

func (h *heard) Report(string) (runs.Report, error) { return h.report, h.broken }

func (h *heard) Access(id string) (path, token string) { return "/v1/runs/" + id, "the-run-token" }

// newKernelRig is a rig whose machine has a run of a kernel, with the kernel in the mirror.
func newKernelRig(t *testing.T) (*rig, *heard) {
	t.Helper()
	r, results := newRig(t), &heard{}
	image := filepath.Join(t.TempDir(), "medium.iso")
	kernel := sim.NewKernel()
	if err := errors.Join(os.WriteFile(image, sim.NewMedium(), 0o600),
		os.WriteFile(filepath.Join(r.mirror, "sha256-"+digest(kernel)), kernel, 0o600)); err != nil {
		t.Fatal(err)
	}
	var err error
	if r.iso, err = media.OpenISO(image); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.iso.Close() })
	r.runs = results
	r.restart()
	work := &runs.Work{Workload: "own", Batch: "b1", Results: runs.Limits{MaxSize: 7}, Kernel: &runs.Kernel{
		Kernel: runs.Fetched{URL: "http://127.0.0.1:1/vmlinuz", SHA256: digest(kernel)}, Arguments: []string{"quiet"}}}
	r.desired.Workload, r.desired.Run = nil, work
	run := work.BeginRun(runs.Run{ID: "r-1", Workload: "own", Batch: "b1"}, "abc")
	run.Stage = runs.Booting
	r.record.Operation, r.record.Run = nil, &run
	return r, results
}

// TestAKernelIsServed: the medium has the run's values, the run may leave files before the machine starts, and no agent is
// expected.
func TestAKernelIsServed(t *testing.T) {
	t.Parallel()
	r, results := newKernelRig(t)
	if got := r.observe(); got.Media.URL != r.url() || got.Agent.Unknown != "" || got.Image.State != inventory.ImageReady {
		t.Fatalf("observed %+v", got)
	}
	status, medium := r.get(r.url())
	for _, want := range []string{"INGOT_URL='https://ingot:7443/v1/runs/r-1'", "INGOT_PIN='sha256//the-pin'", "'INGOT_TOKEN=the-run-token'", "'quiet'"} {
		if status != http.StatusOK || !bytes.Contains(medium, []byte(want)) {
			t.Errorf("medium = %d without %q", status, want)
		}
	}
	if len(results.begun) == 0 || results.begun[0] != "r-1 on boot1" || results.limits.MaxSize != 7 {
		t.Errorf("begun %q with %+v", results.begun, results.limits)
	}
	r.wantDone(act.AssignRun)
	results.report = runs.Report{Ended: &runs.Ended{Exit: 3}}
	if got := r.observe(); got.Run.Ended == nil || got.Run.Ended.Exit != 3 {
		t.Errorf("observed %+v, want the end of the run", got.Run)
	}
	results.broken = errors.New("a broken store")
	if got := r.observe(); got.Agent.Unknown == "" {
		t.Errorf("observed %+v, want it unknown", got.Agent)
	}
}

// TestTheMediumOfARunThatIsOver: a restarted daemon that does not know the Workload any more serves a medium that starts
// nothing, so that it is told from others and ejected; a run that is over leaves nothing more.
func TestTheMediumOfARunThatIsOver(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*rig){
		"its Workload is gone": func(r *rig) { r.desired.Run = nil },
		"another batch":        func(r *rig) { r.desired.Run.Batch = "b2" },
		"it is over":           func(r *rig) { r.record.Run.Stage = runs.Over },
	} {
		r, results := newKernelRig(t)
		change(r)
		got := r.observe()
		if status, medium := r.get(r.url()); got.Media.URL != r.url() || status != http.StatusOK || bytes.Contains(medium, []byte("INGOT_")) {
			t.Errorf("%s: %q, %d, want a medium that starts nothing", name, got.Media.URL, status)
		}
		if over := r.record.Run.IsOver(); over != (results.report.Orphan != "") || over == (len(results.begun) > 0) {
			t.Errorf("%s: begun %q, given up %q", name, results.begun, results.report.Orphan)
		}
	}
}

// TestAnISOIsServed as it is, unless UEFI could not start it, and its run ends when it is told to.
func TestAnISOIsServed(t *testing.T) {
	t.Parallel()
	r, results := newKernelRig(t)
	iso := sim.NewISO("off")
	if err := os.WriteFile(filepath.Join(r.mirror, "sha256-"+digest(iso)), iso, 0o600); err != nil {
		t.Fatal(err)
	}
	r.desired.Run.Kernel, r.desired.Run.ISO = nil, &runs.Fetched{URL: "http://127.0.0.1:1/a.iso", SHA256: digest(iso)}
	if got := r.observe(); got.Media.URL != r.url() || got.Image.State != inventory.ImageReady || got.Kernel.Error != "" {
		t.Fatalf("observed %+v", got)
	}
	if status, medium := r.get(r.url()); status != http.StatusOK || !bytes.Equal(medium, iso) {
		t.Errorf("the medium has %d bytes, %d, want the ISO's %d", len(medium), status, len(iso))
	}
	if got := r.observe(); !got.Media.WasRead(inventory.MediumISO) {
		t.Errorf("observed %+v, want the ISO read", got.Media)
	}
	if r.wantDone(act.FinishRun); results.report.Ended == nil || results.report.Ended.Exit != 0 {
		t.Errorf("%+v, want the run ended well", results.report)
	}
	r.record.Run, r.record.Boot = nil, nil
	if got := r.observe().Kernel; got.Error != "" {
		t.Errorf("before its run: %+v", got)
	}
	r.desired.Run.ISO.SHA256 = digest(sim.NewKernel())
	if got := r.observe().Kernel; got.Error != "the ISO cannot be started from UEFI: it is no ISO 9660 image" {
		t.Errorf("of a file that is no ISO: %+v", got)
	}
}

// TestARunOfAKernelIsTakenBack: what it says from then on does not count.
func TestARunOfAKernelIsTakenBack(t *testing.T) {
	t.Parallel()
	r, results := newKernelRig(t)
	if got := r.do(act.Action{Kind: act.WithdrawRun, Error: "Failed: too long"}); got.Result != act.Done || results.report.Orphan != "Failed: too long" {
		t.Errorf("%+v, %+v", got, results.report)
	}
}

// TestWhatIsKnownOfAKernel before a run begins: who signed it, and whether the machine has what its files need.
func TestWhatIsKnownOfAKernel(t *testing.T) {
	t.Parallel()
	r, _ := newKernelRig(t)
	r.record.Run, r.record.Boot = nil, nil
	if got := r.observe().Kernel; got.Error != "" || got.Trusted || len(got.Signers) > 0 {
		t.Errorf("of a kernel that is not signed: %+v", got)
	}
	r.desired.Run.Kernel.Files = []runs.InitrdFile{{Path: "/etc/site", Content: "${vars.site}"}}
	if got := r.observe().Kernel; got.Error != "the machine has no spec.vars.site, and the file /etc/site of workload own uses it" {
		t.Errorf("without the var: %+v", got)
	}
	page := []byte("<html>")
	if err := os.WriteFile(filepath.Join(r.mirror, "sha256-"+digest(page)), page, 0o600); err != nil {
		t.Fatal(err)
	}
	r.desired.Run.Kernel = &runs.Kernel{Kernel: runs.Fetched{SHA256: digest(page)}}
	if got := r.observe().Kernel; got.Error == "" {
		t.Errorf("of a page: %+v", got)
	}
	r.desired.Run.Kernel.Kernel.SHA256 = digest([]byte("gone"))
	if got := r.observe(); got.Image.State != inventory.ImageMissing || got.Kernel.Error != "" {
		t.Errorf("of a kernel that is not there: %+v, %+v", got.Image, got.Kernel)
	}
	if got := r.do(act.Action{Kind: act.FetchImage}); got.Result != act.Waits || got.After != time.Minute {
		t.Errorf("FetchImage = %+v", got)
	}
}
