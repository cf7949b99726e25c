// Package ports finds TCP ports that must be known before anybody listens on them, and stay the same while their listener is started again.
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

// The ports given are below 32768, where Linux begins to take the local ports of outgoing connections and of listeners that ask for any port
// (net.ipv4.ip_local_port_range): such a port can be taken by anybody between being found free and being listened on.
const (
	first = 10_000
	last  = 32_767
	// stride keeps processes apart that were started one after the other, as those of `go test ./...` are.
	stride = 251
)

var (
	mu   sync.Mutex
	next = first + os.Getpid()*stride%(last-first+1)
)

// Free gives a port of 127.0.0.1 that nobody listens on now, and that this process is not given again before all others were.
func Free(ctx context.Context) (string, error) {
	listener, err := Listen(ctx)
	if err != nil {
		return "", err
	}
	_, port, err := net.SplitHostPort(listener.Addr().String())
	return port, errors.Join(err, listener.Close())
}

// Listen listens on such a port, for those whose address is remembered after they have closed it.
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
