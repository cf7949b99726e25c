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

// ownership is what fences a write; the zero value is none.
type ownership struct {
	revision int64 // of ownerKey's creation
	lease    clientv3.LeaseID
}

// Own makes this daemon the journal's only writer. In an embedded journal the directory's lock has decided that already. On a cluster it waits at most
// as long as a dead owner's lease could last; if somebody still owns it then, that daemon lives, and the error is ErrOwned.
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
		holder, since, err := j.ask(ctx)
		if err != nil || holder == "" {
			return err
		}
		if err := j.awaitRelease(ctx, since); err != nil {
			return fmt.Errorf("%s: %w: stop it, or give this daemon its own etcd", holder, ErrOwned)
		}
	}
}

// patience is how long a cluster may take to answer before somebody is told.
const patience = 3 * time.Second

// ask is tryOwn, and says of which cluster there is no answer.
func (j *Journal) ask(ctx context.Context) (string, int64, error) {
	if j.node != nil {
		return j.tryOwn(ctx)
	}
	const next = "see that it runs and can be reached from here (`etcdctl --endpoints ENDPOINT endpoint health`), or name others in etcd.endpoints"
	told := time.AfterFunc(patience, func() {
		j.config.Log.Warn("etcd does not answer, waiting: "+next, "endpoints", j.config.Endpoints)
	})
	defer told.Stop()
	holder, since, err := j.tryOwn(ctx)
	if err != nil && !errors.Is(err, ErrConflict) {
		err = fmt.Errorf("etcd %s: %w: %s", strings.Join(j.config.Endpoints, ", "), err, next)
	}
	return holder, since, err
}

// Lost is closed when ownership is lost to silence: the daemon must stop, every write fails from now on.
func (j *Journal) Lost() <-chan struct{} { return j.lost }

// tryOwn gives the present holder's name and the revision at which it was seen, or owns the journal.
func (j *Journal) tryOwn(ctx context.Context) (string, int64, error) {
	var mine ownership
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
			_, _ = j.client.Revoke(ctx, mine.lease) // else it ends by itself
		}
		for _, kv := range result.Responses[0].GetResponseRange().Kvs {
			return string(kv.Value), result.Header.Revision, nil
		}
		return "", 0, fmt.Errorf("own the journal: %w", ErrConflict)
	}
	mine.revision = result.Header.Revision
	j.keep(mine)
	return "", 0, nil
}

// keep notes the ownership and keeps its lease alive until release.
func (j *Journal) keep(mine ownership) {
	ctx, cancel := context.WithCancel(context.Background())
	j.mu.Lock()
	j.owner, j.stop = mine, cancel
	j.mu.Unlock()
	if mine.lease == 0 {
		return
	}
	j.done.Go(func() {
		alive, err := j.client.KeepAlive(ctx, mine.lease)
		if err == nil {
			for range alive {
			}
		}
		if ctx.Err() == nil {
			close(j.lost)
		}
	})
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

// release gives ownership back, if there is any, so that the next daemon need not wait.
func (j *Journal) release() error {
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
	_, err := j.client.Txn(ctx).If(mine.fence()).Then(clientv3.OpDelete(ownerKey)).Commit()
	if err != nil {
		return fmt.Errorf("give the journal back: %w", err)
	}
	return nil
}

// fence holds for as long as the ownership does.
func (o ownership) fence() clientv3.Cmp {
	return clientv3.Compare(clientv3.CreateRevision(ownerKey), "=", o.revision)
}

func (j *Journal) mine() (ownership, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.owner.revision == 0 {
		return ownership{}, ErrNotOwner
	}
	return j.owner, nil
}
