package journal

import (
	"context"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// Commit has a transaction carried out.
type Commit func(context.Context) (*clientv3.TxnResponse, error)

// Intercept has every transaction of a journal go its way through a function, between the client and the server.
func Intercept(j *Journal, through func(context.Context, Commit) (*clientv3.TxnResponse, error)) {
	j.client.KV = intercepted{j.client.KV, through}
}

type intercepted struct {
	clientv3.KV
	through func(context.Context, Commit) (*clientv3.TxnResponse, error)
}

func (i intercepted) Txn(ctx context.Context) clientv3.Txn { return &interceptedTxn{kv: i, ctx: ctx} }

type interceptedTxn struct {
	kv           intercepted
	ctx          context.Context
	conditions   []clientv3.Cmp
	then, orElse []clientv3.Op
}

func (t *interceptedTxn) If(conditions ...clientv3.Cmp) clientv3.Txn {
	t.conditions = conditions
	return t
}

func (t *interceptedTxn) Then(ops ...clientv3.Op) clientv3.Txn {
	t.then = ops
	return t
}

func (t *interceptedTxn) Else(ops ...clientv3.Op) clientv3.Txn {
	t.orElse = ops
	return t
}

func (t *interceptedTxn) Commit() (*clientv3.TxnResponse, error) {
	return t.kv.through(t.ctx, func(ctx context.Context) (*clientv3.TxnResponse, error) {
		return t.kv.KV.Txn(ctx).If(t.conditions...).Then(t.then...).Else(t.orElse...).Commit()
	})
}

// TakeOver has another daemon own the journal.
func TakeOver(t *testing.T, j *Journal) {
	t.Helper()
	for _, op := range []clientv3.Op{clientv3.OpDelete(ownerKey), clientv3.OpPut(ownerKey, "another daemon")} {
		if _, err := j.client.Do(t.Context(), op); err != nil {
			t.Fatal(err)
		}
	}
}

// WriteRaw puts a value past every check.
func WriteRaw(t *testing.T, j *Journal, key, value string) {
	t.Helper()
	if _, err := j.client.Put(t.Context(), prefix+key, value); err != nil {
		t.Fatal(err)
	}
}

// DropLease takes the owner's lease away, as silence does.
func DropLease(t *testing.T, j *Journal) {
	t.Helper()
	if _, err := j.client.Revoke(t.Context(), j.owner.lease); err != nil {
		t.Fatal(err)
	}
}

// Silence stops the renewal of the owner's lease, as the death of the daemon does: nothing is given back.
func Silence(j *Journal) { j.stop() }

// ReadRaw gives a value as it is stored.
func ReadRaw(t *testing.T, j *Journal, key string) string {
	t.Helper()
	value, _, err := j.readKey(t.Context(), prefix+key)
	if err != nil {
		t.Fatal(err)
	}
	return string(value)
}

// TermHolds is term.holds of a lease granted at a moment.
func TermHolds(start time.Time, ttl time.Duration, now time.Time) bool {
	return term{start, ttl}.holds(now)
}

// BeginFounding is beginFounding, for tests without an etcd.
var BeginFounding = beginFounding
