package effects_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gitmetal/ingot/agent/hub"
	"github.com/gitmetal/ingot/agent/wire"
	"github.com/gitmetal/ingot/boot/ignition"
	"github.com/gitmetal/ingot/boot/images"
	"github.com/gitmetal/ingot/boot/media"
	"github.com/gitmetal/ingot/internal/lab/bmc"
	"github.com/gitmetal/ingot/internal/lab/ports"
	"github.com/gitmetal/ingot/internal/secret"
	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/refs"
	"github.com/gitmetal/ingot/reconcile"
	"github.com/gitmetal/ingot/reconcile/act"
	"github.com/gitmetal/ingot/reconcile/effects"
	"github.com/gitmetal/ingot/reconcile/journal"
	"github.com/gitmetal/ingot/schemas"
)

var (
	_ reconcile.Observer = (*effects.Effects)(nil)
	_ reconcile.Executor = (*effects.Effects)(nil)
	_ reconcile.Journal  = (*journal.Journal)(nil)
	_ hub.Store          = (*journal.Journal)(nil)
	_ hub.Images         = (*images.Store)(nil)
)

const password = "correct horse battery staple"

// machine runs until it is told to end.
type machine struct {
	mu    sync.Mutex
	exits chan bmc.Exit
	boots []bmc.Boot
}

func (m *machine) Start(_ context.Context, boot bmc.Boot) (<-chan bmc.Exit, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.exits = make(chan bmc.Exit, 1)
	m.boots = append(m.boots, boot)
	return m.exits, nil
}

func (m *machine) Stop(context.Context, bmc.Stop) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.exits != nil {
		m.exits <- bmc.Exit{Cause: bmc.PoweredOff}
		close(m.exits)
		m.exits = nil
	}
	return nil
}

// documents is the hub's store.
type documents struct {
	mu     sync.Mutex
	data   map[string][]byte
	broken error
}

func (d *documents) Load(_ context.Context, host string) ([]byte, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.data[host], d.broken
}

func (d *documents) Save(_ context.Context, host string, document []byte) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.data[host] = document
	return d.broken
}

// imageBytes is the operating system of the tests.
var imageBytes = []byte("an operating system")

func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// ramdisk makes the smallest ISO that the media server takes.
func ramdisk(t *testing.T) *media.ISO {
	t.Helper()
	data := make([]byte, 2048+wire.OverlaySize)
	copy(data, wire.ProtocolMagic+strconv.Itoa(wire.Version)+"\n")
	copy(data[2048:], wire.OverlayMagic)
	file := filepath.Join(t.TempDir(), "ramdisk.iso")
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	iso, err := media.OpenISO(file)
	if err != nil {
		t.Fatal(err)
	}
	return iso
}

