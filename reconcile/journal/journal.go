// Package journal keeps what the daemon must not forget, on etcd: one record per host, the agents' documents and the
// accepted commit. Call Open, then Own; after Own write with Put. Without endpoints the package embeds a single etcd
// node that listens on no socket; with endpoints it uses a cluster. Both go through the same client API. Every write
// is fenced by the ownership: a daemon without its lease writes nothing, and therefore starts nothing. Do not take an
// unreadable value for an empty value: an unreadable value is an error.
package journal

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"
	"go.uber.org/zap"
)

// Errors that callers branch on.
var (
	ErrConflict = errors.New("somebody else wrote it meanwhile")
	ErrOwned    = errors.New("another daemon owns this journal")
	ErrNotOwner = errors.New("this daemon does not own the journal")
)

const (
	callTimeout = 10 * time.Second
	dialTimeout = 10 * time.Second
	leaseTTL    = 15 // seconds; a daemon silent for longer loses the journal
)

// MaxValue is the largest value of a write, in bytes; etcd refuses requests over 1.5 MiB.
const MaxValue = 1 << 20

// Config says where the journal is: Dir for the embedded node, or Endpoints of a cluster with its TLS.
type Config struct {
	Dir       string
	Endpoints []string
	TLS       *tls.Config
	// Owner names this daemon to people, e.g. host and process id. Default: host name and process id.
	Owner string
	// LeaseTTL is after how much silence a daemon on a cluster loses ownership, in whole seconds. Default 15 s.
	LeaseTTL time.Duration
	// Log is told while a cluster does not answer. Default: nobody.
	Log *slog.Logger
}

// Journal is an open journal. Its methods may be called from several goroutines.
type Journal struct {
	config Config
	client *clientv3.Client
	node   *node // nil on a cluster

	mu    sync.Mutex
	owner ownership
	term  term // of owner's lease
	lost  chan struct{}
	stop  context.CancelFunc // stops the renewal of the lease
	done  sync.WaitGroup
}

// Open opens the journal, and with Dir starts the embedded node. The caller calls Close. A second process on Dir gets
// ErrOwned.
func Open(ctx context.Context, config Config) (*Journal, error) {
	if config.Owner == "" {
		name, err := os.Hostname()
		if err != nil {
			name = "unknown host"
		}
		config.Owner = fmt.Sprintf("%s, process %d", name, os.Getpid())
	}
	if config.LeaseTTL < time.Second {
		config.LeaseTTL = leaseTTL * time.Second
	}
	if config.Log == nil {
		config.Log = slog.New(slog.DiscardHandler)
	}
	j := &Journal{config: config, lost: make(chan struct{})}
	if len(config.Endpoints) == 0 {
		started, err := startNode(ctx, config.Dir)
		if err != nil {
			return nil, fmt.Errorf("open journal in %s: %w", config.Dir, err)
		}
		j.node, j.client = started, started.client
		return j, nil
	}
	client, err := clientv3.New(clientv3.Config{
		Endpoints: config.Endpoints, TLS: config.TLS, DialTimeout: dialTimeout, Logger: zap.NewNop(),
		DialKeepAliveTime: 10 * time.Second, DialKeepAliveTimeout: 5 * time.Second,
	})
	if err != nil {
		return nil, fmt.Errorf("open journal on etcd %v: %w", config.Endpoints, err)
	}
	j.client = client
	return j, nil
}

// Close gives ownership back and closes the journal.
func (j *Journal) Close() error {
	release := j.releaseOwnership()
	if j.node != nil {
		return errors.Join(release, j.node.closeNode())
	}
	return errors.Join(release, j.client.Close())
}

// node is an embedded etcd without listeners.
type node struct {
	server *embed.Etcd
	client *clientv3.Client
	lock   *os.File
}

// startNode locks dir before etcd opens it: etcd itself would wait forever for its files.
func startNode(ctx context.Context, dir string) (*node, error) {
	lock, err := lockDir(dir)
	if err != nil {
		return nil, err
	}
	if err := beginFounding(dir); err != nil {
		lock.Close()
		return nil, fmt.Errorf("prepare the embedded etcd: %w", err)
	}
	server, err := startEtcd(dir)
	if err != nil {
		lock.Close()
		return nil, fmt.Errorf("start the embedded etcd: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	n := &node{server: server, client: localClient(server), lock: lock}
	select {
	case <-server.Server.ReadyNotify():
		if err = endFounding(dir); err == nil {
			return n, nil
		}
	case err = <-server.Err():
	case <-ctx.Done():
		err = ctx.Err()
	}
	return nil, errors.Join(fmt.Errorf("the embedded etcd did not get ready: %w", err), n.closeNode())
}

// startEtcd turns a panic of etcd into an error with advice. etcd panics when the first files cannot be written.
// etcd's open files stay locked: after this error the process ends, and never opens dir again.
func startEtcd(dir string) (server *embed.Etcd, err error) {
	defer func() {
		if reason := recover(); reason != nil {
			server, err = nil,
				fmt.Errorf("%v in %s: make room on the disk, or move a damaged directory away: the status branch "+
					"rebuilds the journal", reason, dir)
		}
	}()
	return embed.StartEtcd(nodeConfig(dir))
}

// nodeConfig configures etcd without sockets, with short ticks: a quorum of one waits for no network.
func nodeConfig(dir string) *embed.Config {
	c := embed.NewConfig()
	c.Dir = dir
	c.Name = "ingot"
	c.InitialCluster = c.InitialClusterFromName(c.Name)
	c.ListenClientUrls, c.ListenPeerUrls = nil, nil
	c.TickMs, c.ElectionMs = 10, 100
	c.AutoCompactionMode, c.AutoCompactionRetention = embed.CompactorModeRevision, "1000"
	c.ZapLoggerBuilder = embed.NewZapLoggerBuilder(zap.NewNop())
	return c
}

// closeNode closes the client first: the server waits for its clients.
func (n *node) closeNode() error {
	_ = n.client.Close() // without a connection only the client's own context can fail
	n.server.Close()
	return n.lock.Close()
}
