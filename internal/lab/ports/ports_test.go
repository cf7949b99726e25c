package ports_test

import (
	"net"
	"testing"

	"github.com/gitmetal/ingot/internal/lab/ports"
)

// TestFree asks for more ports than parallel tests need at a time: each can be listened on, and none is given twice.
func TestFree(t *testing.T) {
	t.Parallel()
	given := map[string]bool{}
	for range 200 {
		port, err := ports.Free(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if given[port] {
			t.Fatalf("port %s was given twice", port)
		}
		given[port] = true
	}
}

// TestFreeSkipsTakenPorts listens on a port it was given; the next ones are others.
func TestFreeSkipsTakenPorts(t *testing.T) {
	t.Parallel()
	port, err := ports.Free(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:"+port)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	if again, err := ports.Free(t.Context()); err != nil || again == port {
		t.Errorf("Free() = %s, %v, want another port than %s", again, err, port)
	}
}