// rig is effects over a virtual BMC and a real hub.
type rig struct {
	*effects.Effects
	t        *testing.T
	bmc      *bmc.BMC
	machine  *machine
	hub      *hub.Hub
	store    *documents
	iso      *media.ISO
	media    *media.Server
	mirror   string
	images   *images.Store
	secrets  map[string]map[string]secret.Value
	logs     bytes.Buffer
	mask     func(string) string // nil: as said
	profiles effects.Profiles    // nil: none are kept
	runs     effects.Runs
	desired  inventory.Desired
	record   inventory.Record
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{
		t: t, machine: &machine{}, store: &documents{data: map[string][]byte{}}, iso: ramdisk(t), mirror: t.TempDir(),
		secrets: map[string]map[string]secret.Value{
			"bmc-r1": {"username": secret.New("admin"), "password": secret.New(password)},
			"web":    {"key": secret.New("the-key")},
		},
	}
	r.serve()
	identity, err := hub.CreateIdentity(filepath.Join(t.TempDir(), "identity"))
	if err != nil {
		t.Fatal(err)
	}
	store, err := images.New(images.Config{Dir: r.mirror})
	if err != nil {
		t.Fatal(err)
	}
	r.images = store
	r.hub = hub.New(hub.Config{Identity: identity, Store: r.store})
	r.restart()
	pin, err := r.bmc.Fingerprint()
	if err != nil {
		t.Fatal(err)
	}
	r.desired = inventory.Desired{
		ID: "web-03", Name: "web-03",
		BMC: &schemas.BMC{Address: r.bmc.URL(), Credentials: "bmc-r1", TLS: schemas.BMCTLS{Fingerprint: pin}},
		Network: &schemas.Networks{Ramdisk: &schemas.Network{Interfaces: []schemas.Interface{{Name: "mgmt",
			Type: "ethernet"}}}},
		Workload: &inventory.Workload{
			Name: "web", Image: schemas.Image{URL: "http://127.0.0.1:1/os.raw.zst?x=1", SHA256: digest(imageBytes)},
			KernelArguments: []string{"quiet"},
			Steps: []inventory.Step{{Name: "wipe", Script: []byte("#!/bin/sh\n"), Seconds: 60},
				{Name: schemas.StepInstall, Seconds: 3600}},
		},
	}
	r.record = inventory.Record{
		ID: "web-03", Epoch: 4,
		Boot: &inventory.Boot{ID: "boot1", Target: inventory.FromRamdisk, Epoch: 4, Stage: inventory.Preparing},
		Operation: &inventory.Operation{
			ID: "op1", Kind: inventory.Install, Stage: inventory.Working, Attempt: 2, Commit: "abc", Cursor: 1,
			Steps: []inventory.StepState{{Name: "wipe", State: inventory.StepDone, Attempt: 2},
				{Name: schemas.StepInstall, State: inventory.StepWorking, Attempt: 2}},
			Disks: []inventory.OperationDisk{{Disk: inventory.DiskID{WWN: "5000c500a1b2c3d4", Serial: "S1",
				Size: 1 << 34}}},
		},
	}
	return r
}

