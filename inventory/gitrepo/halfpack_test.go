package gitrepo_test

import (
	"io"
	"math/rand/v2"
	"net"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/gitmetal/ingot/inventory/gitrepo"
)

// cable is the way to a server; it breaks when too many bytes have gone through one connection.
type cable struct {
	down, up atomic.Int64 // bytes that a connection carries from and to the server
	ends     sync.WaitGroup
}

const unbroken = 1 << 40

// connect puts a cable before a server that is reached by TCP.
func (r *remote) connect(t *testing.T) *cable {
	t.Helper()
	target, err := url.Parse(r.config.URL)
	if err != nil {
		t.Fatal(err)
	}
	var config net.ListenConfig
	listener, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c, server := &cable{}, target.Host
	c.down.Store(unbroken)
	c.up.Store(unbroken)
	c.ends.Go(func() {
		for {
			near, err := listener.Accept()
			if err != nil {
				return
			}
			c.ends.Go(func() { c.carry(t, near, server) })
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		c.ends.Wait()
	})
	target.Host = listener.Addr().String()
	r.config.URL = target.String()
	if r.config.KnownHosts != "" {
		_, from, _ := net.SplitHostPort(server)
		_, to, _ := net.SplitHostPort(target.Host)
		known := filepath.Join(t.TempDir(), "known_hosts")
		write(t, known, strings.Replace(read(t, r.config.KnownHosts), "]:"+from, "]:"+to, 1))
		r.config.KnownHosts = known
	}
	return c
}

func (c *cable) carry(t *testing.T, near net.Conn, server string) {
	var dialer net.Dialer
	far, err := dialer.DialContext(t.Context(), "tcp", server)
	if err != nil {
		_ = near.Close()
		return
	}
	both := func() { _, _ = near.Close(), far.Close() }
	var ways sync.WaitGroup
	for _, way := range []struct {
		to, from net.Conn
		most     int64
	}{{near, far, c.down.Load()}, {far, near, c.up.Load()}} {
		ways.Go(func() {
			_, _ = io.Copy(way.to, io.LimitReader(way.from, way.most))
			both() // the end of one way is the end of the other: neither protocol here says half a goodbye
		})
	}
	ways.Wait()
}

// noise does not compress: what is sent of it is as long as it is.
func noise(seed uint64) node {
	from, text := rand.New(rand.NewPCG(seed, 0)), make([]byte, 200_000)
	for i := range text {
		text[i] = byte(from.Uint32())
	}
	return node{"100644", string(text)}
}

// A server, or a wire, that breaks off in the middle of a pack changes nothing, and what comes afterwards is whole.
func TestHalfAPack(t *testing.T) {
	t.Parallel()
	const half = 250_000
	for name, start := range map[string]func(*testing.T) *remote{"http": overHTTP, "ssh": overSSH} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := start(t)
			wire := r.connect(t)
			first := r.commit(t, "main", "", map[string]node{"a": noise(1), "b": noise(2)})
			repo := open(t, r.config)
			fails := func(accepted string) {
				t.Helper()
				wire.down.Store(half)
				if sources, err := repo.Latest(t.Context()); err == nil || sources.Trunk.Files != nil ||
					repo.AcceptedCommit() != accepted {
					t.Fatalf("half a pack: %d files of %q, %v; accepted %q, want %q", len(sources.Trunk.Files),
						sources.Trunk.Commit, err, repo.AcceptedCommit(), accepted)
				}
				wire.down.Store(unbroken)
			}
			fails("")
			if got := latest(t, repo); got.Commit != first || len(got.Files["b"].Data) != 200_000 {
				t.Fatalf("after half a pack: %d bytes of %s, want %s whole", len(got.Files["b"].Data), got.Commit,
					first)
			}
			second := r.commit(t, "main", first, map[string]node{"a": noise(1), "b": noise(3), "c": noise(4)})
			fails(first)
			if got := latest(t, repo); got.Commit != second || len(got.Files) != 3 {
				t.Fatalf("after half a pack of a change: %d files of %s, want %s whole", len(got.Files), got.Commit,
					second)
			}
			halfAPush(t, r, wire, repo, half)
		})
	}
}

func halfAPush(t *testing.T, r *remote, wire *cable, repo *gitrepo.Repo, half int64) {
	t.Helper()
	page := map[string][]byte{"a": []byte(noise(5).content), "b": []byte(noise(6).content)}
	wire.up.Store(half)
	if tip, err := repo.Publish(t.Context(), page, "cut off"); err == nil {
		t.Errorf("half a push gave %s", tip)
	}
	wire.up.Store(unbroken)
	if refs := git(t, r.bare, "for-each-ref", "refs/heads/ingot"); refs != "" {
		t.Errorf("after half a push there is %s", refs)
	}
	if _, err := repo.Publish(t.Context(), page, "whole"); err != nil {
		t.Errorf("Publish after half a push: %v", err)
	}
	if files := statusOf(t, repo); len(files) != 2 || len(files["b"]) != 200_000 {
		t.Errorf("%d pages, %d bytes of b", len(files), len(files["b"]))
	}
	git(t, r.bare, "fsck", "--full", "--strict")
}

// A pack of a few kilobytes can hold an object that fills the memory.
func TestAPackWithAHugeObjectIsRefused(t *testing.T) {
	t.Parallel()
	r := overHTTP(t)
	good := r.commit(t, "main", "", map[string]node{"a": text("1")})
	repo := open(t, r.config)
	latest(t, repo)
	bad := r.commit(t, "main", good, map[string]node{"a": text(strings.Repeat("x", 64<<20+1))})
	_, err := repo.Latest(t.Context())
	if err == nil || !strings.Contains(err.Error(), "an object of 67108865 bytes") ||
		strings.Contains(err.Error(), "reachable") || repo.AcceptedCommit() != good || gitrepo.Has(repo, bad) {
		t.Errorf("Latest = %v, accepted %s, want it refused for the object", err, repo.AcceptedCommit())
	}
}
