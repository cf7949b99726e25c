package effects_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gitmetal/ingot/agent/hub"
	"github.com/gitmetal/ingot/agent/wire"
	"github.com/gitmetal/ingot/internal/lab/bmc"
	"github.com/gitmetal/ingot/internal/secret"
	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/reconcile"
	"github.com/gitmetal/ingot/reconcile/effects"
	"github.com/gitmetal/ingot/reconcile/plan"
	"github.com/gitmetal/ingot/schemas"
)

var (
	_ reconcile.Observer = (*effects.Effects)(nil)
	_ reconcile.Executor = (*effects.Effects)(nil)
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

// shelf is a media server and an image mirror that only remember.
type shelf struct {
	media  map[string]effects.Medium
	images inventory.ImageState
	broken error
}

func name(host, boot string, epoch inventory.Epoch) string {
	return fmt.Sprintf("http://127.0.0.1:9/%s/%s/%d.iso", host, boot, epoch)
}

func (s *shelf) Publish(m effects.Medium) (string, error) {
	url := name(m.Config.Host, m.Config.Boot, m.Config.Epoch)
	if s.broken == nil {
		s.media[url] = m
	}
	return url, s.broken
}

func (s *shelf) Withdraw(host, boot string, epoch inventory.Epoch) error {
	delete(s.media, name(host, boot, epoch))
	return s.broken
}

func (s *shelf) Reads(string, string, inventory.Epoch) (int, time.Time) { return 3, time.Unix(5, 0) }

func (s *shelf) Ensure(context.Context, schemas.Image) (inventory.ImageState, error) {
	return s.images, s.broken
}

func (s *shelf) State(schemas.Image) inventory.ImageState { return s.images }

func (s *shelf) Served(image schemas.Image) (wire.Image, error) {
	return wire.Image{SHA256: image.SHA256, Size: 42, Name: "os.raw.zst"}, s.broken
}

// rig is effects over a virtual BMC and a real hub.
type rig struct {
	*effects.Effects
	t       *testing.T
	bmc     *bmc.BMC
	machine *machine
	hub     *hub.Hub
	store   *documents
	shelf   *shelf
	secrets map[string]map[string]secret.Value
	render  effects.Installed
	logs    bytes.Buffer
	desired inventory.Desired
	record  inventory.Record
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{
		t: t, machine: &machine{}, store: &documents{data: map[string][]byte{}}, shelf: &shelf{media: map[string]effects.Medium{}},
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
	r.hub = hub.New(hub.Config{Identity: identity, Store: r.store})
	r.restart()
	pin, err := r.bmc.Fingerprint()
	if err != nil {
		t.Fatal(err)
	}
	r.desired = inventory.Desired{
		Name: "web-03", BMC: &schemas.BMC{Address: r.bmc.URL(), Credentials: "bmc-r1", TLS: schemas.BMCTLS{Fingerprint: pin}},
		Network: &schemas.Networks{Ramdisk: &schemas.Network{Interfaces: []schemas.Interface{{Name: "mgmt", Type: "ethernet"}}}},
		Workload: &inventory.Workload{
			Name: "web", Image: schemas.Image{URL: "https://images/os.raw.zst", SHA256: "ab12"}, KernelArguments: []string{"quiet"},
			Steps: []inventory.Step{{Name: "wipe", Script: []byte("#!/bin/sh\n"), Seconds: 60}, {Name: schemas.StepInstall, Seconds: 3600}},
		},
	}
	r.record = inventory.Record{
		Host: "web-03", Epoch: 4, Boot: &inventory.Boot{ID: "boot1", Target: inventory.FromRamdisk, Epoch: 4, Stage: inventory.Preparing},
		Operation: &inventory.Operation{
			ID: "op1", Attempt: 2, Commit: "abc", Disk: inventory.DiskID{WWN: "5000c500a1b2c3d4", Serial: "S1", Size: 1 << 34},
		},
	}
	return r
}

func (r *rig) serve() {
	r.t.Helper()
	b, err := bmc.New(bmc.Config{
		Identity: bmc.Identity{Manufacturer: "ingot", Model: "lab-1", Serial: "LAB0001", UUID: "00000000-0000-4000-8000-000000000001"},
		Username: "admin", Password: secret.New(password),
	}, r.machine)
	if err != nil {
		r.t.Fatal(err)
	}
	listener, err := (&net.ListenConfig{}).Listen(r.t.Context(), "tcp", "127.0.0.1:0")
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
	for deadline := time.After(10 * time.Second); b.URL() == ""; {
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
	made, err := effects.New(effects.Config{
		Hub: r.hub, Media: r.shelf, Images: r.shelf, URLs: []string{"https://ingot:7443"}, Pin: "the-pin",
		Log: slog.New(slog.NewTextHandler(&r.logs, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Render: func(i effects.Installed) ([]byte, error) {
			r.render = i
			return []byte(`{"ignition":{}}`), nil
		},
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

func (r *rig) do(action plan.Action) plan.Outcome {
	r.t.Helper()
	return r.Do(r.t.Context(), r.desired, r.record, action)
}

func (r *rig) wantDone(kinds ...plan.Kind) {
	r.t.Helper()
	for _, kind := range kinds {
		if got := r.do(plan.Action{Kind: kind}); got.Result != plan.Done {
			r.t.Fatalf("%s = %+v, want Done", kind, got)
		}
	}
}

func (r *rig) observe() inventory.Observed {
	r.t.Helper()
	return r.Observe(r.t.Context(), r.desired, r.record)
}

func TestAMachineIsStartedFromItsMediumAndThenFromItsDisk(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for range 2 { // doing it again is Done, and changes nothing
		r.wantDone(plan.PowerOff, plan.EjectMedia, plan.InsertMedia, plan.BootFromMedia)
	}
	r.wantDone(plan.PowerOn, plan.PowerOn)
	url := name("web-03", "boot1", 4)
	r.record.Boot.Stage, r.record.Boot.Media = inventory.Running, url

	got := r.observe()
	if got.BMC.Reach != inventory.Reached || got.BMC.Power != inventory.PoweredOn || got.BMC.System.Serial != "LAB0001" || got.BMC.Override.Target != "Cd" {
		t.Errorf("BMC = %+v", got.BMC)
	}
	if len(got.BMC.Media) != 1 || !got.BMC.Media[0].Inserted || got.BMC.Media[0].Image != url || got.Media.URL != url || got.Media.Reads != 3 {
		t.Errorf("slots %+v, media %+v, want %s in the drive", got.BMC.Media, got.Media, url)
	}
	boot := r.shelf.media[url].Config
	if boot.Token != r.hub.Token("web-03", "boot1", 4).Reveal() || boot.Pins[0] != "the-pin" || boot.URLs[0] != "https://ingot:7443" || boot.Time.IsZero() || boot.Version != wire.Version {
		t.Errorf("boot config = %+v", boot)
	}
	if network := r.shelf.media[url].Network; network == nil || network.Interfaces[0].Name != "mgmt" {
		t.Errorf("network of the ramdisk = %+v", network)
	}

	r.record.Boot = &inventory.Boot{ID: "boot2", Target: inventory.FromDisk, Epoch: 5}
	r.wantDone(plan.PowerOff, plan.EjectMedia, plan.BootFromDisk, plan.PowerOn)
	r.observe()
	if len(r.shelf.media) != 0 || r.bmc.Medium().Inserted {
		t.Errorf("after the eject: served %v, drive %+v", r.shelf.media, r.bmc.Medium())
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
	r.wantDone(plan.InsertMedia)
	r.record.Boot.Stage, r.record.Boot.Media = inventory.Running, name("web-03", "boot1", 4)
	r.shelf.media = map[string]effects.Medium{}
	r.restart()
	if got := r.observe().Media.URL; got != r.record.Boot.Media || len(r.shelf.media) != 1 {
		t.Errorf("served after a restart: %q %v, want %s", got, r.shelf.media, r.record.Boot.Media)
	}
	r.record.Boot = &inventory.Boot{ID: "boot2", Target: inventory.FromDisk, Epoch: 5}
	if got := r.observe().Media.URL; got != "" || len(r.shelf.media) != 0 {
		t.Errorf("the medium of a boot that is over is served: %q %v", got, r.shelf.media)
	}
}

func TestTheAgentGetsExactlyItsJob(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.wantDone(plan.InsertMedia)
	if got := r.do(plan.Action{Kind: plan.AssignInstall, Content: wire.ContentBlank}); got.Result != plan.Done {
		t.Fatalf("AssignInstall = %+v", got)
	}
	if got := r.observe().Agent.Job; got.ID != "op1" || got.Attempt != 2 || got.State != inventory.JobAssigned || got.Kind != wire.JobInstall {
		t.Errorf("job = %+v", got)
	}
	job, err := effects.Job(r.Effects, r.desired, r.record, plan.Action{Content: wire.ContentBlank})
	if err != nil {
		t.Fatal(err)
	}
	want := wire.Job{ID: "op1", Attempt: 2, Kind: wire.JobInstall, Epoch: 4, Steps: []wire.Step{
		{Name: "wipe", Timeout: time.Minute, Script: &wire.Script{Body: []byte("#!/bin/sh\n")}},
		{Name: "install", Timeout: time.Hour, Install: &wire.Install{
			ID:   "op1",
			Disk: wire.DiskRef{Serial: "S1", WWN: "5000c500a1b2c3d4", Size: 1 << 34, Content: wire.ContentBlank}, Image: wire.Image{SHA256: "ab12", Size: 42, Name: "os.raw.zst"},
			Ignition: []byte(`{"ignition":{}}`), KernelArguments: []string{"quiet"},
		}},
	}}
	if diff := cmp.Diff(want, job); diff != "" {
		t.Errorf("job (-want +got):\n%s", diff)
	}
	if r.render.Install != "op1" || r.render.Commit != "abc" || !r.render.Token.Equal(r.hub.PhoneHomeToken("web-03", "op1", 4)) {
		t.Errorf("rendered for %+v", r.render)
	}
	if value, err := r.render.Secrets(inventory.SecretRef{Name: "web", Key: "key"}); err != nil || value.Reveal() != "the-key" {
		t.Errorf("secret = %v, %v", value, err)
	}
	if _, err := r.render.Secrets(inventory.SecretRef{Name: "web", Key: "other"}); err == nil || strings.Contains(err.Error(), "the-key") {
		t.Errorf("missing key = %v, want an error without the secret", err)
	}
}

func TestNothingIsAssignedAcrossEpochs(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.wantDone(plan.InsertMedia)
	if err := r.hub.Expect(t.Context(), "web-03", "boot2", 5); err != nil {
		t.Fatal(err)
	}
	if got := r.do(plan.Action{Kind: plan.AssignInstall}); got.Result == plan.Done {
		t.Errorf("AssignInstall of an older epoch = %+v", got)
	}
	if got := r.do(plan.Action{Kind: plan.AssignPowerOff}); got.Result == plan.Done {
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
	if got := r.observe().Agent; !strings.Contains(got.Alarm, "no quorum") {
		t.Errorf("agent = %+v, want it to say that nothing is known", got)
	}
}

func TestImagesAreFetchedWithoutWaiting(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	cases := []struct {
		state inventory.ImageState
		want  plan.Result
		why   string
	}{
		{inventory.ImageState{State: inventory.ImageFetching, Done: 25e6, Total: 100e6}, plan.Waits, "25% of 100 MB"},
		{inventory.ImageState{State: inventory.ImageFailed, Error: "404 Not Found"}, plan.Retry, "404 Not Found"},
		{inventory.ImageState{State: inventory.ImageReady}, plan.Done, ""},
	}
	for _, c := range cases {
		r.shelf.images = c.state
		got := r.do(plan.Action{Kind: plan.FetchImage})
		if got.Result != c.want || !strings.Contains(got.Why, c.why) {
			t.Errorf("FetchImage at %+v = %+v, want %s %q", c.state, got, c.want, c.why)
		}
		if observed := r.observe().Image; observed != c.state {
			t.Errorf("observed image = %+v, want %+v", observed, c.state)
		}
	}
}

// TestFailuresKeepTheirKind: what cannot be read is never read as off or empty, and says what to do.
func TestFailuresKeepTheirKind(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		spoil func(*rig)
		reach inventory.Reach
		want  plan.Result
	}{
		"wrong password": {
			func(r *rig) {
				r.secrets["bmc-r1"] = map[string]secret.Value{"username": secret.New("admin"), "password": secret.New("hunter2hunter2")}
			}, inventory.Unauthorized, plan.Stalled,
		},
		"no such secret": {func(r *rig) { r.desired.BMC.Credentials = "gone" }, inventory.Unauthorized, plan.Stalled},
		"nobody there":   {func(r *rig) { r.desired.BMC.Address = "https://127.0.0.1:1/redfish/v1/Systems/1" }, inventory.Unreachable, plan.Retry},
		"garbage":        {func(r *rig) { r.bmc.Inject(func(f *bmc.Faults) { f.Garbage = true }) }, inventory.Refused, plan.Retry},
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
			for _, kind := range []plan.Kind{plan.PowerOff, plan.PowerOn, plan.EjectMedia, plan.InsertMedia, plan.BootFromMedia, plan.BootFromDisk} {
				if outcome := r.do(plan.Action{Kind: kind}); outcome.Result != c.want || outcome.Why == "" {
					t.Errorf("%s = %+v, want %s with words", kind, outcome, c.want)
				}
			}
			if words := got.Error + r.logs.String(); strings.Contains(words, "hunter2hunter2") || strings.Contains(words, password) {
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
	r.secrets["bmc-r1"] = map[string]secret.Value{"username": secret.New("admin"), "password": secret.New("another long password")}
	if got := r.observe().BMC; got.Reach != inventory.Reached {
		t.Errorf("BMC after a change of password = %+v", got)
	}
}

func TestAnOperatingSystemIsAskedOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.wantDone(plan.PowerOn)
	r.bmc.Inject(func(f *bmc.Faults) { f.GracefulIgnored = true })
	for range 3 {
		if got := r.do(plan.Action{Kind: plan.PowerOff, Graceful: true}); got.Result != plan.Waits {
			t.Errorf("graceful PowerOff of a machine that ignores it = %+v, want Waiting", got)
		}
	}
	if got := r.bmc.Log().Counts().Faults["GracefulIgnored"]; got != 1 {
		t.Errorf("asked %d times, want once", got)
	}
	for deadline := time.Now().Add(10 * time.Second); r.do(plan.Action{Kind: plan.PowerOff}).Result != plan.Done; {
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
	for _, kind := range []plan.Kind{plan.OpenOperation, plan.Publish, plan.RecordHome, "Unknown"} {
		if got := r.do(plan.Action{Kind: kind}); got.Result != plan.Stalled {
			t.Errorf("%s = %+v, want Stalled", kind, got)
		}
	}
}

func TestAHostWithoutBMCIsNotAsked(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.desired = inventory.Desired{Name: "web-03"}
	if got := r.observe(); got.BMC.Reach != inventory.NotAsked || got.Image.State != inventory.ImageMissing {
		t.Errorf("observed = %+v", got)
	}
	if got := r.do(plan.Action{Kind: plan.PowerOff}); got.Result != plan.Stalled {
		t.Errorf("PowerOff = %+v, want Stalled", got)
	}
}
