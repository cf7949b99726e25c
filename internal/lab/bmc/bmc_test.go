package bmc_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/gitmetal/ingot/internal/lab/bmc"
	"github.com/gitmetal/ingot/internal/secret"
)

// machine is a Machine that does nothing but run; the test ends its runs.
type machine struct {
	mu    sync.Mutex
	boots []bmc.Boot
	exits chan bmc.Exit
}

func (m *machine) Start(_ context.Context, boot bmc.Boot) (<-chan bmc.Exit, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.exits != nil {
		return nil, errors.New("it runs already")
	}
	m.boots = append(m.boots, boot)
	m.exits = make(chan bmc.Exit, 1)
	return m.exits, nil
}

func (m *machine) Stop(_ context.Context, how bmc.Stop) error {
	if how == bmc.Graceful {
		m.end(bmc.Exit{Cause: bmc.PoweredOff})
		return nil
	}
	m.end(bmc.Exit{Cause: bmc.Stopped})
	return nil
}

// end ends the current run, as the guest or the plug does.
func (m *machine) end(exit bmc.Exit) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.exits == nil {
		return
	}
	m.exits <- exit
	close(m.exits)
	m.exits = nil
}

func newBMC(t *testing.T, faults bmc.Faults) (*bmc.BMC, *machine) {
	t.Helper()
	return newBMCOf(t, 2, faults)
}

// newBMCOf is a BMC that allows so many sessions.
func newBMCOf(t *testing.T, sessions int, faults bmc.Faults) (*bmc.BMC, *machine) {
	t.Helper()
	m := &machine{}
	b, err := bmc.New(bmc.Config{
		Identity: bmc.Identity{
			Manufacturer: "ingot", Model: "lab-1", Serial: "LAB0001", UUID: "00000000-0000-4000-8000-000000000001",
			Processors: 1, Cores: 2, MemoryMiB: 2048, SecureBoot: true,
			NICs:  []bmc.NIC{{Name: "1", MAC: "52:54:00:00:00:01"}},
			Disks: []bmc.Disk{{Name: "0", Serial: "DISK0001", Bytes: 4 << 30}},
		},
		Username: "admin", Password: secret.New("correct horse"), Sessions: sessions, Faults: faults,
	}, m)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := b.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	return b, m
}

// eventually waits until the condition holds, looking again at every change of the BMC.
func eventually(t *testing.T, b *bmc.BMC, what string, holds func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for {
		changed := b.Log().Changed()
		if holds() {
			return
		}
		select {
		case <-changed:
		case <-ctx.Done():
			t.Fatalf("%s did not happen; the log says %q", what, b.Log().Story())
		}
	}
}
