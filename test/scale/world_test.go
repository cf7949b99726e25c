package scale

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gitmetal/ingot/agent/hub"
	"github.com/gitmetal/ingot/agent/wire"
	"github.com/gitmetal/ingot/boot/ignition"
	"github.com/gitmetal/ingot/boot/images"
	"github.com/gitmetal/ingot/boot/media"
	"github.com/gitmetal/ingot/internal/lab/bigfleet"
	"github.com/gitmetal/ingot/internal/secret"
	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/inventory/load"
	"github.com/gitmetal/ingot/reconcile"
	"github.com/gitmetal/ingot/reconcile/effects"
	"github.com/gitmetal/ingot/reconcile/journal"
	"github.com/gitmetal/ingot/reconcile/status"
	"github.com/gitmetal/ingot/schemas"
)

// world is the loop's surroundings.
type world struct {
	b     *testing.B
	bmcs  *exec.Cmd
	in    io.WriteCloser
	out   *bufio.Reader
	place string // fingerprint and port in host files

	mu       sync.Mutex
	files    map[string]string
	sources  inventory.Sources
	cache    load.Cache
	records  map[inventory.MachineID]journal.Entry
	revision int64
	accepted journal.Accepted
	life     journal.LastLife
	pages    map[string]status.File
	asked    map[inventory.MachineID]time.Time // the first look at each host since the last commit
	looked   map[inventory.MachineID]bool      // hosts whose BMC has answered
}

func newWorld(b *testing.B, hosts int) *world {
	b.Helper()
	w := &world{b: b, records: map[inventory.MachineID]journal.Entry{}, pages: map[string]status.File{},
		asked: map[inventory.MachineID]time.Time{}, looked: map[inventory.MachineID]bool{}, files: bigfleet.Files(hosts)}
	w.startBMCs()
	for n := range hosts {
		w.files[bigfleet.HostFile(n)] = w.onLoopback(w.files[bigfleet.HostFile(n)])
	}
	delete(w.files, "rings/early.yaml") // their rings have no tags here
	delete(w.files, "rings/broad.yaml")
	w.offer(0, nil)
	fleet, findings := w.load(w.sources)
	if schemas.Fatal(findings) || len(fleet.Hosts) != hosts {
		b.Fatalf("%d hosts, findings %v", len(fleet.Hosts), findings[:min(len(findings), 3)])
	}
	for id, record := range bigfleet.Records(fleet) {
		w.revision++
		w.records[id] = journal.Entry{Record: record, Revision: w.revision}
	}
	return w
}

// startBMCs starts the process of the BMCs, which ends with the benchmark.
func (w *world) startBMCs() {
	w.b.Helper()
	w.bmcs = exec.CommandContext(context.WithoutCancel(w.b.Context()), os.Args[0])
	w.bmcs.Env = append(os.Environ(), asBMCs+"=1")
	w.bmcs.Stderr = os.Stderr
	in, err := w.bmcs.StdinPipe()
	out, also := w.bmcs.StdoutPipe()
	if err = errors.Join(err, also); err == nil {
		err = w.bmcs.Start()
	}
	if err != nil {
		w.b.Fatal(err)
	}
	w.in, w.out = in, bufio.NewReader(out)
	w.b.Cleanup(func() {
		in.Close()
		_ = w.bmcs.Wait()
	})
	w.place = w.readLine()
}

func (w *world) readLine() string {
	w.b.Helper()
	line, err := w.out.ReadString('\n')
	if err != nil {
		w.b.Fatal(err)
	}
	return strings.TrimSpace(line)
}

// blackHole makes so many of ten BMCs accept connections and never answer.
func (w *world) blackHole(dead int) {
	w.b.Helper()
	if _, err := fmt.Fprintln(w.in, dead); err != nil || w.readLine() != "ok" {
		w.b.Fatalf("the BMCs do not hear: %v", err)
	}
}

// failPower takes the power of all machines away.
func (w *world) failPower() {
	w.b.Helper()
	if _, err := fmt.Fprintln(w.in, "fail"); err != nil || w.readLine() != "ok" {
		w.b.Fatalf("the BMCs do not hear: %v", err)
	}
}

// awaitPower waits until every machine was powered on again.
func (w *world) awaitPower() {
	w.b.Helper()
	for deadline := time.Now().Add(20 * time.Minute); ; pause(200 * time.Millisecond) {
		if _, err := fmt.Fprintln(w.in, "off"); err != nil {
			w.b.Fatal(err)
		}
		switch off := w.readLine(); {
		case off == "0":
			return
		case time.Now().After(deadline):
			w.b.Fatalf("%s machines are off", off)
		}
	}
}

// onLoopback gives a host's file the address and the certificate of its BMC.
func (w *world) onLoopback(text string) string {
	port, fingerprint, _ := strings.Cut(w.place, " ")
	text = strings.Replace(text, "https://10.", "https://127.", 1)
	text = strings.Replace(text, "/redfish/v1/Systems", ":"+port+"/redfish/v1/Systems", 1)
	at := strings.Index(text, "sha256:") + len("sha256:")
	return text[:at] + fingerprint + text[at+64:]
}

// offer has the source give another commit with edited files.
func (w *world) offer(number int, edited map[string]string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	maps.Copy(w.files, edited)
	w.sources = inventory.Sources{Trunk: bigfleet.Snapshot(fmt.Sprintf("%040x", number+1), w.files)}
}

// Latest implements reconcile.Source.
func (w *world) Latest(context.Context) (inventory.Sources, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.sources, nil
}

