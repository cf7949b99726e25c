// Package ports finds free TCP ports that must be known before a listener opens, and that stay the same while the
// listener restarts: Free gives a port, Listen opens a listener.
package ports

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"sync"
	"time"
)

// Ports are below 32768, where Linux begins to take local ports of outgoing connections and of listeners without a
// fixed port (net.ipv4.ip_local_port_range): such a port could be taken between finding it free and listening on it.
const (
	first = 10_000
	last  = 32_767
	// stride keeps apart processes that start in a row, as under `go test ./...`.
	stride = 251
)

var (
	mu   sync.Mutex
	next = first + os.Getpid()*stride%(last-first+1)
)

// Free gives a port of 127.0.0.1 without a listener. The process gets the port again only after all further ports.
func Free(ctx context.Context) (string, error) {
	listener, err := Listen(ctx)
	if err != nil {
		return "", err
	}
	_, port, err := net.SplitHostPort(listener.Addr().String())
	return port, errors.Join(err, listener.Close())
}

// Listen listens on a free port, for callers whose address is remembered after the listener is closed.
func Listen(ctx context.Context) (net.Listener, error) {
	mu.Lock()
	defer mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	var failure error
	for range last - first + 1 {
		port := strconv.Itoa(next)
		if next++; next > last {
			next = first
		}
		listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:"+port)
		if err == nil {
			return listener, nil
		}
		failure = err
		if ctx.Err() != nil {
			break
		}
	}
	return nil, fmt.Errorf("find a free port from %d to %d: %w", first, last, failure)
}
