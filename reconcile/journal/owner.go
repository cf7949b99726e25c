package journal

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// ownerKey names the daemon that may write. Its create revision is the fence: a new owner makes a new key.
const ownerKey = prefix + "owner"

// ownership fences a write; the zero value owns nothing.
type ownership struct {
	revision int64 // create revision of ownerKey
	lease    clientv3.LeaseID
}

// Own makes this daemon the journal's only writer. For an embedded journal the directory's lock has decided before. On
// a cluster Own waits for the longest lease of a dead owner; a longer ownership is a living daemon's, and gives
// ErrOwned.
func (j *Journal) Own(ctx context.Context) error {
	deadline := time.Now().Add(j.config.LeaseTTL + callTimeout)
	ctx, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	if j.node != nil {
		if _, err := j.client.Delete(ctx, ownerKey); err != nil {
			return fmt.Errorf("take the journal over: %w", err)
		}
	}
	for {
		holder, since, err := j.askOwner(ctx)
		if err != nil || holder == "" {
			return err
		}
		if err := j.awaitRelease(ctx, since); err != nil {
			return fmt.Errorf("%s: %w: stop it, or give this daemon its own etcd", holder, ErrOwned)
		}
	}
}

// answerTimeout is how long a cluster may take to answer before a warning.
const answerTimeout = 3 * time.Second

// askOwner is tryOwn with advice when the cluster does not answer.
func (j *Journal) askOwner(ctx context.Context) (string, int64, error) {
	if j.node != nil {
		return j.tryOwn(ctx)
	}
	const next = "check `etcdctl --endpoints ENDPOINT endpoint health` from here, or correct etcd.endpoints"
	told := time.AfterFunc(answerTimeout, func() {
		j.config.Log.Warn("etcd does not answer, waiting: "+next, "endpoints", j.config.Endpoints)
	})
	defer told.Stop()
	holder, since, err := j.tryOwn(ctx)
	if err != nil && !errors.Is(err, ErrConflict) {
		err = fmt.Errorf("etcd %s: %w: %s", strings.Join(j.config.Endpoints, ", "), err, next)
	}
	return holder, since, err
}

// Lost is closed when ownership is lost to silence: every later write fails, and the daemon must stop.
func (j *Journal) Lost() <-chan struct{} { return j.lost }

// tryOwn takes ownership, or gives the holder's name and the revision of the answer.
func (j *Journal) tryOwn(ctx context.Context) (string, int64, error) {
	var mine ownership
	start := time.Now()
	put := clientv3.OpPut(ownerKey, j.config.Owner)
	if j.node == nil {
		lease, err := j.client.Grant(ctx, int64(j.config.LeaseTTL/time.Second))
		if err != nil {
			return "", 0, fmt.Errorf("own the journal: %w", err)
		}
		mine.lease = lease.ID
		put = clientv3.OpPut(ownerKey, j.config.Owner, clientv3.WithLease(lease.ID))
	}
	result, err := j.client.Txn(ctx).
		If(clientv3.Compare(clientv3.CreateRevision(ownerKey), "=", 0)).
		Then(put).
		Else(clientv3.OpGet(ownerKey)).Commit()
	if err != nil {
		return "", 0, fmt.Errorf("own the journal: %w", err)
	}
	if !result.Succeeded {
		if mine.lease != 0 {
			_, _ = j.client.Revoke(ctx, mine.lease) // without Revoke the lease runs out
		}
		for _, kv := range result.Responses[0].GetResponseRange().Kvs {
			return string(kv.Value), result.Header.Revision, nil
		}
		return "", 0, fmt.Errorf("own the journal: %w", ErrConflict)
	}
	mine.revision = result.Header.Revision
	j.keepOwnership(mine, term{start, j.config.LeaseTTL})
	return "", 0, nil
}

// keepOwnership records the ownership and renews the lease until releaseOwnership.
func (j *Journal) keepOwnership(mine ownership, granted term) {
	ctx, cancel := context.WithCancel(context.Background())
	j.mu.Lock()
	j.owner, j.term, j.stop = mine, granted, cancel
	j.mu.Unlock()
	if mine.lease == 0 {
		return
	}
	j.done.Go(func() { j.keepLease(ctx, mine.lease) })
}

func (j *Journal) awaitRelease(ctx context.Context, since int64) error {
	watch, stop := context.WithCancel(ctx)
	defer stop()
	for response := range j.client.Watch(watch, ownerKey, clientv3.WithRev(since+1), clientv3.WithFilterPut()) {
		if err := response.Err(); err != nil {
			return err
		}
		if len(response.Events) > 0 {
			return nil
		}
	}
	return context.Cause(ctx)
}

// releaseOwnership gives ownership back, so that the next daemon need not wait.
func (j *Journal) releaseOwnership() error {
	j.mu.Lock()
	mine, stop := j.owner, j.stop
	j.owner, j.stop = ownership{}, nil
	j.mu.Unlock()
	if stop == nil {
		return nil
	}
	stop()
	j.done.Wait()
	ctx, cancel := context.WithTimeout(context.Background(), callTimeout)
	defer cancel()
	_, err := j.client.Txn(ctx).If(mine.compareFence()).Then(clientv3.OpDelete(ownerKey)).Commit()
	if err != nil {
		return fmt.Errorf("give the journal back: %w", err)
	}
	return nil
}

// compareFence holds as long as the ownership does.
func (o ownership) compareFence() clientv3.Cmp {
	return clientv3.Compare(clientv3.CreateRevision(ownerKey), "=", o.revision)
}

func (j *Journal) currentOwnership() (ownership, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.owner.revision == 0 {
		return ownership{}, ErrNotOwner
	}
	return j.owner, nil
}
