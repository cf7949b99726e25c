package journal

import (
	"context"
	"fmt"
	"time"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc"
)

// term is how long a daemon surely owns the journal. The server counts a lease from a moment after the request was
// sent: the start of the request is the safe moment.
type term struct {
	start time.Time     // of the last request that the server answered with yes
	ttl   time.Duration // that the server answered
}

// holds reports whether the ownership is sure at a moment. A fifth of the lease is kept back for clocks that differ in
// speed and for a request on its way. Both clocks of the machine must agree: one stops while the machine is suspended,
// and one is set by people.
func (t term) holds(now time.Time) bool {
	sure := t.ttl - t.ttl/5
	return now.Sub(t.start) < sure && now.Round(0).Sub(t.start.Round(0)) < sure
}

// Owned gives nil while this daemon surely owns the journal: an embedded journal as long as the journal is open and
// owned, on a cluster until shortly before the lease can have ended. Ask right before an effect.
func (j *Journal) Owned() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	switch {
	case j.owner.revision == 0:
		return ErrNotOwner
	case j.owner.lease != 0 && !j.term.holds(time.Now()):
		return fmt.Errorf("%w for sure: etcd did not renew its lease in time: check that etcd answers", ErrNotOwner)
	}
	return nil
}

// keepLease renews a lease until ctx ends, and closes lost when the lease has ended.
func (j *Journal) keepLease(ctx context.Context, id clientv3.LeaseID) {
	pause := time.NewTicker(j.config.LeaseTTL / 4)
	defer pause.Stop()
	for {
		j.mu.Lock()
		end := j.term.start.Add(j.term.ttl)
		j.mu.Unlock()
		start := time.Now()
		ttl, err := j.renewLease(ctx, id)
		switch {
		case ctx.Err() != nil:
			return
		case err == nil && ttl <= 0, err != nil && !time.Now().Before(end):
			j.mu.Lock()
			j.term = term{}
			j.mu.Unlock()
			close(j.lost)
			return
		case err == nil:
			j.mu.Lock()
			j.term = term{start, min(ttl, j.config.LeaseTTL)}
			j.mu.Unlock()
		}
		select {
		case <-pause.C:
		case <-ctx.Done():
			return
		}
	}
}

// renewLease renews a lease once, and gives its time; no time when the lease has ended. clientv3.KeepAliveOnce is not
// used: it repeats a refused connection without a pause.
func (j *Journal) renewLease(ctx context.Context, id clientv3.LeaseID) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, j.config.LeaseTTL/4)
	defer cancel()
	stream, err := etcdserverpb.NewLeaseClient(j.client.ActiveConnection()).LeaseKeepAlive(ctx, grpc.WaitForReady(true))
	if err != nil {
		return 0, err
	}
	if err := stream.Send(&etcdserverpb.LeaseKeepAliveRequest{ID: int64(id)}); err != nil {
		return 0, err
	}
	answer, err := stream.Recv()
	if err != nil {
		return 0, err
	}
	return time.Duration(answer.TTL) * time.Second, nil
}
