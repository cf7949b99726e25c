// Package control is the daemon's control socket. ListenSocket opens the socket, AllowOnly admits users by the kernel's
// peer credentials, and Audit logs the acts of operators. Write an act to the Audit before doing it.
package control

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
)

// ListenSocket opens the socket for its owner only. A socket without an answering daemon is left over and is replaced.
func ListenSocket(ctx context.Context, path string) (net.Listener, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	var dialer net.Dialer
	if conn, err := dialer.DialContext(ctx, "unix", path); err == nil {
		_ = conn.Close()
		return nil, fmt.Errorf("control socket %s: another daemon answers on it: stop it, or name another with "+
			"listen.socket", path)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	var listen net.ListenConfig
	listener, err := listen.Listen(ctx, "unix", path)
	if err != nil {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	return listener, os.Chmod(path, 0o600)
}

// Peer is the process at the other end of the socket, as the kernel knows it (SO_PEERCRED, unix(7)).
type Peer struct{ UID int }

// String is the user's name and number: "jo (uid 1000)".
func (p Peer) String() string {
	if u, err := user.LookupId(strconv.Itoa(p.UID)); err == nil {
		return fmt.Sprintf("%s (uid %d)", u.Username, p.UID)
	}
	return fmt.Sprintf("uid %d", p.UID)
}

type peerKey struct{}

// ConnContext is for http.Server.ConnContext: requests then know their Peer. If the kernel does not tell the peer, the
// request has none.
func ConnContext(ctx context.Context, conn net.Conn) context.Context {
	socket, ok := conn.(*net.UnixConn)
	if !ok {
		return ctx
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return ctx
	}
	var credentials *syscall.Ucred
	if controlErr := raw.Control(func(fd uintptr) {
		credentials, err = syscall.GetsockoptUcred(int(fd), syscall.SOL_SOCKET, syscall.SO_PEERCRED)
	}); controlErr != nil || err != nil {
		return ctx
	}
	return context.WithValue(ctx, peerKey{}, Peer{UID: int(credentials.Uid)})
}

// CallerOf gives the sender of a request; false if the sender is unknown.
func CallerOf(ctx context.Context) (Peer, bool) {
	p, ok := ctx.Value(peerKey{}).(Peer)
	return p, ok
}

// AllowOnly answers the requests of the given users and refuses all further ones, also if the socket's mode was
// changed.
func AllowOnly(users []int, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if p, known := CallerOf(r.Context()); !known || !slices.Contains(users, p.UID) {
			http.Error(w, "the control socket is for the daemon's own user and root: run this as one of them",
				http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}
