package lab

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/gitmetal/ingot/internal/lab/bmc"
	"github.com/gitmetal/ingot/internal/lab/qemu"
	"github.com/gitmetal/ingot/internal/lab/serial"
	"github.com/gitmetal/ingot/internal/lab/sim"
	"github.com/gitmetal/ingot/internal/secret"
)

// Options of a rack.
type Options struct {
	Dir      string
	Backend  Backend
	Machines int
	Image    string // file of the operating system image; "" makes an image for simulated machines
	DiskMiB  int    // of a QEMU machine; default 2048
	Log      *slog.Logger
}

// Rack is a set of machines that their BMCs power on.
type Rack struct {
	options     Options
	description Description
	machines    map[string]*machine
	images      net.Listener
}

// machine is a machine with its BMC.
type machine struct {
	bmc      *bmc.BMC
	hardware bmc.Machine
	unplug   func()
	listener net.Listener
	sim      *sim.Machine // nil unless simulated
	console  console
}

// New builds a rack in its directory; no machine is powered on. Run serves the rack.
func New(ctx context.Context, o Options) (*Rack, error) {
	if o.DiskMiB == 0 {
		o.DiskMiB = 2048
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return nil, fmt.Errorf("rack: %w", err)
	}
	o.Dir = dir
	if err := os.MkdirAll(o.Dir, 0o755); err != nil {
		return nil, fmt.Errorf("rack: %w", err)
	}
	r := &Rack{options: o, machines: map[string]*machine{},
		description: Description{Backend: o.Backend, Control: filepath.Join(o.Dir, "lab.sock")}}
	if err := r.serveImage(ctx); err != nil {
		return nil, err
	}
	password := randomWord()
	for i := range o.Machines {
		if err := r.addMachine(ctx, i+1, password); err != nil {
			return nil, err
		}
	}
	if o.Backend == Sim {
		if err := os.WriteFile(filepath.Join(o.Dir, "ramdisk.iso"), sim.NewMedium(), 0o644); err != nil {
			return nil, fmt.Errorf("rack: %w", err)
		}
	}
	return r, r.description.writeTo(o.Dir)
}

// Description describes the rack.
func (r *Rack) Description() Description { return r.description }

// Sim is a simulated machine by name; nil if there is none.
func (r *Rack) Sim(name string) *sim.Machine {
	if m := r.machines[name]; m != nil {
		return m.sim
	}
	return nil
}

// BMC is a machine's BMC by name; nil if there is none.
func (r *Rack) BMC(name string) *bmc.BMC {
	if m := r.machines[name]; m != nil {
		return m.bmc
	}
	return nil
}

func (r *Rack) addMachine(ctx context.Context, number int, password string) error {
	m, d, err := r.buildMachine(ctx, number, password)
	if err != nil {
		return fmt.Errorf("rack: machine %d: %w", number, err)
	}
	r.machines[d.Name] = m
	r.description.Machines = append(r.description.Machines, d)
	return nil
}

func (r *Rack) buildMachine(ctx context.Context, number int, password string) (*machine, Machine, error) {
	d := Machine{
		Name: fmt.Sprintf("machine-%d", number), Username: "admin", Password: password,
		Serial: fmt.Sprintf("LAB%05d", number), DiskSerial: fmt.Sprintf("DISK%05d", number),
		MAC: fmt.Sprintf("52:54:00:%02x:%02x:%02x", number>>16&0xff, number>>8&0xff, number&0xff),
	}
	identity := bmc.Identity{
		Manufacturer: "ingot lab", Model: string(r.options.Backend), Serial: d.Serial,
		UUID:        fmt.Sprintf("4c4c4544-0000-4000-8000-%012x", number),
		BIOSVersion: "1", Processors: 1, Cores: 1, MemoryMiB: 2048, SecureBoot: r.options.Backend == QEMU,
		NICs:  []bmc.NIC{{Name: "1", MAC: d.MAC}},
		Disks: []bmc.Disk{{Name: "1", Serial: d.DiskSerial, Model: "virtual", Bytes: int64(r.options.DiskMiB) << 20}},
	}
	m := &machine{console: console{feedLog: func(context.Context) error { return nil }, feed: &serial.Feed{}}}
	switch r.options.Backend {
	case QEMU:
		hardware, err := qemu.New(qemu.Config{Dir: filepath.Join(r.options.Dir, d.Name), Identity: identity})
		if err != nil {
			return nil, d, err
		}
		m.hardware, m.unplug, d.Console = hardware, func() { _ = hardware.Unplug() }, hardware.ConsolePath()
		m.console.feedLog = func(ctx context.Context) error { return m.console.feed.Follow(ctx, d.Console) }
	case Sim:
		m.sim = sim.New(sim.Config{Identity: identity, DiskSerial: d.DiskSerial, Serial: m.console.feed,
			Log: r.options.Log.With("machine", d.Name)})
		m.hardware, m.unplug = m.sim, m.sim.Unplug
	default:
		return nil, d, fmt.Errorf("there is no backend %q: qemu or sim", r.options.Backend)
	}
	return m, d, r.attachBMC(ctx, m, &d, identity)
}

