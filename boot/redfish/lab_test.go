package redfish_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/gitmetal/ingot/boot/redfish"
	"github.com/gitmetal/ingot/internal/lab/bmc"
	"github.com/gitmetal/ingot/internal/lab/ports"
	"github.com/gitmetal/ingot/internal/secret"
)

// machine is a machine that does nothing but run until it is told to end.
type machine struct {
	mu    sync.Mutex
	exits chan bmc.Exit
}

func (m *machine) Start(context.Context, bmc.Boot) (<-chan bmc.Exit, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.exits = make(chan bmc.Exit, 1)
	return m.exits, nil
}

func (m *machine) Stop(_ context.Context, how bmc.Stop) error {
	cause := bmc.Stopped
	if how == bmc.Graceful {
		cause = bmc.PoweredOff
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.exits != nil {
		m.exits <- bmc.Exit{Cause: cause}
		close(m.exits)
		m.exits = nil
	}
	return nil
}

const password = "correct horse battery staple"

// serve starts a virtual BMC on a loopback port for the length of the test.
func serve(t *testing.T, change func(*bmc.Config)) *bmc.BMC {
	t.Helper()
	config := bmc.Config{
		Identity: bmc.Identity{
			Manufacturer: "ingot", Model: "lab-1", Serial: "LAB0001", SKU: "TAG0001", UUID: "00000000-0000-4000-8000-000000000001",
			BIOSVersion: "1.0", Processors: 1, Cores: 2, MemoryMiB: 2048, SecureBoot: true,
			NICs:  []bmc.NIC{{Name: "1", MAC: "52:54:00:00:00:01"}},
			Disks: []bmc.Disk{{Name: "0", Serial: "DISK0001", Model: "virtual", Bytes: 4 << 30}},
		},
		Username: "admin", Password: secret.New(password),
	}
	if change != nil {
		change(&config)
	}
	b, err := bmc.New(config, &machine{})
	if err != nil {
		t.Fatal(err)
	}
	listener, err := ports.Listen(t.Context()) // where no other test's BMC was: what an address has refused is remembered
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	var serving sync.WaitGroup
	served := make(chan error, 1)
	serving.Go(func() { served <- b.Serve(ctx, listener) })
	t.Cleanup(func() {
		stop()
		serving.Wait()
		if err := <-served; err != nil {
			t.Error(err)
		}
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := b.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	waitFor(t, "the BMC to listen", func() bool { return b.URL() != "" })
	return b
}

// open makes a client that pins the BMC's certificate, and closes it at the end of the test.
func open(t *testing.T, b *bmc.BMC, change func(*redfish.Config)) *redfish.Client {
	t.Helper()
	pin, err := b.Fingerprint()
	if err != nil {
		t.Fatal(err)
	}
	config := redfish.Config{
		Address: b.URL(), Username: "admin", Password: secret.New(password), TLS: redfish.TLS{Fingerprint: pin},
		Connect: time.Minute, Request: time.Minute,
	}
	if change != nil {
		change(&config)
	}
	c, err := redfish.Open(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		_ = c.Close(ctx) // a BMC that hangs by design does not end sessions either
	})
	return c
}

// wantKind checks that an error is one of the adapter's, of a kind, and ends with something to do.
func wantKind(t *testing.T, err error, kind redfish.Kind) {
	t.Helper()
	_ = asKind(t, err, kind)
}

// asKind is wantKind for those who look at the error further.
func asKind(t *testing.T, err error, kind redfish.Kind) *redfish.Error {
	t.Helper()
	var got *redfish.Error
	if !errors.As(err, &got) {
		t.Fatalf("error = %v (%T), want a *redfish.Error of kind %s", err, err, kind)
	}
	if got.Kind != kind || got.Hint == "" {
		t.Fatalf("error = %v of kind %s, want kind %s with a hint", got, got.Kind, kind)
	}
	return got
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func waitFor(t *testing.T, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(2 * time.Minute)
	for !holds() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("waited in vain for %s", what)
		}
	}
}