func (r *rig) serve() {
	r.t.Helper()
	b, err := bmc.New(bmc.Config{
		Identity: bmc.Identity{Manufacturer: "ingot", Model: "lab-1", Serial: "LAB0001",
			UUID: "00000000-0000-4000-8000-000000000001"},
		Username: "admin", Password: secret.New(password),
	}, r.machine)
	if err != nil {
		r.t.Fatal(err)
	}
	// where no other test's BMC was: what an address has refused is remembered
	listener, err := ports.Listen(r.t.Context())
	if err != nil {
		r.t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	var serving sync.WaitGroup
	serving.Go(func() {
		if err := b.Serve(ctx, listener); err != nil {
			r.t.Error(err)
		}
	})
	r.t.Cleanup(func() {
		stop()
		serving.Wait()
		if err := b.Close(context.Background()); err != nil {
			r.t.Error(err)
		}
	})
	for deadline := time.After(2 * time.Minute); b.URL() == ""; {
		select {
		case <-deadline:
			r.t.Fatal("the BMC does not listen")
		case <-time.After(time.Millisecond):
		}
	}
	r.bmc = b
}

// restart makes new effects, as a restarted daemon has them.
func (r *rig) restart() {
	r.t.Helper()
	r.media = media.NewServer(r.iso, "http://127.0.0.1:9", []byte("the key"), time.Now)
	made, err := effects.New(effects.Config{
		Runs: r.runs, Mask: r.mask, Profiles: r.profiles, Hub: r.hub, Media: r.media, Images: r.images, URLs: []string{"https://ingot:7443"}, Pin: "the-pin",
		Log: slog.New(slog.NewTextHandler(&r.logs, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Secrets: func(name string) (map[string]secret.Value, error) {
			if data, ok := r.secrets[name]; ok {
				return data, nil
			}
			return nil, fmt.Errorf("secret %s is not in the fleet: add it", name)
		},
	})
	if err != nil {
		r.t.Fatal(err)
	}
	r.Effects = made
	r.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		made.Close(ctx)
	})
}

func (r *rig) do(action act.Action) act.Outcome {
	r.t.Helper()
	return r.Do(r.t.Context(), r.desired, r.record, action)
}

func (r *rig) wantDone(kinds ...act.Kind) {
	r.t.Helper()
	for _, kind := range kinds {
		if got := r.do(act.Action{Kind: kind}); got.Result != act.Done {
			r.t.Fatalf("%s = %+v, want Done", kind, got)
		}
	}
}

// url is where the record's medium is served.
func (r *rig) url() string {
	return r.media.URL(media.Key{Host: string(r.record.ID), Boot: r.record.Boot.ID, Epoch: r.record.Boot.Epoch})
}

// get reads a medium as a BMC does.
func (r *rig) get(url string) (int, []byte) {
	r.t.Helper()
	recorder := httptest.NewRecorder()
	r.media.ServeHTTP(recorder, httptest.NewRequestWithContext(r.t.Context(), http.MethodGet, url, http.NoBody))
	return recorder.Code, recorder.Body.Bytes()
}

// mirrored puts the image into the mirror.
func (r *rig) mirrored() {
	r.t.Helper()
	if err := os.WriteFile(filepath.Join(r.mirror, "sha256-"+digest(imageBytes)), imageBytes, 0o600); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) observe() inventory.Observed {
	r.t.Helper()
	served := r.Serve(r.t.Context(), r.desired, r.record)
	observed := r.Observe(r.t.Context(), r.desired, r.record)
	observed.Agent = served.Agent(observed.Agent, r.record.Epoch)
	return observed
}

func TestAMachineIsStartedFromItsMediumAndThenFromItsDisk(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for range 2 { // doing it again is Done, and changes nothing
		r.wantDone(act.PowerOff, act.EjectMedia, act.InsertMedia, act.BootFromMedia)
	}
	r.wantDone(act.PowerOn, act.PowerOn)
	url := r.url()
	status, medium := r.get(url)
	for _, want := range []string{r.hub.BootToken("web-03", "boot1", 4).Reveal(), "the-pin", "https://ingot:7443",
		"Name=mgmt"} {
		if status != http.StatusOK || !bytes.Contains(medium, []byte(want)) {
			t.Errorf("medium = %d without %q", status, want)
		}
	}
	r.record.Boot.Stage = inventory.Running

	got := r.observe()
	if got.BMC.Reach != inventory.Reached || got.BMC.Power != inventory.PoweredOn ||
		got.BMC.System.Serial != "LAB0001" || got.BMC.Override.Target != "Cd" {
		t.Errorf("BMC = %+v", got.BMC)
	}
	if len(got.BMC.Media) != 1 || !got.BMC.Media[0].Inserted || got.BMC.Media[0].Image != url || got.Media.URL != url ||
		got.Media.Reads != 1 {
		t.Errorf("slots %+v, media %+v, want %s in the drive", got.BMC.Media, got.Media, url)
	}
	r.record.Boot = &inventory.Boot{ID: "boot2", Target: inventory.FromDisk, Epoch: 5}
	r.wantDone(act.PowerOff, act.EjectMedia, act.BootFromDisk, act.PowerOn)
	r.observe()
	if status, _ := r.get(url); status != http.StatusNotFound || r.bmc.Medium().Inserted {
		t.Errorf("after the eject: %s is %d, drive %+v", url, status, r.bmc.Medium())
	}
	r.machine.mu.Lock()
	defer r.machine.mu.Unlock()
	want := []bmc.Boot{{From: bmc.FromCD, MediaURL: url}, {From: bmc.FromDisk}}
	if diff := cmp.Diff(want, r.machine.boots); diff != "" {
		t.Errorf("boots (-want +got):\n%s", diff)
	}
}

func TestARestartedDaemonServesWhatItServed(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.wantDone(act.InsertMedia)
	url := r.url()
	r.restart()
	if got := r.observe().Media.URL; got != url {
		t.Errorf("served after a restart: %q, want %s", got, url)
	}
	if status, medium := r.get(url); status != http.StatusOK ||
		!bytes.Contains(medium, []byte(r.hub.BootToken("web-03", "boot1", 4).Reveal())) {
		t.Errorf("medium after a restart = %d", status)
	}
	r.record.Boot = &inventory.Boot{ID: "boot2", Target: inventory.FromDisk, Epoch: 5}
	got := r.observe().Media.URL
	if status, _ := r.get(url); got != "" || status != http.StatusNotFound {
		t.Errorf("the medium of a boot that is over: %q, %d", got, status)
	}
}

func TestTheAgentGetsExactlyItsJob(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.mirrored()
	r.wantDone(act.FetchImage, act.InsertMedia)
	if got := r.do(act.Action{Kind: act.AssignStep, Contents: []string{wire.ContentBlank}}); got.Result != act.Done {
		t.Fatalf("AssignStep = %+v", got)
	}
	if got := r.observe().Agent.Job; got.ID != "op1.2.2" || got.Attempt != 2 || got.State != inventory.JobAssigned ||
		got.Kind != wire.JobWrite {
		t.Errorf("job = %+v", got)
	}
	job, err := effects.Job(r.Effects, r.desired, r.record, act.Action{Contents: []string{wire.ContentBlank}})
	if err != nil {
		t.Fatal(err)
	}
	request := effects.Request(r.Effects, r.desired, r.record)
	config, err := ignition.Render(request)
	if err != nil || len(config) == 0 {
		t.Fatalf("Render = %d bytes, %v", len(config), err)
	}
	wipe := wire.Step{Name: "wipe", Timeout: time.Minute, Script: &wire.Script{Body: []byte("#!/bin/sh\n"),
		Run: &wire.Run{Operation: "op1", Step: "wipe", ID: "wipe", Attempts: 1,
			Machine: wire.RunMachine{ID: string(r.record.ID), Name: r.desired.Name, Labels: r.desired.Labels}}}}
	want := hub.Assignment{Operation: "op1",
		Job: wire.Job{ID: "op1.2.2", Attempt: 2, Kind: wire.JobWrite, Epoch: 4, Steps: []wire.Step{
			{Name: "install", Timeout: time.Hour, Install: &wire.Install{
				ID: "op1",
				Disk: wire.DiskRef{Serial: "S1", WWN: "5000c500a1b2c3d4", Size: 1 << 34,
					Content: wire.ContentBlank},
				Image:    wire.Image{SHA256: digest(imageBytes), Size: int64(len(imageBytes)), Name: "os.raw.zst"},
				Ignition: config, KernelArguments: []string{"quiet"},
			}},
		}}}
	if diff := cmp.Diff(want, job); diff != "" {
		t.Errorf("job (-want +got):\n%s", diff)
	}
	script := hub.Assignment{Operation: "op1",
		Job: wire.Job{ID: "op1.1.2", Attempt: 2, Kind: wire.JobStep, Epoch: 4, Steps: []wire.Step{wipe}}}
	list := want // of an operation that ingot 4176809 armed
	list.ID, list.Kind, list.Steps = "op1", wire.JobInstall, append([]wire.Step{wipe}, want.Steps...)
	for want, change := range map[*hub.Assignment]func(*inventory.Operation){
		&script: func(op *inventory.Operation) { op.Cursor = 0 },
		&list:   func(op *inventory.Operation) { op.Cursor, op.Steps = 0, nil },
	} {
		record, operation := r.record, r.record.Operation.Clone()
		change(operation)
		record.Operation = operation
		job, err := effects.Job(r.Effects, r.desired, record, act.Action{Contents: []string{wire.ContentBlank}})
		if diff := cmp.Diff(*want, job); diff != "" || err != nil {
			t.Errorf("job, %v (-want +got):\n%s", err, diff)
		}
	}
	changed := r.record.Operation.Clone()
	changed.Steps[1].Name = "erase"
	if _, err := effects.Job(r.Effects, r.desired, inventory.Record{Operation: changed, Boot: r.record.Boot},
		act.Action{}); err == nil {
		t.Error("a step that the workload does not have was handed out")
	}
	other := r.record
	operation := *other.Operation.Clone()
	// as a journal from before may have it
	operation.Disks[0].Disk = inventory.DiskID{WWN: "0x0000000000000000", Serial: "None", Path: "pci-1", Size: 1 << 34}
	other.Operation = &operation
	if job, err := effects.Job(r.Effects, r.desired, other, act.Action{Contents: []string{wire.ContentBlank}}); err != nil ||
		job.Steps[0].Install.Disk != (wire.DiskRef{Path: "pci-1", Size: 1 << 34, Content: wire.ContentBlank}) {
		t.Errorf("a job for a disk with placeholders: %+v, %v, want its path and size alone", job.Steps, err)
	}
	home := request.PhoneHome
	if home == nil || home.Install != "op1" || home.Commit != "abc" || home.Epoch != 4 || home.Attempt != 2 ||
		!home.Token.Equal(r.hub.PhoneHomeToken("web-03", "op1", 4, 2)) {
		t.Errorf("phone-home = %+v", home)
	}
	if request.Host != "web-03" || request.Network == nil || request.Network.Interfaces[0].Name != "mgmt" {
		t.Errorf("rendered for %s with network %+v, want the ramdisk's", request.Host, request.Network)
	}
	r.desired.Workload.PhoneHome = schemas.PhoneHomeDisabled
	if got := effects.Request(r.Effects, r.desired, r.record).PhoneHome; got != nil {
		t.Errorf("phone-home of a workload that has it disabled = %+v", got)
	}
	if value, err := effects.Secret(r.Effects, refs.Secret{Name: "web", Key: "key"}); err != nil ||
		value.Reveal() != "the-key" {
		t.Errorf("secret = %v, %v", value, err)
	}
	if _, err := effects.Secret(r.Effects, refs.Secret{Name: "web", Key: "other"}); err == nil ||
		strings.Contains(err.Error(), "the-key") {
		t.Errorf("missing key = %v, want an error without the secret", err)
	}
}

func TestNothingIsAssignedAcrossEpochs(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.mirrored()
	r.wantDone(act.InsertMedia)
	if err := r.hub.Expect(t.Context(), "web-03", "boot2", 5, ""); err != nil {
		t.Fatal(err)
	}
	if got := r.do(act.Action{Kind: act.AssignStep, Contents: []string{wire.ContentBlank}}); got.Result == act.Done {
		t.Errorf("AssignStep of an older epoch = %+v", got)
	}
	if got := r.do(act.Action{Kind: act.AssignPowerOff}); got.Result == act.Done {
		t.Errorf("AssignPowerOff without an agent = %+v", got)
	}
	got := r.observe()
	if got.Agent.Job.State != inventory.NoJob || got.Agent.Alarm == "" {
		t.Errorf("agent = %+v, want no job, and hands off: the record is older than the hub", got.Agent)
	}
}

func TestAnUnreadableJournalIsNotAnAbsentAgent(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.store.broken = errors.New("no quorum")
	if got := r.observe().Agent; !strings.Contains(got.Unknown, "no quorum") {
		t.Errorf("agent = %+v, want it to say that nothing is known", got)
	}
}

func TestImagesAreFetchedWithoutWaiting(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	if got := r.observe().Image; got.State != inventory.ImageMissing {
		t.Errorf("image before anybody asked = %+v", got)
	}
	if got := r.do(act.Action{Kind: act.FetchImage}); got.Result != act.Waits ||
		r.observe().Image.State != inventory.ImageFetching {
		t.Errorf("FetchImage = %+v, want Waiting while it is fetched", got)
	}

	r.desired.Workload.Image.URL = "absent.raw" // a path in the mirror
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { _ = r.images.Run(ctx) })
	defer running.Wait()
	defer stop()
	got := r.do(act.Action{Kind: act.FetchImage})
	for deadline := time.After(2 * time.Minute); r.observe().Image.State != inventory.ImageFailed; got = r.do(
		act.Action{Kind: act.FetchImage}) {
		select {
		case <-deadline:
			t.Fatal("the fetch never ended")
		case <-time.After(time.Millisecond):
		}
	}
	got = r.do(act.Action{Kind: act.FetchImage})
	if got.Result != act.Waits || !strings.Contains(got.Why, "absent.raw") || r.observe().Image.State != inventory.ImageFailed {
		t.Errorf("FetchImage of what is not there = %+v, want a wait that names it: the store tries again", got)
	}
}