// attachBMC puts a BMC in front of a machine.
func (r *Rack) attachBMC(ctx context.Context, m *machine, d *Machine, identity bmc.Identity) (err error) {
	if m.bmc, err = bmc.New(bmc.Config{Identity: identity, Username: d.Username, Password: secret.New(d.Password)},
		m.hardware); err != nil {
		return err
	}
	if m.listener, err = listenLoopback(ctx); err != nil {
		return err
	}
	d.Address = "https://" + m.listener.Addr().String() + "/redfish/v1/Systems/1"
	if d.Fingerprint, err = m.bmc.Fingerprint(); err != nil {
		return err
	}
	d.ConsoleKey, err = m.console.attachTo(ctx, m.bmc)
	return err
}

// Console is a machine's serial console, to count its readers or to write output; nil if there is no such machine.
func (r *Rack) Console(name string) (*serial.Server, *serial.Feed) {
	if m := r.machines[name]; m != nil {
		return m.console.server, m.console.feed
	}
	return nil, nil
}

// Run serves the BMCs, the image and the control socket until ctx ends, and then powers every machine off.
func (r *Rack) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	for _, m := range r.machines {
		g.Go(func() error { return m.bmc.Serve(ctx, m.listener) })
		g.Go(func() error { return m.console.server.Serve(ctx, m.console.listener) })
		g.Go(func() error { return m.console.feedLog(ctx) })
	}
	g.Go(func() error {
		return serveUntil(ctx, &http.Server{Handler: http.FileServer(http.Dir(filepath.Join(r.options.Dir, "images"))),
			ReadHeaderTimeout: controlTimeout}, r.images)
	})
	g.Go(func() error { return r.serveControl(ctx, r.description.Control) })
	err := g.Wait()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), controlTimeout)
	defer cancel()
	for _, m := range r.machines {
		err = errors.Join(err, m.bmc.Close(ctx))
	}
	return err
}

// State gives the state of a machine.
func (r *Rack) State(name string) (MachineState, error) {
	m := r.machines[name]
	if m == nil {
		return MachineState{}, fmt.Errorf("there is no machine %q in this rack", name)
	}
	counts := m.bmc.Log().Counts()
	state := MachineState{Name: name, Power: "Off", RamdiskStarts: counts.CDStarts, DiskStarts: counts.DiskStarts,
		Story: m.bmc.Log().Story()}
	if m.bmc.On() {
		state.Power = "On"
	}
	return state, nil
}

// Unplug pulls a machine's plug. The machine stays off until it is powered on.
func (r *Rack) Unplug(_ context.Context, name string) error {
	m := r.machines[name]
	if m == nil {
		return fmt.Errorf("there is no machine %q in this rack", name)
	}
	m.unplug()
	return nil
}

// serveImage puts the operating system image into the directory of the rack's server.
func (r *Rack) serveImage(ctx context.Context) error {
	dir := filepath.Join(r.options.Dir, "images")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("rack: %w", err)
	}
	name := filepath.Base(r.options.Image)
	if r.options.Image == "" {
		name = "ingot-sim.raw"
		if err := os.WriteFile(filepath.Join(dir, name), sim.NewImage(3<<20), 0o644); err != nil {
			return fmt.Errorf("rack: %w", err)
		}
	} else if err := linkFile(r.options.Image, filepath.Join(dir, name)); err != nil {
		return fmt.Errorf("rack: %w", err)
	}
	sum, err := hashFile(filepath.Join(dir, name))
	if err != nil {
		return fmt.Errorf("rack: %w", err)
	}
	if r.images, err = listenLoopback(ctx); err != nil {
		return fmt.Errorf("rack: %w", err)
	}
	r.description.Image = Image{URL: "http://" + r.images.Addr().String() + "/" + name, SHA256: sum}
	return nil
}

func linkFile(file, target string) error {
	absolute, err := filepath.Abs(file)
	if err != nil {
		return err
	}
	if err := os.Remove(target); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return os.Symlink(absolute, target)
}

func hashFile(path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	hash := sha256.New()
	if _, err := io.Copy(hash, file); err != nil {
		return "", err
	}
	return hex.EncodeToString(hash.Sum(nil)), nil
}

func listenLoopback(ctx context.Context) (net.Listener, error) {
	var config net.ListenConfig
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	return config.Listen(ctx, "tcp", "127.0.0.1:0")
}

// randomWord is 80 random bits as 16 lower-case letters and digits.
func randomWord() string {
	var b [10]byte
	_, _ = rand.Read(b[:]) // never fails
	return strings.ToLower(base32.StdEncoding.EncodeToString(b[:]))
}
