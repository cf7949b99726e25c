// Package bmctest serves a virtual BMC to a test that asks its Redfish service and never its machine. Call Serve.
package bmctest

import (
	"context"
	"net"
	"testing"

	"github.com/gitmetal/ingot/internal/lab/bmc"
)

// Off is the machine behind such a BMC: a test that starts or stops the machine fails by a panic.
type Off struct{}

// Start implements bmc.Machine.
func (Off) Start(context.Context, bmc.Boot) (<-chan bmc.Exit, error) { panic("nobody may start it") }

// Stop implements bmc.Machine.
func (Off) Stop(context.Context, bmc.Stop) error { panic("nobody may stop it") }

// Serve serves a BMC at a loopback address until the test ends. An error of the service fails the test.
func Serve(t *testing.T, c bmc.Config) (b *bmc.BMC, address string) {
	t.Helper()
	b, err := bmc.New(c, Off{})
	if err != nil {
		t.Fatal(err)
	}
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- b.Serve(ctx, listener) }()
	t.Cleanup(func() {
		cancel()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return b, listener.Addr().String()
}