// TestFailuresKeepTheirKind: what cannot be read is never read as off or empty, and says what to do.
func TestFailuresKeepTheirKind(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		spoil func(*rig)
		reach inventory.Reach
		want  act.Result
	}{
		"wrong password": {
			func(r *rig) {
				r.secrets["bmc-r1"] = map[string]secret.Value{"username": secret.New("admin"),
					"password": secret.New("hunter2hunter2")}
			}, inventory.Unauthorized, act.Stalled,
		},
		"no such secret": {func(r *rig) { r.desired.BMC.Credentials = "gone" }, inventory.SecretUnusable, act.Stalled},
		"nobody there": {func(r *rig) { r.desired.BMC.Address = "https://127.0.0.1:1/redfish/v1/Systems/1" },
			inventory.Unreachable, act.Retry},
		"garbage": {func(r *rig) { r.bmc.Inject(func(f *bmc.Faults) { f.Garbage = true }) }, inventory.Refused,
			act.Retry},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			c.spoil(r)
			got := r.observe().BMC
			if got.Reach != c.reach || got.Error == "" || got.Power != inventory.PowerUnknown || got.Media != nil {
				t.Errorf("BMC = %+v, want %s with words and nothing else", got, c.reach)
			}
			for _, kind := range []act.Kind{act.PowerOff, act.PowerOn, act.EjectMedia, act.InsertMedia,
				act.BootFromMedia, act.BootFromDisk} {
				if outcome := r.do(act.Action{Kind: kind}); outcome.Result != c.want || outcome.Why == "" {
					t.Errorf("%s = %+v, want %s with words", kind, outcome, c.want)
				}
			}
			if words := got.Error + r.logs.String(); strings.Contains(words, "hunter2hunter2") ||
				strings.Contains(words, password) {
				t.Errorf("the password is in %s", words)
			}
		})
	}
}

func TestNewCredentialsAreUsedAtOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	if got := r.observe().BMC.Reach; got != inventory.Reached {
		t.Fatalf("reach = %s", got)
	}
	r.bmc.SetPassword(secret.New("another long password"))
	r.secrets["bmc-r1"] = map[string]secret.Value{"username": secret.New("admin"),
		"password": secret.New("another long password")}
	if got := r.observe().BMC; got.Reach != inventory.Reached {
		t.Errorf("BMC after a change of password = %+v", got)
	}
}

// A host at rest keeps its phase while its BMC is lost: the log says it once, with the reason, and when it is over.
func TestALostBMCIsLoggedOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	good := r.secrets["bmc-r1"]
	for range 2 {
		r.observe()
		delete(r.secrets, "bmc-r1") // as a Secret that cannot be opened
		r.observe()
		r.observe()
		r.secrets["bmc-r1"] = good
		r.observe()
	}
	const lost = `msg="BMC not reached" host=web-03 cause=SecretUnusable why="secret bmc-r1 is not`
	for words, want := range map[string]int{lost: 2, `msg="BMC reached again"`: 2} {
		if got := strings.Count(r.logs.String(), words); got != want {
			t.Errorf("the log has %d × %s, want %d:\n%s", got, words, want, r.logs.String())
		}
	}
}