// Recall implements reconcile.Source.
func (w *world) Recall(status.Fleet) error { return nil }

func (w *world) load(sources inventory.Sources) (inventory.Fleet, []schemas.Finding) {
	fleet, findings, cache := load.FleetWithCache(w.cache, sources, ignition.Checker{})
	w.cache = cache
	return fleet, findings
}

// Read implements reconcile.Publisher.
func (w *world) Read(context.Context) (map[string]status.File, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return maps.Clone(w.pages), nil
}

// Publish implements reconcile.Publisher.
func (w *world) Publish(_ context.Context, changed map[string][]byte, _ string) (string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for name, page := range changed {
		page = bytes.Clone(page) // without the room that its encoder left
		w.pages[name] = status.File{Bytes: page, Content: page}
	}
	return "tip", nil
}

// Strayed implements reconcile.Publisher.
func (w *world) Strayed() bool { return false }

// List implements reconcile.Records.
func (w *world) List(context.Context) (entries []journal.Entry, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range w.records {
		entries = append(entries, e)
	}
	return entries, nil
}

// Get implements reconcile.Records.
func (w *world) Get(_ context.Context, id inventory.MachineID) (inventory.Record, int64, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.records[id].Record, w.records[id].Revision, nil
}

// Put implements reconcile.Records.
func (w *world) Put(_ context.Context, record inventory.Record, _ int64) (int64, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.revision++
	w.records[record.ID] = journal.Entry{Record: record, Revision: w.revision}
	return w.revision, nil
}

// Accepted implements reconcile.Commits.
func (w *world) Accepted(context.Context) (journal.Accepted, error) { return w.accepted, nil }

// Accept implements reconcile.Commits.
func (w *world) Accept(_ context.Context, accepted journal.Accepted) error {
	w.accepted = accepted
	return nil
}

// LastLife implements reconcile.Lives.
func (w *world) LastLife(context.Context) (journal.LastLife, error) { return w.life, nil }

// KeepLife implements reconcile.Lives.
func (w *world) KeepLife(_ context.Context, life journal.LastLife) error {
	w.life = life
	return nil
}

// counted tells which hosts were looked at, and when.
type counted struct {
	*effects.Effects
	w *world
}

// Observe implements reconcile.Observer.
func (c counted) Observe(ctx context.Context, d inventory.Desired, record inventory.Record) inventory.Observed {
	c.w.mu.Lock()
	if c.w.asked[d.ID].IsZero() {
		c.w.asked[d.ID] = time.Now()
	}
	c.w.mu.Unlock()
	o := c.Effects.Observe(ctx, d, record)
	if o.BMC.Reach == inventory.Reached {
		c.w.mu.Lock()
		defer c.w.mu.Unlock()
		c.w.looked[d.ID] = true
	}
	return o
}

// open makes the effects of a daemon.
func (w *world) open() *effects.Effects {
	w.b.Helper()
	dir := w.b.TempDir()
	ramdisk := make([]byte, 2048+wire.OverlaySize)
	copy(ramdisk, wire.ProtocolMagic+strconv.Itoa(wire.Version)+"\n")
	copy(ramdisk[2048:], wire.OverlayMagic)
	file := filepath.Join(dir, "ramdisk.iso")
	if err := os.WriteFile(file, ramdisk, 0o600); err != nil {
		w.b.Fatal(err)
	}
	iso, err := media.OpenISO(file)
	identity, also := hub.CreateIdentity(filepath.Join(dir, "identity"))
	store, besides := images.New(images.Config{Dir: filepath.Join(dir, "images")})
	if err := errors.Join(err, also, besides); err != nil {
		w.b.Fatal(err)
	}
	made, err := effects.New(effects.Config{
		Hub: hub.New(hub.Config{Identity: identity, Store: documents{}}), Images: store, Pin: "pin",
		Media: media.NewServer(iso, "http://127.0.0.1:9", []byte("key"), time.Now), URLs: []string{"https://ingot:7443"},
		Secrets: func(string) (map[string]secret.Value, error) {
			return map[string]secret.Value{"username": secret.New("admin"), "password": secret.New("password")}, nil
		},
	})
	if err != nil {
		w.b.Fatal(err)
	}
	return made
}

// documents is the hub's store, without agents.
type documents struct{}

// Load implements hub.Store.
func (documents) Load(context.Context, string) ([]byte, error) { return nil, nil }

// Save implements hub.Store.
func (documents) Save(context.Context, string, []byte) error { return nil }

// run runs a loop until stop.
func (w *world) run() (loop *reconcile.Loop, stop func()) {
	w.b.Helper()
	made := w.open()
	var ids int
	loop, err := reconcile.New(reconcile.Config{Source: w, Load: w.load, Journal: w, Observer: counted{made, w}, Executor: made,
		Publisher: w, NewID: func() string {
			w.mu.Lock()
			defer w.mu.Unlock()
			ids++
			return fmt.Sprintf("id-%d", ids)
		}, Limits: reconcile.Limits{Settle: time.Millisecond}})
	if err != nil {
		w.b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- loop.Run(ctx) }()
	return loop, func() {
		cancel()
		if err := <-ended; err != nil {
			w.b.Error(err)
		}
	}
}

// memory is the resident set of this process in MiB.
func memory() float64 {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for line := range bytes.Lines(text) {
		var kib float64
		if _, err := fmt.Sscanf(string(line), "VmRSS: %f", &kib); err == nil {
			return kib / 1024
		}
	}
	return 0
}

// cpu is the time that this process has used.
func cpu() time.Duration {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		return 0
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