// When a system is asked again is the planner's to say; effects keep no memory of requests.
func TestAWaitSendsNothing(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.wantDone(act.PowerOn)
	r.bmc.Inject(func(f *bmc.Faults) { f.GracefulIgnored = true })
	for _, action := range []act.Action{
		{Kind: act.PowerOff, Graceful: true},
		{Kind: act.PowerOff, Graceful: true, Wait: true},
		{Kind: act.PowerOff, Wait: true},
	} {
		if got := r.do(action); got.Result != act.Waits {
			t.Errorf("%+v of a machine that ignores it = %+v, want Waiting", action, got)
		}
	}
	if got := r.bmc.Log().Counts().Faults["GracefulIgnored"]; got != 1 {
		t.Errorf("asked %d times, want once", got)
	}
	for deadline := time.Now().Add(2 * time.Minute); r.do(act.Action{Kind: act.PowerOff}).Result != act.Done; {
		if time.Now().After(deadline) {
			t.Fatal("the machine never went off")
		}
	}
	if got := r.observe().BMC.Power; got != inventory.PoweredOff {
		t.Errorf("power = %s, want Off", got)
	}
}

func TestActionsForTheJournalHaveNoEffect(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for _, kind := range []act.Kind{act.OpenOperation, act.Publish, act.RecordHome, "Unknown"} {
		if got := r.do(act.Action{Kind: kind}); got.Result != act.Stalled {
			t.Errorf("%s = %+v, want Stalled", kind, got)
		}
	}
}

func TestAHostWithoutBMCIsNotAsked(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.desired = inventory.Desired{ID: "web-03", Name: "web-03"}
	if got := r.observe(); got.BMC.Reach != inventory.NotAsked || got.Image.State != inventory.ImageMissing {
		t.Errorf("observed = %+v", got)
	}
	if got := r.do(act.Action{Kind: act.PowerOff}); got.Result != act.Stalled {
		t.Errorf("PowerOff = %+v, want Stalled", got)
	}
}
